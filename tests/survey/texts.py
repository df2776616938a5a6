"""Short texts of what ended a reading or a judgement."""

from __future__ import annotations

import re

import rfscale as rf

REASON = 160  # characters


def line(error: BaseException) -> str:
    """An error on one line."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "it takes more memory than the survey gives it"
    return short(str(error) if isinstance(error, rf.InputError) else f"{type(error).__name__}: {error}")


def short(text: str) -> str:
    """The start of a text."""
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= REASON else f"{text[: REASON - 1]}…"
