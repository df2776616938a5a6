"""The one exception that bad input raises, and help with misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used. The message is one line: what it got, what it needs, how to mend it."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a phrase that offers the known names nearest to `name`, or lists them where they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    if len(names) <= 30:
        return "known: " + ", ".join(names)
    return f"{len(names)} names are known"


def shown(value: object, limit: int = 60) -> str:
    """Return `value` as an error message shows it: on one line, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an int of more than 4300 digits, a nest without end
        text = f"a {type(value).__name__} too large to print"
    return text if len(text) <= limit else text[: limit - 1] + "…"
