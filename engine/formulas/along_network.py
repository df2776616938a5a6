"""The formulas along a network: each layer's value follows from that of the layer before, as the article has it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import gcd, inf, isnan, nan
from typing import NamedTuple

from rfscale.engine.footprints.intervals import IMAGE_INTERVALS, Intervals
from rfscale.engine.footprints.plan import Plan, Step
from rfscale.engine.formulas.registry import START, advance, leaves_gaps, published_after
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.ops import OPS

GLOBAL = "its receptive field is global"


class Published(NamedTuple):
    """The article's S and P at one layer, or the reason why it has none."""

    area: float
    overlap: float
    reason: str = ""


class Closed(NamedTuple):
    """The closed form on each axis: pixels, those that the next entry has not, and whether a formula can go on."""

    pixels: tuple[int, ...]
    new: tuple[int, ...]
    regular: tuple[bool, ...]
    reason: str = ""


def windows(step: Step) -> list[tuple[int, int, int] | None]:
    """Taps, stride and dilation of a layer on each axis; None where it is no window of equally spaced taps."""
    return [axis_map.window for axis_map in step.maps or ()]


def _published_after(step: Step, before: Published) -> Published:
    """The article's formula for a layer, if it has one."""
    if before.reason or step.passes:
        return before
    shapes = set(windows(step))
    area, overlap = _published(shapes.pop() if len(shapes) == 1 else None, before.area, before.overlap)
    return Published(area, overlap, f"the article has no formula for {_name(step)}" if isnan(area) else "")


@lru_cache(maxsize=1024)  # the layers of a network's blocks are alike
def _published(window: tuple[int, int, int] | None, area: float, overlap: float) -> tuple[float, float]:
    """S and P after a window, by the article's formula; nan where it has none."""
    after = published_after(window, area, overlap)
    return float(after[0]), float(after[1])


def published_values(plan: Plan) -> list[Published]:
    """Return the article's formulas at each layer. A merge takes its largest branch: the article follows one path."""
    out: list[Published] = []
    image = Published(*START)
    flat = len(plan.network.axes) == 2
    for step in plan.steps:
        branches = [image if s < 0 else out[s] for s in step.sources]
        if step.is_global or not flat:
            out.append(Published(nan, nan, GLOBAL if step.is_global else "the article has two axes"))
        elif OPS[step.layer.op].kind == "merge":
            out.append(max(branches, key=lambda b: b.area if b.area == b.area else inf))
        else:
            out.append(_published_after(step, branches[0]))
    return out


def closed_values(plan: Plan) -> list[Closed]:
    """Return the closed form at each layer, in whole numbers; a layer outside its domain carries the reason."""
    ndim = len(plan.network.axes)
    image = Closed((1,) * ndim, (1,) * ndim, (True,) * ndim)
    out: list[Closed] = []
    for step in plan.steps:
        branches = [image if s < 0 else out[s] for s in step.sources]
        if step.is_global:
            out.append(_outside(GLOBAL))
        elif OPS[step.layer.op].kind == "merge":
            out.append(_merged(plan, step, branches))
        else:
            out.append(_advanced(step, branches[0]))
    return out


def _outside(reason: str) -> Closed:
    return Closed((), (), (), reason)


def _advanced(step: Step, before: Closed) -> Closed:
    if before.reason or step.passes:
        return before
    shapes = [w for w in windows(step) if w is not None]
    if len(shapes) < len(before.pixels):
        return _outside(f"no closed form for {_name(step)}")
    if all(k == s == 1 for k, s, _ in shapes):  # pads and crops
        return before
    if not all(goes_on or k == s == 1 for goes_on, (k, s, _) in zip(before.regular, shapes, strict=True)):
        return _outside("after a dilated layer that left holes no formula in (S, P) is exact")
    axes = [_on_axis(*axis) for axis in zip(before.pixels, before.new, shapes, strict=True)]
    pixels, new, gaps = zip(*axes, strict=True)
    return Closed(pixels, new, tuple([r and not gap for r, gap in zip(before.regular, gaps, strict=True)]))


@lru_cache(maxsize=1024)  # the axes of most networks are alike, and so are the layers of their blocks
def _on_axis(pixels: int, new: int, window: tuple[int, int, int]) -> tuple[int, int, bool]:
    """Pixels and new ones after a window on one axis, and whether it leaves gaps."""
    after, moved = advance(pixels, new, *window)
    return int(after), int(moved), bool(leaves_gaps(pixels, new, *window))


def _merged(plan: Plan, step: Step, branches: list[Closed]) -> Closed:
    """The branch that is solid and spans the merged bounding box, and so contains the others."""
    if len(set(step.sources)) == 1:
        return branches[0]
    for source, branch in zip(step.sources, branches, strict=True):
        intervals = plan.steps[source].intervals if source >= 0 else None
        if branch.reason or step.intervals is None or intervals is None:
            continue
        if _spans(intervals, step.intervals) and branch.pixels == tuple(i.extent for i in intervals):
            return branch
    return _outside("no branch of this merge is solid and contains the others")


def solid_boxes(plan: Plan) -> list[bool]:
    """Return whether the bounding box is known to be the footprint, at each layer, by boxes alone.

    The image is solid. So is a layer on a solid map if, at every entry, the boxes that it reads join to one, and a
    merge if one of its branches is solid and spans the others. Where the boxes of entries differ, the jump does not
    tell what two of them share, and the answer is no.
    """
    solid: list[bool] = []
    image = (IMAGE_INTERVALS,) * len(plan.network.axes)
    for step in plan.steps:
        before = [(True, image) if s < 0 else (solid[s], plan.steps[s].intervals) for s in step.sources]
        if step.intervals is None:
            solid.append(False)
        elif OPS[step.layer.op].kind == "merge":
            solid.append(any(known and own is not None and _spans(own, step.intervals) for known, own in before))
        else:
            known, own = before[0]
            axes = zip(own or (), step.maps or (), strict=True)
            solid.append(known and (step.passes or all(_joins(*axis) for axis in axes)))
    return [
        known and all(_even(axis) for axis in step.intervals or ())
        for known, step in zip(solid, plan.steps, strict=True)
    ]


def join(boxes: Iterable[tuple[int, int]]) -> bool:
    """Return whether intervals of whole numbers, each given by its first and last one, leave no gap."""
    reached: int | None = None
    for low, high in sorted(boxes):
        if reached is not None and low > reached + 1:
            return False
        reached = high if reached is None else max(reached, high)
    return reached is not None


def _joins(before: Intervals, layer: AxisMap) -> bool:
    """Whether the boxes that each entry of a layer reads on an axis join to one."""
    n = len(before.bounds)
    if n == 1 and layer.window is not None:
        taps, _, step = layer.window
        return taps == 1 or abs(step * before.shift) <= before.extent
    blocks = n // gcd(n, layer.down)
    read = ([before.at(entry) for entry in layer.reads(o)] for o in range(layer.up * blocks))
    return all(None not in boxes and join(b for b in boxes if b) for boxes in read)


def _spans(branch: tuple[Intervals, ...], whole: tuple[Intervals, ...]) -> bool:
    """Whether a branch has the boxes of the merge, at every entry."""
    return all(a.expand(len(b.bounds)).bounds == b.bounds for a, b in zip(branch, whole, strict=True))


def _even(axis: Intervals) -> bool:
    """Whether the boxes of all entries are alike, one jump apart."""
    n, first = len(axis.bounds), axis.bounds[0]
    return first is not None and all(
        bound is not None and all(n * (b - a) == u * axis.shift for a, b in zip(first, bound, strict=True))
        for u, bound in enumerate(axis.bounds)
    )


def _name(step: Step) -> str:
    shapes = set(windows(step))
    if None in shapes or len(shapes) != 1:
        return step.layer.op
    k, s, d = next(s for s in shapes if s)
    return f"{step.layer.op} {'×'.join([str(k)] * len(step.maps or ()))}, stride {s}, dilation {d}"
