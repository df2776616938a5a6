"""Pictures of spaces and of answers about them. matplotlib is imported by `style`, when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.answers.count import shares_by_extent
from rfscale.sweeps.report.pictures.style import BLUE, ORANGE, SKY, figure, label, title
from rfscale.sweeps.report.terminal import rounded
from rfscale.sweeps.spaces.display import count
from rfscale.sweeps.variables import ROWS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place
    from rfscale.sweeps.spaces.space import Space

BINS = 120  # rows of the picture of a space
MAPS = "viridis"


def space_figure(space: Space, extents: Mapping[str, list[xr.DataArray]], place: Place = None) -> Figure:
    """Return the picture of a space: how many architectures have which extent, stage by stage.

    `extents` are those of `rfscale.sweeps.answers.count.extents_by_stage`.
    """
    names = [s.name for s in space.stages]
    with figure(max(7.0, 0.45 * len(names) + 3) * len(extents), 4.6, 1, len(extents), place=place) as (fig, grid):
        for ax, (axis, counts) in zip(grid[0], extents.items(), strict=False):
            _distributions(ax, names, counts)
            last = counts[-1][counts[-1].dims[0]].values
            span = f"extents of {last.min():,} to {last.max():,} px{f' along {axis}' if axis else ''}"
            title(ax, f"{label(space.name)}: {count(space.size)} architectures, {span}")
    return fig


def _distributions(ax: Axes, names: list[str], counts: list[xr.DataArray]) -> None:
    """Draw one column for each stage: its share of architectures by extent."""
    edges, shares = shares_by_extent(counts, BINS)
    logs = np.log10(shares, where=shares > 0, out=np.full(shares.shape, np.nan))
    mesh = ax.pcolormesh(np.arange(len(names) + 1) - 0.5, edges, logs, cmap=MAPS, vmax=0)
    ax.figure.colorbar(mesh, ax=ax, label="share of the stage's architectures, log10")
    ax.set_xticks(range(len(names)), [label(n, 30) for n in names], rotation=90 if len("".join(names)) > 40 else 0)
    ax.set_yscale("log")
    ax.set_ylim(bottom=edges[np.flatnonzero(shares.any(axis=1))[0]])
    ax.set_ylabel("extent, pixels")


def answer_figure(data: xr.Dataset | xr.DataArray, place: Place = None) -> Figure:
    """Return the picture of an answer of `rf.count`, `best`, `pareto` or `sample`."""
    import xarray as xr

    with figure(7.4, 4.6, place=place) as (fig, grid):
        ax = grid[0, 0]
        if isinstance(data, xr.DataArray):
            _draw_counts(ax, data)
        elif "objectives" in data:
            _draw_front(ax, data)
        else:
            _draw_rows(ax, data)
    return fig


def _draw_counts(ax: Axes, data: xr.DataArray) -> None:
    """Draw numbers over one or two names; they are often so large that only their logarithm can be drawn."""
    if len(data.coords) not in (1, 2):
        problem = f"a picture of counts is over one or two names, not {len(data.coords)}"
        raise InputError(problem, remedy="count by one or two")
    if "combination" in data.dims:
        raise InputError("a picture of counts needs their table", remedy="count without combinations=True")
    logs = np.array([log10(n) if n else np.nan for n in data.values.ravel().tolist()]).reshape(data.shape)
    places = [np.arange(n) for n in data.shape]
    if len(data.dims) == 1:
        values = data[data.dims[0]].values
        numbers = values.dtype.kind in "iuf"
        ax.vlines(values if numbers else places[0], -0.05, logs, color=BLUE, lw=max(0.6, min(8.0, 250 / len(values))))
        ax.set_ylim(bottom=-0.05)  # one architecture is still a line
        ax.set_ylabel("architectures, log10")
    else:
        edges = [np.arange(n + 1) - 0.5 for n in data.shape]  # a single value is a cell as well
        mesh = ax.pcolormesh(edges[1], edges[0], logs, cmap=MAPS)
        ax.figure.colorbar(mesh, ax=ax, label="architectures, log10")
        _ticks(ax.yaxis, data, 0)
        ax.set_ylabel(_named(data, data.dims[0]))
    if len(data.dims) == 2 or not numbers:
        _ticks(ax.xaxis, data, -1)
    ax.set_xlabel(_named(data, data.dims[-1]))
    most = np.unravel_index(np.nanargmax(logs), logs.shape)
    where = " and ".join(f"{label(d, 30)} {label(data[d].values[i], 30)}" for d, i in zip(data.dims, most, strict=True))
    share = 10 ** (float(logs[most]) - log10(sum(data.values.ravel().tolist())))
    title(ax, f"{share:.0%} of the architectures have {where}, more than any other")


def _ticks(axis: Any, data: xr.DataArray, at: int) -> None:
    """Name some of the values that occur."""
    values = data[data.dims[at]].values
    picked = range(0, len(values), -(-len(values) // 12))
    axis.set_ticks(list(picked), [label(values[i], 30) for i in picked])


def _named(data: Any, name: Any) -> str:
    units = data[name].attrs.get("units", "")
    return f"{label(name)}{', pixels' if units == 'pixel' else ''}"


def _draw_front(ax: Axes, data: xr.Dataset) -> None:
    names, values = _without_signs([str(o) for o in data.objective.values], data.objectives.values)
    if values.shape[1] == 2:
        ax.plot(values[:, 0], values[:, 1], "o-", color=BLUE, ms=4, lw=1, drawstyle="steps-post")
    else:
        points = ax.scatter(values[:, 0], values[:, 1], c=values[:, 2], cmap=MAPS, s=18)
        ax.figure.colorbar(points, ax=ax, label=names[2])
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ends = zip(values.min(axis=0).tolist(), values.max(axis=0).tolist(), strict=True)
    spans = (f"{rounded(low)} to {rounded(high)}" for low, high in ends)
    ranges = ", ".join(f"{n.partition(',')[0]} {span}" for n, span in zip(names, spans, strict=True))
    title(ax, f"{data.sizes['rank']} architectures are non-dominated: {ranges}", size=10)


def _without_signs(objectives: Sequence[str], values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and values as they are read: -extent, of which the smallest is best, is drawn as the extent."""
    signs = np.array([-1 if _is_negated(o) else 1 for o in objectives])
    names = [_quantity(o.lstrip("-")) for o in objectives]
    return names, values * signs


def _is_negated(objective: str) -> bool:
    return objective.startswith("-") and objective[1:].isidentifier()


def _quantity(name: str) -> str:
    """What a figure is, with its unit: extent, pixels."""
    spec = ROWS.get(name)
    return f"{label(name)}, pixels" if spec is not None and spec.units == "pixel" else label(name)


def _draw_rows(ax: Axes, data: xr.Dataset) -> None:
    """Draw architectures by extent and objective, cost or overlap, solid ones and those with holes apart."""
    y = next(n for n in ("objective", "macs", "params", "overlap", "width") if n in data)
    extent = next(str(n) for n in data.data_vars if str(n).startswith("extent"))
    x = "width" if y == "objective" and data.attrs.get("objective", "").strip("-") == extent else extent
    solid = data.density.values == 1
    goal, shown = y, data[y].values
    if y == "objective":
        (goal,), shown = _without_signs([str(data.attrs["objective"])], data[y].values)
    for picked, color, kind, mark in ((solid, BLUE, "without holes", "o"), (~solid, ORANGE, "with holes", "D")):
        if picked.any():
            places = data[x].values[picked], shown[picked]
            ax.plot(*places, mark, color=color, ms=5, alpha=0.7, mec=SKY, mew=0.3, label=kind)
    ax.set_xlabel(_named(data, x))
    ax.set_ylabel(label(goal) if y == "objective" else _named(data, y))
    title(ax, _best_or_drawn(data, x), size=10)
    ax.legend()


def _best_or_drawn(data: xr.Dataset, x: str) -> str:
    """What the first of the best has, or the range of those drawn."""
    name = x.replace("_", " along ")
    if "rank" not in data.dims:
        span = f"{rounded(float(data[x].min()))} to {rounded(float(data[x].max()))}"
        return f"{data.sizes['sample']} architectures drawn at random: {name} {span} px"
    objective = str(data.attrs["objective"])
    names, values = _without_signs([objective], data.objective.values[:1, None])
    of = "largest" if _is_negated(objective) else "smallest"
    return f"the {of} {names[0].partition(',')[0]} is {rounded(float(values[0, 0]))}"
