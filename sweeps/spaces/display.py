"""How spaces show themselves: their stages or factors, as text and as HTML. Nothing is worked out for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.display.tables import Column, filled, html_table, page, paragraph, text_table
from rfscale.engine.errors import visible

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.index import Labelled
    from rfscale.sweeps.spaces.space import Space

LABELS = 8  # of a factor
ROWS = 60  # stages or factors
LARGEST_WRITTEN = 10**15


def count(size: int) -> str:
    """Return a number of architectures of any size, as people read it.

    Examples
    --------
    >>> count(34_560), count(10**24)
    ('34,560', '1.00e24')
    """
    if size < LARGEST_WRITTEN:
        return f"{size:,}"
    digits = str(size) if size < 10**4000 else ""
    return f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}" if digits else "more than 1e4000"


def factor_text(name: str, labels: Sequence[Any]) -> str:
    """Return a factor with its labels, the first ones of many."""
    more = f", … {len(labels):,} values" if len(labels) > LABELS else ""
    return f"{name}: {', '.join(str(v) for v in labels[:LABELS])}{more}"


def stage_columns(space: Space) -> list[Column]:
    """Return the stages of a space: the factors that each introduces, and the architectures so far."""
    stages = space.stages[:ROWS]
    new = [[factor_text(n, space.dims[n]) for n in names] for names in space.introduced[:ROWS]]
    return [
        Column("stage", [s.name for s in stages], left=True),
        Column("factors", ["; ".join(factors) for factors in new], left=True),
        Column("architectures", [count(n) for n in space.stage_sizes[:ROWS]]),
    ]


def factor_columns(space: Labelled) -> list[Column]:
    """Return the factors of any space, and how many values each has."""
    factors = list(space.dims.items())[:ROWS]
    texts = [factor_text(name, labels).partition(": ")[2] for name, labels in factors]
    return [
        Column("factor", [str(name) for name, _ in factors], left=True),
        Column("values", [f"{len(labels):,}" for _, labels in factors]),
        Column("labels", texts, left=True),
    ]


def _more(rows: int) -> list[str]:
    return [f"… and {rows - ROWS} more"] if rows > ROWS else []


def space_text(title: str, columns: Sequence[Column], rows: int) -> str:
    """Return a space as text, below its title."""
    return "\n".join([visible(title), "", *text_table(filled(columns)), *_more(rows)])


def space_html(title: str, columns: Sequence[Column], rows: int) -> str:
    """Return a space as HTML."""
    more = [paragraph(line) for line in _more(rows)]
    return page(paragraph(title, strong=True), html_table(filled(columns)), *more)
