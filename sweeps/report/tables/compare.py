"""What `rfscale compare` prints: the layers that differ, what is equal in a sentence, and what it comes to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.tables.profile import folded_rows
from rfscale.sweeps.report.terminal import PX, Column, folded, per_axis, rounded

if TYPE_CHECKING:
    import xarray as xr

FIGURES = {  # header, and the unit of what is per axis
    "jump": ("stride", PX), "extent": ("extent", PX), "padding": ("padding", PX), "start": ("first pixel", PX),
    "max_gap": ("gap", PX), "density": ("density", ""), "effective": ("effective 95 %", PX),
}  # fmt: skip
SENTENCES = 6  # outputs that have a sentence each
EXACT_BELOW = 10_000  # of costs; larger ones are given in thousands, millions and more


def compare_report(found: xr.Dataset, depth: int | None = None, every: bool = False) -> list[Any]:
    """Return the table of the layers that differ, or with `every` of all, and what is equal and what is not in words.

    `depth` folds it by module, as in `profile_report`.
    """
    kept = [i for i, (text, end) in enumerate(_rows(found)) if every or text or end]
    rows, fold = folded_rows(found.layer.values[kept], found.attrs, depth)
    shown = found.isel(layer=kept).isel(layer=[m.last for m in rows])
    columns = [Column("layer", [m.name for m in rows], "left")]
    names = shown.name.values.tolist()
    columns.append(Column("in", [_other(row) for row in names], "left", quiet=("",)))
    for name, (header, unit) in FIGURES.items():
        if name in shown:
            quiet = ("–", "0") if name == "max_gap" else ("–", "1") if name == "density" else ("–",)
            cells = [_cell(name, *row) for row in zip(shown[name].values, names, strict=True)]
            columns.append(Column(header, cells, quiet=quiet, unit=unit))
    for name in ("params", "macs") if not fold else ():  # a row of a module has the figures of one layer
        if name in shown:
            cells = [
                _pair(list(map(_cost, row)), of) for row, of in zip(shown[name].values.tolist(), names, strict=True)
            ]
            columns.append(Column(name, cells, quiet=("0", "–")))
    attrs = found.attrs
    title = f"a: {attrs['a']}, b: {attrs['b']}; where they differ, a → b"
    return [title, folded(columns)._replace(fold_headers=True), *fold, *sentences(found)]


def _rows(found: xr.Dataset) -> list[tuple[str, bool]]:
    return list(zip(found.differs.values.tolist(), found.is_output.values.tolist(), strict=True))


def sentences(found: xr.Dataset) -> list[str]:
    """Return what is equal, what differs at the outputs, and the sums, one sentence each."""
    names, how = {"a": found.attrs["a"], "b": found.attrs["b"]}, Counter(found.matched.values.tolist())
    both = sum(n for key, n in how.items() if not key.startswith("only"))
    equal = sum(1 for text in found.differs.values.tolist() if not text)
    matched = ", ".join(f"{how[key]} by {key}" for key in ("name", "output", "order") if how[key])
    lines = [f"{both} layers are in both{f' ({matched})' if matched else ''}: {_how_many(equal, both)}"]
    only = [f"{how[f'only {n}']} only in {n} ({names[n]})" for n in names if how[f"only {n}"]]
    lines += [", ".join(only)] if only else []
    ends = found.isel(layer=[i for i, end in enumerate(found.is_output.values.tolist()) if end])
    lines += [_sentence(ends.isel(layer=i)) for i in range(min(SENTENCES, ends.sizes["layer"]))]
    for total, what in (("total_params", "weights"), ("total_macs", "multiply-accumulate operations")):
        values = found[total].values.tolist()
        if all(v == v for v in values) and any(values):
            factor = f", ×{rounded(values[1] / values[0], 3)}" if values[0] and values[0] != values[1] else ""
            lines.append(f"{what}: {_pair(list(map(_cost, values)), ['a', 'b'])}{factor}")
    if found.attrs.get("dropped"):
        lines.append(
            "branches with a global receptive field are left out of merges; --global-ops include takes them in"
        )
    return lines


def _how_many(equal: int, both: int) -> str:
    if equal == both:
        return "all figures of all of them are equal" if both else "there is nothing to compare"
    return f"{equal} are equal in all figures, {both - equal} differ" if equal else "no two are equal in all figures"


def _sentence(row: xr.Dataset) -> str:
    """One output in words: the figures that differ, then those that do not."""
    label = row.layer.item()
    if row.differs.item() == "all":
        return f"{label}: only in {'b' if row.matched.item() == 'only b' else 'a'}"
    unequal: list[str] = []
    equal: list[str] = []
    for name, (header, _) in FIGURES.items():
        if name in row and not row[name].isnull().all():
            text = _cell(name, row[name].values, row.name.values.tolist())
            if name in ("max_gap", "density") and text in ("0", "1"):
                continue
            (unequal if " → " in text else equal).append(f"{header} {text}")
    if (row.extent == float("inf")).all():
        return f"{label}: a global receptive field in both"
    if not unequal:
        return f"{label}: equal ({', '.join(equal)})"
    return f"{label}: {', '.join(unequal)}" + (f"; equal {', '.join(equal)}" if equal else "")


def _cell(name: str, values: Any, names: list[str]) -> str:
    cells = [rounded(v) if name == "density" else per_axis(v, 1) for v in values.tolist()]
    return _pair(cells, names)


def _pair(cells: list[str], names: list[str]) -> str:
    """Two values as a cell: one where they are equal, or where only one network has the layer."""
    there = [cell for cell, name in zip(cells, names, strict=True) if name]
    return there[0] if len(set(there)) == 1 else " → ".join(there)


def _other(names: list[str]) -> str:
    """The one network that has a layer, or the name in b where it is not that in a."""
    if not all(names):
        return f"only {'a' if names[0] else 'b'}"
    return "" if names[0] == names[1] else f"b: {names[1]}"


def _cost(value: float) -> str:
    """A cost as a cell: 25.5 M."""
    if value != value:
        return "–"
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= max(limit, EXACT_BELOW):
            return f"{rounded(value / limit, 4)} {letter}"
    return rounded(value)
