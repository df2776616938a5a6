"""Figures that a question names, from what the axes of a state tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rfscale.engine.footprints.figures import share
from rfscale.sweeps.variables import without_axis


def chain_figure(
    per_axis: Sequence[dict[str, np.ndarray]], name: str, axes: Sequence[str], of_areas: type[np.number]
) -> np.ndarray:
    """Return a figure of a space of chains; `per_axis` has one dict where all axes are alike.

    `of_areas` is the type of areas: float64 where they may pass int64.
    """
    if name in ("area", "width", "density"):
        each = list(per_axis) * (len(axes) // len(per_axis))
        area = box = np.ones(len(each[0]["pixels"]), of_areas)
        for figures in each:
            area, box = area * figures["pixels"], box * figures["extent"]
        return area if name == "area" else np.sqrt(area) if name == "width" else share(area, box)
    base, axis = without_axis(name)
    figures = per_axis[list(axes).index(axis) if axis else 0]
    return share(figures["shared"], figures["pixels"]) if base == "overlap" else figures[base]


def union_figure(graphs: Sequence[dict[str, np.ndarray]], name: str, axes: Sequence[str]) -> np.ndarray:
    """Return a figure of a space with branches from what graphs tell: one of all axes, or one of each."""
    figures = graphs[0]
    if name == "width":
        return np.sqrt(figures["area"])
    if name == "density" and name not in figures:
        extent = figures["extent"].astype(np.int64)
        return share(figures["area"], extent ** len(axes) if extent.ndim == 1 else extent.prod(axis=1))
    base, axis = without_axis(name)
    if not axis:
        return figures[name]
    at = list(axes).index(axis)
    return figures[base][:, at] if len(graphs) == 1 else graphs[at][base]
