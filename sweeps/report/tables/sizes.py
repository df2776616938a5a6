"""What `rfscale sizes` prints: valid sizes by rule and axis, the nearest to one, and what stops the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import PX, Column, Table, box, number

if TYPE_CHECKING:
    import xarray as xr


def sizes_report(found: xr.Dataset) -> list[Any]:
    """Return the table of valid sizes and the lines that explain it."""
    lines = [f"{rule}: {text}" for rule, text in zip(found.rule.values, found.meaning.values, strict=True)]
    if "near" in found:
        lines += _near(found)
    elif found.attrs.get("too_small"):
        lines += [f"one pixel less does not fit: {text}" for text in found.attrs["too_small"]]
    if (found.smallest.sel(rule="fits") == 0).any():
        lines.append(f"no size fits: {found.attrs['not_near']}")
    lines += [f"note: {note}" for note in found.attrs.get("notes", ())]
    if "runs" in found:
        lines += [f"the model does not take {text}" for text in found.attrs.get("refused", ())]
        taken = dict.fromkeys(
            box(found[which].sel(rule=rule).values.tolist())
            for rule in found.rule.values
            for which in found.which.values.tolist()
            if found.runs.sel(rule=rule, which=which)
        )
        if "takes" in found.attrs:
            lines.append(f"the model, read at it, takes {found.attrs['takes']}")
        lines += [f"the model, read at these sizes, takes {', '.join(taken)}"] if taken else []
    return [f"{found.attrs['network']}: valid input sizes, each axis by itself", _table(found), *lines]


def _table(found: xr.Dataset) -> Table:
    """One row for each rule and axis; rules and axes of the same sizes share one."""
    names = [name for name in ("smallest", "below", "above", "to_add") if name in found]
    by_sizes: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for rule in found.rule.values.tolist():
        for axis in found.axis.values.tolist():
            part = found.sel(rule=rule, axis=axis)
            listed = ", ".join(number(n) for n in part.listed.values.tolist() if n)
            sizes = (part.valid.item(), *(_size(name, part[name].item()) for name in names), listed or "–")
            by_sizes.setdefault(sizes, {}).setdefault(rule, []).append(axis)
    rows: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for sizes, rules in by_sizes.items():
        for rule, axes in rules.items():
            rows.setdefault((sizes, ", ".join(axes)), []).append(rule)
    cells = list(zip(*(sizes for sizes, _ in rows), strict=True))
    headers = {"smallest": "smallest", "below": "nearest below", "above": "nearest above", "to_add": "to add"}
    return Table(
        [
            Column("rule", [", ".join(rules) for rules in rows.values()], "left"),
            Column("axis", [axes for _, axes in rows], "left"),
            Column("valid sizes", cells[0], "left", unit=PX),
            *(Column(headers[name], column, unit=PX) for name, column in zip(names, cells[1:-1], strict=True)),
            Column("the first" if "near" not in found else "from there on", cells[-1], "left", unit=PX),
        ],
        fold_headers=True,
    )


def _size(name: str, value: int) -> str:
    """A size, or pixels to add, as a cell; a dash where there is no such size."""
    return "–" if value < (0 if name == "to_add" else 1) else number(value)


def _near(found: xr.Dataset) -> list[str]:
    fits = found.sel(rule="fits")
    near, above, below = (box(part.values.tolist()) for part in (found.near, fits.above, fits.below))
    reason = found.attrs.get("not_near")
    lines = [f"{near} does not fit: {reason}" if reason else f"{near} fits"]
    if reason and (fits.above > 0).all():
        lines.append(f"pad to {above}: {_each(fits.to_add)} pixels more")
    if reason and (fits.below > 0).all():
        lines.append(f"or cut to {below}: {_each(fits.to_cut)} pixels less")
    return lines


def _each(values: xr.DataArray) -> str:
    return ", ".join(f"{axis} {number(n)}" for axis, n in zip(values.axis.values, values.values.tolist(), strict=True))
