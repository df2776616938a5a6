"""What `rfscale where` prints: the place of one entry in words and by axis, or a row for every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.tables.profile import folded_rows
from rfscale.sweeps.report.terminal import PX, Column, Table, box, folded, number, per_axis

if TYPE_CHECKING:
    import xarray as xr


def where_report(found: xr.Dataset, depth: int | None = None) -> list[Any]:
    """Return the place of one entry by axis, or of an entry of every layer, `depth` as in `profile_report`."""
    if found.sizes["layer"] == 1:
        row = found.isel(layer=0)
        return [f"{_network(found)}: entry {_entry(row)} of {row.layer.item()}", _by_axis(row), *_remarks(row)]
    rows, fold = folded_rows(found.layer.values, found.attrs, depth)
    shown = found.isel(layer=[m.last for m in rows])
    table = folded([
        Column("layer", [m.name for m in rows], "left"),
        Column("entry", [per_axis(row) for row in shown.entry.values.tolist()]),
        *(
            Column(header, [per_axis(row, 1) for row in shown[name].values.tolist()], quiet=quiet, unit=PX)
            for header, name, quiet in (
                ("jump", "jump", ()), ("centre", "centre", ()), ("first", "start", ()), ("last", "end", ()),
                ("extent", "extent", ()), ("padding before", "padding_start", ("0",)),
                ("padding after", "padding_end", ("0",)),
            )
            if name in shown
        ),
    ])  # fmt: skip
    lines = [*fold]
    if found.attrs.get("outside"):
        lines.append(f"left out, for their maps have no such entry: {found.attrs['outside']} layers")
    entry = found.attrs.get("entry", "center")
    which = "the centre entry" if entry == "center" else f"entry {', '.join(map(str, entry))}"
    return [f"{_network(found)}: {which} of every map", table, *lines]


def entries_report(found: xr.Dataset, depth: int | None = None) -> list[Any]:
    """Return the table of the entries that read a pixel or a box, `depth` as in `profile_report`."""
    pixel, size = found.attrs["pixel"], found.attrs["size"]
    what = f"pixel {', '.join(map(str, pixel))}"
    if max(size) > 1:
        what = f"the box of {box(size)} pixels from {what} on"
    rows, fold = folded_rows(found.layer.values, found.attrs, depth)
    shown = found.isel(layer=[m.last for m in rows])
    columns = [Column("layer", [m.name for m in rows], "left")]
    for axis in found.axis.values.tolist():
        part = shown.sel(axis=axis)
        ends = zip(part.first_entry.values.tolist(), part.last_entry.values.tolist(), strict=True)
        columns.append(Column(f"entries {axis}", [_range(a, b) for a, b in ends], quiet=("–",)))
    columns.append(Column("nearest", [_joined(row) for row in shown.nearest.values.tolist()], quiet=("–",)))
    columns.append(Column("off by", [_joined(row) for row in shown.offset.values.tolist()], quiet=("–",), unit=PX))
    lines = [*fold, "nearest: the entry whose centre is nearest to the middle, and how far the middle lies from it"]
    return [f"{_network(found)}: entries whose box reaches {what}", Table(columns), *lines]


def _network(found: xr.Dataset) -> str:
    size = found.attrs.get("input_size")
    return f"{found.attrs['network']}, {f'image {box(size)}' if size else 'no borders'}"


def _entry(row: xr.Dataset) -> str:
    return ", ".join(number(v) for v in row.entry.values.tolist())


def _by_axis(row: xr.Dataset) -> Table:
    named = {
        "centre": "centre", "first": "start", "last": "end", "extent": "extent", "box from": "box_start",
        "to": "box_end", "padding before": "padding_start", "padding after": "padding_end", "jump": "jump",
    }  # fmt: skip
    if "padding_start" not in row:
        named = {header: name for header, name in named.items() if not name.startswith("box")}
    figures = [
        Column(header, [_place(v) for v in row[name].values.tolist()], unit=PX)
        for header, name in named.items()
        if name in row
    ]
    return Table([Column("axis", row.axis.values.tolist(), "left"), *figures])


def _remarks(row: xr.Dataset) -> list[str]:
    lines = []
    if not (row.extent > 0).all():
        lines.append("it reads only padding")
    elif "inside" in row and row.inside.item() < 1:
        lines.append(f"its box reaches beyond the image: {row.inside.item():.1%} of it is image, the rest padding")
    if "inside" in row and row.inside.isnull().item() and (row.extent > 0).all():
        lines.append("its box is not known without borders: the receptive field is global, or jumps differ")
    return lines


def _place(value: float) -> str:
    """A place as a cell, where no end is `−∞` or `∞`."""
    return ("∞" if value > 0 else "−∞") if abs(value) == float("inf") else number(value, 1)


def _range(first: float, last: float) -> str:
    if first != first:
        return "–"
    return _place(first) if first == last else f"{_place(first)} … {_place(last)}"


def _joined(values: list[float]) -> str:
    cells = [number(v, 1) for v in values]
    return cells[0] if set(cells) == {"–"} else ", ".join(cells)
