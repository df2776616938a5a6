"""Stores for the tests: spaces of many small blocks, and what stands in the files of a folder."""

from __future__ import annotations

from pathlib import Path

import rfscale as rf
from tests.sweeps.some_spaces import DEMO

SMALL = 600  # bytes of a block: many of them in small spaces
KILLED = """
import sys
import rfscale as rf
from rfscale.sweeps.runs.store.store import write_store
stages = [{"name": f"s{i}", "kernel": 3, "dilation": [1, 2, 3, 4]} for i in range(8)]
write_store(rf.Space.from_dict({"stages": stages}), sys.argv[1], block_bytes=1 << 12)
"""


def demo():
    return rf.Space.from_dict(DEMO)


def contents(path):
    """Every file of a store but the lock."""
    return {str(f.relative_to(path)): f.read_bytes() for f in Path(path).rglob("*") if f.is_file() and f.name != "lock"}
