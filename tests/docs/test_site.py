"""The documentation site, without Sphinx: its pages, links, reference and glossary are whole; the tutorials run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rfscale as rf
from docs import columns
from rfscale.engine import variables as of_one_network
from rfscale.sweeps import variables as of_many
from tests import ROOT

DOCS = ROOT / "docs"
PAGES = [p for p in sorted(DOCS.glob("**/*.md")) if not p.name.startswith("_")]
TUTORIALS = sorted(DOCS.glob("tutorials/*.md"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and MyST make of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?^```", "", read(page), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_page_is_in_the_index_once():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", read(DOCS / "index.md"), re.S | re.M)
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(str(p.relative_to(DOCS).with_suffix("")) for p in PAGES if p.stem != "index")


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_anchors_in_links_are_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", read(page)):
        assert anchor in anchors((page.parent / target).resolve() if target else page), f"{target}#{anchor}"


def test_the_readme_is_short_and_keeps_what_ci_runs():
    lines = read(ROOT / "README.md").splitlines()
    assert len(lines) <= 120
    assert all(f"<!-- {mark} -->" in lines for mark in ("run", "test"))
    assert ".venv/bin/rfscale" in "".join(lines)


def test_the_reference_has_every_public_name():
    page = read(DOCS / "api.md")
    listed = re.findall(r"^   (\w+)$", page, re.M)
    assert sorted(listed) == sorted(rf.__all__)


def test_the_glossary_has_every_column():
    text = columns.markdown()
    assert "_columns.md" in read(DOCS / "glossary.md")
    tables = [t for m in (of_one_network, of_many) for t in vars(m).values() if isinstance(t, dict)]
    specs = {
        name: spec for table in tables for name, spec in table.items() if isinstance(spec, of_one_network.Variable)
    }
    per_axis = {f"{name}_{axis}" for name in of_many.VARIABLES for axis in of_many.NAMES_OF_AXES}
    assert len(specs) > 100
    for name in specs.keys() - per_axis:
        assert f"| `{name}` | " in text
    assert "{" not in text
    assert columns.TITLES.keys() <= columns.tables().keys(), "a title of a table that is gone"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorials_run(page, monkeypatch):
    """Every cell, in order and in one namespace, in the folder in which the site runs it."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(page.parent)
    text, space = read(page), {"__name__": "__main__"}
    cells = list(re.finditer(r"^```\{code-cell\} python\n(.*?)^```", text, re.S | re.M))
    assert cells
    for cell in cells:
        line = text[: cell.start(1)].count("\n")
        exec(compile(ast.parse(cell[1]), f"{page.name} from line {line}", "exec"), space)
    from matplotlib import pyplot as plt

    plt.close("all")
