"""Formulas of one kind as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from rfscale.engine.display.tables import Column, html_table, page, paragraph
from rfscale.engine.formulas.registry import Formula


def formulas_html(name: str, formulas: Mapping[str, Formula]) -> str:
    """Return formulas as a table: of each the layer that it is for, its equation, and where it holds."""
    columns = [
        Column("name", list(formulas), left=True),
        Column("layer", [f.layer for f in formulas.values()], left=True),
        Column("equation", [f.equation for f in formulas.values()], left=True),
        Column("domain", [f.domain for f in formulas.values()], left=True),
    ]
    sources = dict.fromkeys(f.source for f in formulas.values())
    return page(paragraph(f"formulas: {name}", strong=True), html_table(columns), *map(paragraph, sources))
