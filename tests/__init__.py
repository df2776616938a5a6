"""The tests mirror the packages; `oracles` are the slow obvious judges."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
