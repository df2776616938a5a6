"""What the terminal shows: texts, tables and their cells.

Tables read well at 100 columns. In a pipe they have no colour codes and are as wide as they need to be. In a narrower
terminal names are folded at their separators, and columns that do not fit go into a second part of the table, with the
first column again: nothing is cut, nothing left out.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from math import floor, isinf, isnan, log10
from typing import NamedTuple

from rfscale.engine.errors import visible
from rfscale.engine.formulas.exactness import same

MAX_SPACED_COLUMNS = 12  # a table of more columns has narrower gaps, to fit into 100 characters
ONE_PLACE_EACH = re.compile("[ -~\xa1-\xac\xae-\u02ff–−…─×√]*")
PX = "px"  # the unit of lengths, pixels of the image, and of areas, how many of them
INDENT = "    "  # of a text after its first line
MIN_NAME_WIDTH = 10  # characters of a column of names that is folded


class Column(NamedTuple):
    """A column of a table, which leaves it out if all its cells are `quiet`. The `unit` stands below the header."""

    header: str
    cells: Sequence[str]
    justify: str = "right"
    quiet: tuple[str, ...] = ()
    unit: str = ""


class Table(NamedTuple):
    """Columns of cells; `sections` are titles that stand before the rows of these numbers."""

    columns: Sequence[Column]
    sections: Mapping[int, str] = {}
    fold_headers: bool = False  # even where there is room


def folded(columns: Sequence[Column]) -> Table:
    """Return the table of the columns that have a cell which is not quiet."""
    return Table([c for c in columns if not c.cells or any(cell not in c.quiet for cell in c.cells)])


def say(*parts: str | Table) -> None:
    """Print texts and tables to stdout."""
    emit(rendered(parts, terminal_width()))


def emit(text: str) -> None:
    """Print a text to stdout; end the process where the reader of a pipe has ended, as in `| head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


def terminal_width() -> int | None:
    """Return the characters of a line of the terminal, or None where stdout is a pipe or a file."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else None


def rendered(parts: Sequence[str | Table], width: int | None) -> str:
    """Return texts and tables as lines, an empty one above and below a table.

    Parameters
    ----------
    parts : sequence of str or Table
        A text is one line, or several where it is longer than the width.
    width : int, optional
        Characters that a row may have; without it rows are as long as they need to be.
    """
    lines: list[str] = []
    for i, part in enumerate(parts):
        if i and not (isinstance(part, str) and isinstance(parts[i - 1], str)):
            lines.append("")
        lines += _text_lines(visible(part).rstrip(), width) if isinstance(part, str) else _table_lines(part, width)
    return "\n".join(lines)


def _text_lines(text: str, width: int | None) -> list[str]:
    """A text in lines that end after a word, those after the first indented; words stay whole, for paths are copied."""
    if width is None or _cells(text) <= width:
        return [text]
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if lines[-1].strip() and _cells(lines[-1] + word) > width:
            lines.append(INDENT + word.strip())
        else:
            lines[-1] += word
    return lines


# tables -------------------------------------------------------------------------------------------------------------


def _table_lines(table: Table, width: int | None) -> list[str]:
    """A table as lines, in several parts where the terminal is too narrow for all columns."""
    columns = [c._replace(header=visible(c.header), cells=[visible(cell) for cell in c.cells]) for c in table.columns]
    if table.fold_headers:
        columns = [c if c.justify == "left" else _narrowed(c, _least_width(c)) for c in columns]
    lines: list[str] = []
    for part in [columns] if width is None else [_fitted(part, width) for part in _parts(columns, width)]:
        titles = {i: _lines(visible(title), _width(part[0])) for i, title in table.sections.items()}
        lines += [*([""] if lines else []), *_grid(part, titles)]
    return lines


def _parts(columns: list[Column], width: int) -> list[list[Column]]:
    """The columns in parts that fit a width, each with the first column."""
    first, parts = columns[:1], [columns[:1]]
    least = {id(column): _least_width(column) for column in columns}
    for column in columns[1:]:
        longer = [*parts[-1], column]
        if len(parts[-1]) > 1 and sum(least[id(c)] for c in longer) + _gap(longer) * (len(longer) - 1) > width:
            parts.append([*first])
        parts[-1].append(column)
    return parts


def _grid(columns: Sequence[Column], sections: Mapping[int, str]) -> list[str]:
    """The lines of a table whose cells may have several lines each; a title of a section has an empty line above."""
    widths, gap = [_width(c) for c in columns], " " * _gap(columns)
    left = [c.justify == "left" for c in columns]

    def put(cells: Sequence[Sequence[str]]) -> list[str]:
        return [gap.join(map(_padded, part, widths, left)).rstrip() for part in zip_longest(*cells, fillvalue="")]

    headers = [c.header.split("\n") for c in columns]
    most = max(map(len, headers))
    units = put([[c.unit] for c in columns]) if any(c.unit for c in columns) else []
    lines = [
        *put([[""] * (most - len(h)) + h for h in headers]),
        *units,
        "─" * (sum(widths) + len(gap) * (len(widths) - 1)),
    ]
    for i, row in enumerate(zip(*(c.cells for c in columns), strict=True)):
        if i in sections:
            lines += [*([""] if i else []), *sections[i].split("\n")]
        lines += put([cell.split("\n") for cell in row])
    return lines


def _padded(text: str, width: int, left: bool) -> str:
    blanks = " " * (width - _cells(text))
    return text + blanks if left else blanks + text


def _cells(text: str) -> int:
    """Places of a terminal that a text takes; rich knows the letters that take two or none."""
    if text.isascii() or ONE_PLACE_EACH.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _gap(columns: Sequence[Column]) -> int:
    """Blanks between two columns."""
    return 2 if len(columns) <= MAX_SPACED_COLUMNS else 1


def _fitted(columns: list[Column], width: int) -> list[Column]:
    """Return the columns with names and headers folded where that is needed to fit a width."""
    fitted, widths = list(columns), [_width(c) for c in columns]
    excess = sum(widths) + _gap(columns) * (len(columns) - 1) - width
    for i in sorted(range(len(fitted)), key=lambda i: (fitted[i].justify == "left", -widths[i])):
        if excess > 0:
            least = _least_width(fitted[i]) if len(fitted) > 1 else min(width, _least_width(fitted[i]))
            room = max(least, widths[i] - excess)
            excess -= widths[i] - room
            fitted[i] = _narrowed(fitted[i], room)
    return fitted


def _width(column: Column) -> int:
    return max(_cells(line) for text in (column.header, column.unit, *column.cells) for line in text.split("\n"))


def _least_width(column: Column) -> int:
    """The width of a column whose header, and whose cells if they are names, are folded at separators."""
    folds = (column.header, *column.cells) if column.justify == "left" else (column.header,)
    longest = max(_cells(word) for text in folds for word in ["", *text.split()])
    if column.justify == "left":
        return min(_width(column), max(MIN_NAME_WIDTH, min(longest, 2 * MIN_NAME_WIDTH)))
    return max(longest, _cells(column.unit), *map(_cells, column.cells))


def _narrowed(column: Column, width: int) -> Column:
    """The column with its header, and its cells if they are names, in lines of at most `width` characters."""
    cells = [_lines(cell, width) for cell in column.cells] if column.justify == "left" else column.cells
    return column._replace(header=_lines(column.header, width), cells=cells)


def _lines(text: str, width: int) -> str:
    """A text in lines that end after a word; within a word that is too long, after a separator where there is one."""
    if _cells(text) <= width and "\n" not in text:
        return text
    from rich.cells import chop_cells

    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        parts = [word] if _cells(word.strip()) <= width else re.findall(r"[^/._,=]+[/._,=]*|[/._,=]+", word)
        for part in parts:
            if _cells((lines[-1] + part).strip()) <= width:
                lines[-1] += part
            else:
                lines += chop_cells(part.lstrip(), width)
    return "\n".join(line.strip() for line in lines if line)


# cells --------------------------------------------------------------------------------------------------------------


def number(value: float, digits: int = 3) -> str:
    """Return a number as a cell: whole ones without a point, NaN as a dash, infinity as `all` (of the image).

    Examples
    --------
    >>> number(1311), number(2.5), number(-10), number(float("nan"))
    ('1,311', '2.500', '−10', '–')
    """
    if isnan(value):
        return "–"
    if isinf(value):
        return "all"
    text = f"{round(value):,}" if same(round(value), value) else f"{value:,.{digits}f}"
    return text.replace("-", "−")


def rounded(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, never with an exponent.

    Examples
    --------
    >>> rounded(0.123456), rounded(96.5), rounded(12345.6), rounded(float("inf"))
    ('0.1235', '96.5', '12,346', 'all')
    """
    if isnan(value) or isinf(value) or same(round(value), value):
        return number(value)
    places = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if places else text).replace("-", "−")


def per_axis(values: Iterable[float], digits: int = 3) -> str:
    """Return the values of all axes as one cell: once if they are equal, else joined by ×."""
    cells = [number(v, digits) for v in values]
    return cells[0] if len(set(cells)) == 1 else "×".join(cells)


def box(values: Iterable[float]) -> str:
    """Return a size as text, with every axis: 512×512."""
    return "×".join(number(float(v)) for v in values)
