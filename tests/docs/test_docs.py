"""The docs agree with the product: their Python runs, and their claims are those that `rfscale reproduce` writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rfscale.sweeps.reproduction import run as reproduce
from tests import ROOT


def test_claims_in_the_docs_are_those_of_the_product(tmp_path):
    reproduce.run(tmp_path, pictures=False)
    made = (tmp_path / "claims.md").read_text()
    assert (ROOT / "docs" / "claims.md").read_text() == made, "copy reproduction/claims.md to docs/claims.md"


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        for target in re.findall(
            r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```|\$[^$]*\$", "", page.read_text(), flags=re.S)
        ):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links {target}"


@pytest.mark.torch
def test_the_readme_reads_a_model(capsys):
    """The block that needs PyTorch prints what its comment says."""
    text = (ROOT / "README.md").read_text()
    block = text.split("<!-- needs torch -->\n```py\n")[1].split("```")[0]
    comment = re.search(r"# (8: .*)$", block, re.MULTILINE)
    exec(compile(block, "README.md", "exec"), {})
    assert comment is not None
    assert capsys.readouterr().out == comment[1] + "\n"


def blocks(path: Path) -> list[tuple[int, str]]:
    """Line numbers and text of the python blocks of a page. A block that cannot run here is marked ``py`` instead."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: m.start(1)].count("\n"), m[1]) for m in found]


PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in order, in one namespace; every value after `# →`, or on the next line, is checked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    space: dict[str, object] = {"__name__": "__main__"}
    checked = 0
    for line, block in blocks(page):
        for node in ast.parse(block).body:
            here, *below = block.splitlines()[node.end_lineno - 1 :][:2]
            claim = re.search(r"# → (.*)$", here) or re.match(r"# → (.*)$", "".join(below))
            if isinstance(node, ast.Expr) and claim:
                value = eval(compile(ast.Expression(node.value), page.name, "eval"), space)
                assert repr(value) == claim[1].strip(), f"{page.name}, line {line + node.end_lineno}"
                checked += 1
            else:
                exec(compile(ast.Module([node], []), f"{page.name} from line {line}", "exec"), space)
    assert checked == sum(block.count("# →") for _, block in blocks(page))
