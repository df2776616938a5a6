"""The blocks of docs/effective-field.md that need PyTorch run, and give the values that they show."""

from __future__ import annotations

import ast
import re

import pytest

from tests import ROOT


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_the_three_cases(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    text = (ROOT / "docs" / "effective-field.md").read_text(encoding="utf-8")
    space: dict[str, object] = {"__name__": "__main__"}
    checked = 0
    for block in re.findall(r"^```py\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for node in ast.parse(block).body:
            claim = re.search(r"# → (.*)$", block.splitlines()[(node.end_lineno or 1) - 1])
            if isinstance(node, ast.Expr) and claim:
                assert repr(eval(compile(ast.Expression(node.value), "page", "eval"), space)) == claim[1]
                checked += 1
            else:
                exec(compile(ast.Module([node], []), "page", "exec"), space)
    assert checked == 7
