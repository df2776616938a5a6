"""The tables of docs/benchmarks.md, of all machines side by side, and the chart.

python -m benchmarks.report                       # from docs/benchmarks/*.json
python -m benchmarks.report benchmarks.json       # with what pytest --benchmark-json=benchmarks.json has just written
python -m benchmarks.report benchmarks.json --print    # of that run alone; writes nothing
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import memory_table
from benchmarks.results import OURS, ROOT, Results, Row, duration, multiple, place, rate, read_run, stored, write

DOCS = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "pictures" / "benchmarks.png"
MARKS = "<!-- benchmarks -->", "<!-- /benchmarks -->"
SHORT = "<!-- short -->", "<!-- /short -->"
INSIDE = "<!-- inside -->", "<!-- /inside -->"
GROWTH = "<!-- growth -->", "<!-- /growth -->"
ABSENT = "–"

Found = list[Row | None]  # of each machine, in the order of the columns


def note(found: Found, machines: Sequence[Results]) -> str:
    """Return the notes on a contender: what it leaves out, what it gets wrong, the aim."""
    rows = [(row, m) for row, m in zip(found, machines, strict=True) if row is not None]
    info = rows[0][0].info
    parts = [info["note"], info.get("verdict", "")]
    aim = f"≥ {info['aim']:,}×" if info["aim"] else ""
    if info.get("rate_aim"):
        each = info["rate_aim"]
        aim = f"≥ {each / 1e6:,.0f} M/s" if each >= 1e6 else f"≥ {each:,.0f}/s"
    judged = [(row, m.name) for row, m in rows if not m.machine["small"]]
    if aim and judged:
        missed = [name for row, name in judged if row.missed]
        where = "" if len(missed) == len(judged) else f" on {' and '.join(missed)}"
        parts.append(f"aim {aim}: " + (f"**missed{where}**" if missed else "reached"))
    return "; ".join(part for part in parts if part)


def cell(row: Row | None) -> str:
    """Return a time; of ours the rate as well, of another contender its multiple of ours, in bold where we lose."""
    if row is None:
        return ABSENT
    time = duration(row.seconds)
    if row.who == OURS:
        items = row.info.get("items")
        return f"**{time}**" + (f", {rate(items, row.info['unit'], row.seconds)}" if items else "")
    return f"{time} ({multiple(row.ratio)}×)" if row.ratio >= 1 else f"{time} (**{multiple(row.ratio)}×, faster**)"


def contenders(name: str, machines: Sequence[Results]) -> dict[str, Found]:
    """Return the rows of a case by contender, ours first."""
    who = dict.fromkeys(row.who for m in machines for row in m.cases.get(name, []))
    return {w: [next((row for row in m.cases.get(name, []) if row.who == w), None) for m in machines] for w in who}


def table(machines: Sequence[Results], *, public: bool, short: bool = False) -> str:
    """Return the contenders of all cases, a line each, with a column for each machine.

    The short table has those that the registry marks as short. A case is public where ours is a call of a user.
    """
    heads = ["question", "who", "state", *(m.name for m in machines), "notes"]
    out = [f"| {' | '.join(heads)} |", f"| --- | --- | --- |{' ---: |' * len(machines)} --- |"]
    for name in dict.fromkeys(name for m in machines for name in m.cases):
        found = contenders(name, machines)
        first = {who: next(row for row in rows if row is not None).info for who, rows in found.items()}
        if first[OURS]["public"] is not public:
            continue
        wanted = [w for w in found if w == OURS or not short or first[w]["readme"]]
        if short and len(wanted) == 1 and not first[OURS]["readme"]:
            continue
        for who in wanted:
            title, whose = (name, f"**{who}**") if who == OURS else ("", who)
            cells = [title, whose, first[who]["state"], *map(cell, found[who]), note(found[who], machines)]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def replaced(text: str, body: str, marks: tuple[str, str] = MARKS) -> str:
    """Return a text with what stands between two marks replaced."""
    before, rest = text.split(marks[0])
    _, after = rest.split(marks[1])
    return f"{before}{marks[0]}\n{body}\n{marks[1]}{after}"


def bodies(machines: Sequence[Results]) -> dict[tuple[str, str], str]:
    """Return the parts of the page that are made from the files of the machines, by the marks around them."""
    said = [f"- **{m.name}**: {m.summary()} Measured on {' '.join(m.conditions())}" for m in machines]
    grown = [f"{m.name}:\n\n{m.growth['table']}\n\n{m.growth['conditions']}" for m in machines if m.growth]
    return {
        SHORT: table(machines, public=True, short=True),
        MARKS: "\n".join(said) + "\n\n" + table(machines, public=True),
        INSIDE: table(machines, public=False),
        GROWTH: "\n\n".join(grown),
        memory_table.MARKS: memory_table.table(machines),
    }


def refresh() -> None:
    """Write the page and its chart from the files of all machines."""
    from benchmarks.chart import draw

    machines = stored()
    page = DOCS.read_text(encoding="utf-8")
    for marks, body in bodies(machines).items():
        page = replaced(page, body, marks)
    DOCS.write_text(page, encoding="utf-8")
    draw(machines[0], CHART)


def main() -> None:
    """Write the tables between their marks, and the chart beside the docs."""
    from benchmarks.chart import draw

    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", help="what `pytest benchmarks --benchmark-json=FILE` wrote")
    parser.add_argument("--print", action="store_true", help="print the tables of FILE and write nothing")
    given = parser.parse_args()
    if given.print and not given.results:
        parser.error("--print needs FILE")
    if given.print:
        results = read_run(given.results)
        print(*bodies([results]).values(), sep="\n\n")
        with tempfile.TemporaryDirectory() as folder:
            draw(results, Path(folder) / CHART.name)
        return
    if given.results:
        results = read_run(given.results)
        write(place(results.machine), machine=results.machine, timings=results.timings)
    refresh()
    print(f"written: {DOCS.relative_to(ROOT)}, {CHART.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
