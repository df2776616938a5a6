"""Turn a benchmark JSON into the tables of docs/benchmarks.md and a chart.

pytest benchmarks --benchmark-json=benchmarks.json
python -m benchmarks.report benchmarks.json
python -m benchmarks.report benchmarks.json --print    # and write nothing
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.results import OURS, Results, Row, duration, multiple, rate, read

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "pictures" / "benchmarks.png"
MARKS = "<!-- benchmarks -->", "<!-- /benchmarks -->"
SHORT = "<!-- short -->", "<!-- /short -->"
INSIDE = "<!-- inside -->", "<!-- /inside -->"


def note(row: Row) -> str:
    """Return the notes on a row: what it leaves out, what it gets wrong, the aim."""
    info = row.info
    parts = [info["note"], info.get("verdict", "")]
    if info.get("items"):
        parts.append(rate(info["items"], info["unit"], row.seconds))
    aim = f"≥ {info['aim']:,}×" if info["aim"] else ""
    if info.get("rate_aim"):
        aim = f"≥ {info['rate_aim'] / 1e6:,.0f} M/s"
    if aim and not info["small"]:
        parts.append(f"aim {aim}: " + ("**missed**" if row.missed else "reached"))
    return "; ".join(part for part in parts if part)


def slower(row: Row) -> str:
    """Return the ratio to ours, in bold with a word where we lose."""
    return multiple(row.ratio) if row.ratio >= 1 else f"**{multiple(row.ratio)} (faster)**"


def full_table(cases: dict[str, list[Row]]) -> str:
    """Return all contenders of some cases."""
    out = ["| question | who | time | × ours | notes |", "| --- | --- | ---: | ---: | --- |"]
    for name, rows in cases.items():
        for row in rows:
            first = name if row.who == OURS else ""
            who, ratio = (f"**{OURS}**", "1") if row.who == OURS else (row.who, slower(row))
            out.append(f"| {first} | {who} | {duration(row.seconds)} | {ratio} | {note(row)} |")
    return "\n".join(out)


def short_table(results: Results) -> str:
    """Return the contenders that the registry marks as short, one line each, where ours is a call of a user."""
    out = [
        "| question | rfscale | the other way | its time | × ours | notes |",
        "| --- | ---: | --- | ---: | ---: | --- |",
    ]
    before = ""
    for name, rows in results.part(public=True).items():
        ours = rows[0]
        for row in rows[1:]:
            if row.info["readme"]:
                first, time = ("", "") if name == before else (name, duration(ours.seconds))
                notes = f"ours: {note(ours)}" if first and ours.info.get("rate_aim") else note(row)
                out.append(f"| {first} | {time} | {row.who} | {duration(row.seconds)} | {slower(row)} | {notes} |")
                before = name
    return "\n".join(out)


def summary(results: Results) -> str:
    """Return one sentence on wins, losses and aims, counted from the rows."""
    others = [row for rows in results.cases.values() for row in rows[1:]]
    lost = [row for row in others if row.ratio < 1]
    aimed = [r for rows in results.cases.values() for r in rows if r.info["aim"] is not None or r.info.get("rate_aim")]
    reached = sum(not row.missed for row in aimed)
    aims = f"{reached} of the {len(aimed)} aims of the project are reached. " if not results.small else ""
    return (
        f"Times are medians, and everything in a group was timed in one run after its answers were found equal; "
        "where another package's differs, the notes say so. "
        f"Of {len(others)} comparisons {len(lost)} are below 1: there the other way is faster than ours, or does less. "
        f"{aims}Times of what would take hours are scaled up from a part, as the notes say."
    )


def replaced(text: str, body: str, marks: tuple[str, str] = MARKS) -> str:
    """Return a text with what stands between two marks replaced."""
    before, rest = text.split(marks[0])
    _, after = rest.split(marks[1])
    return f"{before}{marks[0]}\n{body}\n{marks[1]}{after}"


def main() -> None:
    """Write the tables between their marks, and the chart beside the docs."""
    from benchmarks.chart import draw

    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", help="what `pytest benchmarks --benchmark-json=FILE` wrote")
    parser.add_argument("--print", action="store_true", help="print the tables and write nothing")
    given = parser.parse_args()
    results = read(given.results)
    conditions = " ".join(results.conditions())
    short = f"{short_table(results)}\n\n{summary(results)} Measured on {conditions}"
    full = f"{summary(results)}\n\n{conditions}\n\n{full_table(results.part(public=True))}"
    inside = full_table(results.part(public=False))
    page = DOCS.read_text()
    for body, marks in ((short, SHORT), (full, MARKS), (inside, INSIDE)):
        page = replaced(page, body, marks)
    if given.print:
        print(short, full, inside, sep="\n\n")
        with tempfile.TemporaryDirectory() as folder:
            draw(results, Path(folder) / CHART.name)
        return
    DOCS.write_text(page)
    draw(results, CHART)
    print(full, inside, sep="\n\n")


if __name__ == "__main__":
    main()
