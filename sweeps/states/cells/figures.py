"""Figures of maps of spaces with cells of two inputs: those of states (sweeps/states/unions.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rfscale.sweeps.states.cells.maps import Map
from rfscale.sweeps.states.elements import AxisSet, Elements, root
from rfscale.sweeps.states.unions import state_figures


def map_figures(maps: Sequence[Map], ndim: int, axes: int) -> dict[str, np.ndarray]:
    """Return the figures of maps: each a component of its own, with its terms as elements; `axes` are as in `Sets`."""
    elements: tuple[list[AxisSet], ...] = tuple([] for _ in range(axes))
    component: list[int] = []
    first: list[int] = []
    widest = max((len(m.terms) for m in maps), default=1)
    words = max(1, (widest + 63) // 64)
    masks = np.zeros((len(maps), words), np.uint64)
    number = np.full(len(maps), -1, np.int32)
    for i, m in enumerate(maps):
        if not m.terms:
            continue
        number[i] = len(first)
        first.append(len(component))
        for t, term in enumerate(m.terms):
            for on_axis, (start, bits), jump in zip(elements, term, m.jump, strict=True):
                on_axis.append(AxisSet(jump, 2 * start, bits))
            component.append(int(number[i]))
            masks[i, t >> 6] |= np.uint64(1 << (t & 63))
    inside = np.zeros((len(component), words), np.uint64)
    for e, c in enumerate(component):
        t = e - first[c]
        inside[e, t >> 6] = np.uint64(1 << (t & 63))
    parts = (np.arange(len(component)),) * axes
    made = Elements(elements, parts, np.array(component, np.int32), np.array(first, np.int64), inside)
    if not component:
        made = replace(root(axes), inside=np.ones((1, words), np.uint64))
    return state_figures(made, masks, number, ndim)
