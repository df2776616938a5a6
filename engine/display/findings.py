"""Findings as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.analysis.check.formats import counted
from rfscale.engine.analysis.check.rules import Finding
from rfscale.engine.display.tables import Column, html_table, number, page, paragraph

ROWS = 100  # that are shown


def findings_html(findings: Sequence[Finding], network: str) -> str:
    """Return findings as a table, worst first as they come."""
    shown = findings[:ROWS]
    columns = [
        Column("level", [f.level for f in shown], left=True),
        Column("layer", [f.layer for f in shown], left=True),
        Column("rule", [f.rule for f in shown], left=True),
        Column("value", [number(float(f"{f.value:.3g}")) for f in shown]),
        Column("limit", [number(f.threshold) for f in shown]),
        Column("what", [f.message for f in shown], left=True),
        Column("remedy", [f.remedy for f in shown], left=True),
    ]
    more = [paragraph(f"… and {len(findings) - ROWS} more")] if len(findings) > ROWS else []
    table = [html_table(columns), *more] if findings else []
    return page(paragraph(f"{network or 'findings'}: {counted(findings)}", strong=True), *table)
