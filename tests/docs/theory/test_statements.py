"""Every numbered statement of docs/theory.md has a test in this folder."""

from __future__ import annotations

import re
from pathlib import Path

from tests import ROOT

THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")


def test_every_statement_has_a_test() -> None:
    numbers = re.findall(r"\*\*(\d+\.\d+)\*\*", THEORY)
    assert numbers == sorted(set(numbers), key=lambda n: [int(i) for i in n.split(".")])
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for number in numbers:
        section, item = number.split(".")
        if section == "9" and int(item) <= 7:
            item = "1_to_9_7"
        assert f"def test_{section}_{item}_" in tests, number
