"""The docs say what the product says: their table of claims is the one that `rfscale reproduce` writes."""

from __future__ import annotations

import re

import pytest

from rfscale.sweeps.reproduction import run as reproduce
from tests import ROOT


def test_claims_in_the_docs_are_those_of_the_product(tmp_path):
    reproduce.run(tmp_path, pictures=False)
    made = (tmp_path / "claims.md").read_text()
    assert (ROOT / "docs" / "claims.md").read_text() == made, "copy reproduction/claims.md to docs/claims.md"
    table = (ROOT / "README.md").read_text().split("<!-- claims -->\n")[1].split("<!-- /claims -->")[0]
    rows = table.strip().splitlines()
    assert len(rows) > 10
    assert set(rows) <= set(made.splitlines())


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(
            r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```|\$[^$]*\$", "", page.read_text(), flags=re.S)
        ):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links {target}"


@pytest.mark.torch
def test_the_readme_reads_a_model(capsys):
    """The block that needs PyTorch prints what stands behind it."""
    text = (ROOT / "README.md").read_text()
    block = text.split("<!-- needs the torch extra -->\n```py\n")[1].split("```")[0]
    said = re.search(r"# (8: .*)$", block, re.MULTILINE)
    exec(compile(block, "README.md", "exec"), {})
    assert said is not None
    assert capsys.readouterr().out == said[1] + "\n"
