"""How each rule of `rfscale check` is looked for: functions from a context of a network to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, lcm, prod

import numpy as np

from rfscale.engine.analysis.check.context import Context
from rfscale.engine.analysis.check.dilation import dilated_runs, hdc
from rfscale.engine.analysis.check.field_rules import small_field, uneven_field
from rfscale.engine.analysis.check.rules import Finding, Level
from rfscale.engine.analysis.coverage import coverage_counts
from rfscale.engine.errors import worded
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.intervals import IMAGE_INTERVALS
from rfscale.engine.footprints.plan import Step
from rfscale.engine.network.axis_maps import AxisMap

MAX_TILE = 1 << 20  # entries of one period, when the readers of a map are united


def _px(values: Sequence[float]) -> str:
    texts = [f"{v:g}" for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


# holes --------------------------------------------------------------------------------------------------------------


def _density(f: Figures) -> float:
    return f.density if f.area else 1.0


def _gridding(context: Context) -> Iterator[Finding]:
    ends = set(context.ends)
    for i, f in enumerate(context.figures):
        if f is None or _density(f) >= 1:
            continue
        density = _density(f)
        if not max(f.max_gap):
            continue  # a cross or a plus of branches, as of 1×7 beside 7×1, is no grid
        message = (
            f"its footprint has {f.area:g} of the {prod(f.extent):g} pixels of its extent ({_px(f.extent)}), "
            f"density {density:.2g}, longest gap {_px(f.max_gap)}"
        )
        if i in ends:
            yield from context.finding("gridding", i, density, message)
        elif not any(_holey(context, s) for s in context.plan.steps[i].sources):
            yield from context.finding("holes_inside", i, density, message)


def _holey(context: Context, index: int) -> bool:
    f = context.figures[index] if index >= 0 else None
    return f is not None and _density(f) < 1 and max(f.max_gap) > 0


def _hdc_rule(context: Context) -> Iterator[Finding]:
    for layers, rates, kernel in dilated_runs(context.plan):
        f = context.figures[layers[-1]]
        if f is None:
            continue
        m, accepted = hdc(rates, kernel)
        solid = _density(f) == 1
        if accepted != solid:
            says = f"accepts (M2 = {m} ≤ {kernel})" if accepted else f"rejects (M2 = {m} > {kernel})"
            fact = "has no holes" if solid else f"has density {_density(f):.2g}, longest gap {_px(f.max_gap)}"
            message = f"the rule {says} the rates {', '.join(map(str, rates))}, but the footprint {fact}"
            yield from context.finding("hdc_rule", layers[-1], m, message)


# overlaps and extents -----------------------------------------------------------------------------------------------


def _overlaps(context: Context) -> Iterator[Finding]:
    ends = set(context.ends)
    for i, (step, f) in enumerate(zip(context.plan.steps, context.figures, strict=True)):
        if f is None or not f.area:
            continue
        overlaps = f.overlap
        if i in ends:
            message = f"neighbours share {min(overlaps):.1%} of their pixels"
            yield from context.finding("redundant", i, min(overlaps), message)
        if step.maps is None or step.layer.op in ("space_to_depth", "slice", "window_attention"):
            continue
        for axis, (axis_map, overlap) in enumerate(zip(step.maps, overlaps, strict=True)):
            if axis_map.down <= axis_map.up or f.extent[axis] == 1:
                continue
            window = axis_map.window
            patches = step.layer.op == "conv" and window is not None and window[0] >= window[1]
            message = f"neighbours along {context.network.axes[axis]} share {overlap:.1%} of their pixels"
            found = list(context.finding("patches" if patches else "aliasing", i, overlap, message))
            yield from found
            if found:
                break


def _beyond_input(context: Context) -> Iterator[Finding]:
    if context.size is None:
        return
    for i in context.ends:
        f = context.figures[i]
        if f is not None:
            ratio = max(e / n for e, n in zip(f.extent, context.size, strict=True))
            message = f"its extent of {_px(f.extent)} pixels is {ratio:.2g} times the image of {_px(context.size)}"
            yield from context.finding("beyond_input", i, ratio, message)


def _wasted_growth(context: Context) -> Iterator[Finding]:
    if context.finite is None or context.size is None:
        return
    full = [False] * len(context.plan.steps)
    steps = context.finite.plan.steps
    for i, terms in enumerate(context.finite.terms):
        full[i] = terms is not None and any(
            all(int(f.measures[0].min()) == n for f, n in zip(term, context.size, strict=True)) for term in terms
        )
    wide = [i for i, s in enumerate(steps) if s.maps and not s.is_global and _reads_several(s.maps)]
    wasted = [i for i in wide if steps[i].sources[0] >= 0 and full[steps[i].sources[0]]]
    if wasted:
        message = (
            f"the receptive field is global before this layer, and {len(wasted)} of {len(wide)} wide layers follow"
        )
        yield from context.finding("wasted_growth", wasted[0], len(wasted) / len(wide), message)


def _reads_several(maps: tuple[AxisMap, ...]) -> bool:
    return any(len(taps) > 1 for m in maps for taps in m.taps)


def _asymmetric(context: Context) -> Iterator[Finding]:
    for i in context.ends:
        f = context.figures[i]
        if f is not None and f.area and len(f.extent) > 1:
            ratio = max(f.extent) / min(f.extent)
            yield from context.finding("asymmetric", i, ratio, f"its extent is {_px(f.extent)} pixels")


# places -------------------------------------------------------------------------------------------------------------


def _misaligned(context: Context) -> Iterator[Finding]:
    steps = context.plan.steps
    for i, step in enumerate(steps):
        if step.maps is not None or step.is_global:
            continue
        image = (IMAGE_INTERVALS,) * len(context.network.axes)
        branches = [(s, steps[s].intervals if s >= 0 else image) for s in step.sources]
        if any(reaches is None for _, reaches in branches):
            continue
        for axis, name in enumerate(context.network.axes):
            reaches = [(s, b[axis]) for s, b in branches if b is not None]
            centres = {s: float(r.centre) for s, r in reaches if r.centre is not None}
            if len({r.jump for _, r in reaches}) > 1 or not centres:
                continue
            jump = abs(reaches[0][1].jump[0]) / reaches[0][1].jump[1]  # of mirrored maps it is negative
            first, last = min(centres, key=centres.__getitem__), max(centres, key=centres.__getitem__)
            offset = centres[last] - centres[first]
            if offset > 0:
                low, high = context.name(first), context.name(last)
                message = f"along {name}, {high} lies {offset:g} pixels after {low}, {offset / jump:.2g} entries"
                worst: Level = "note" if context.causal else "error"
                yield from context.finding("misaligned", i, offset / jump, message, worst)
                break


def _jumps(context: Context) -> Iterator[Finding]:
    if context.interior is None and context.unequal_jumps is not None:
        i = context.network.index(context.unequal_jumps.layer)
        message = worded(context.unequal_jumps.problem)
        yield from context.finding("jumps", i, len(context.plan.steps[i].sources), message)


def _drift(context: Context) -> Iterator[Finding]:
    for i in context.ends:
        drift = context.drifts[i]
        if drift is None:
            continue
        pixels, jump = drift
        side = "end" if pixels > 0 else "start"
        message = f"its footprints lie {abs(pixels):g} pixels too far to the {side}, {abs(pixels) / jump:.2g} entries"
        lopsided = _lopsided(context, i)
        if context.causal:
            message += ": it is causal"
        elif lopsided:
            message += f"; padded more on one side: {', '.join(lopsided[:4])}{' …' if len(lopsided) > 4 else ''}"
        yield from context.finding("drift", i, abs(pixels) / jump, message, "note" if context.causal else "error")


def _lopsided(context: Context, index: int) -> list[str]:
    """Layers on the way to a layer whose padding differs between the sides; `same` does so for even kernels."""
    reached, names = {index}, []
    for i in range(index, -1, -1):
        step = context.plan.steps[i]
        if i not in reached:
            continue
        reached.update(step.sources)
        params = step.layer.params
        padding = params.get("padding")
        if isinstance(padding, str):
            spans = zip(params["kernel"], params["dilation"], strict=True)
            uneven = padding != "valid" and any(d * (k - 1) % 2 for k, d in spans)
        else:
            uneven = padding is not None and padding[: len(padding) // 2] != padding[len(padding) // 2 :]
        if uneven:
            names.append(step.layer.name)
    return names[::-1]


# padding ------------------------------------------------------------------------------------------------------------


def _border_padding(context: Context) -> Iterator[Finding]:
    if context.finite is None:
        return
    reader = FootprintFigures(context.finite)
    for i in context.ends:
        f = context.figures[i]
        if f is not None and f.area and isfinite(f.area):
            corner = reader.figures(i, (0,) * len(context.network.axes))
            share = 1 - corner.area / f.area
            message = f"its corner entry has {corner.area:g} pixels, {1 - share:.1%} of an entry's without borders"
            yield from context.finding("border_padding", i, share, message, "note" if context.causal else "error")


def _padded_taps(context: Context) -> Iterator[Finding]:
    if context.finite is None:
        return
    steps = context.finite.plan.steps
    for i, step in enumerate(steps):
        if step.maps is None or step.is_global or step.size is None or not _reads_several(step.maps):
            continue
        if step.layer.op in ("upsample", "resize"):  # a read outside is the entry at the border
            continue
        source = steps[step.sources[0]].size if step.sources[0] >= 0 else context.size
        assert source is not None
        inside = [_inside(m, n, out) for m, n, out in zip(step.maps, source, step.size, strict=True)]
        share = 1 - prod(inside)
        message = f"on average {share:.1%} of its taps read padding: its map is {_px(source)}"
        helped = _beside_global(context, i)
        if helped:
            message += "; a global branch beside it makes up for that"
        dilated = max(step.layer.params.get("dilation", (1,))) > 1
        yield from context.finding("padded_taps", i, share, message, "error" if dilated and not helped else "note")


def _inside(axis_map: AxisMap, n: int, out: int) -> float:
    """Share of the reads of `out` entries that fall inside a map of `n`."""
    if axis_map.border != "zeros":
        return 1.0
    o = np.arange(out)
    good = total = 0
    for r, taps in enumerate(axis_map.taps):
        blocks = axis_map.down * (o[o % axis_map.up == r] // axis_map.up)
        for t in taps:
            good += int(((blocks + t >= 0) & (blocks + t < n)).sum())
            total += len(blocks)
    return good / total if total else 1.0


def _beside_global(context: Context, index: int) -> bool:
    """Whether a layer, possibly after pointwise layers of its own, merges with a branch of a global receptive field."""
    network, wholly = context.network, context.network.global_layers[1]
    reached = {context.name(index)}
    for layer in network.layers[index + 1 :]:
        if any(name in reached for name in layer.inputs):
            if len(layer.inputs) > 1:
                return any(name in wholly for name in layer.inputs)
            reached.add(layer.name)
    return False


# what is never read -------------------------------------------------------------------------------------------------


def _unread(context: Context) -> Iterator[Finding]:
    """Entries that a layer, or all readers of a map together, never read."""
    readers: dict[int, list[int]] = {}
    for i, step in enumerate(context.plan.steps):
        for source in step.sources:
            readers.setdefault(source, []).append(i)
    for source, those in readers.items():
        steps = [context.plan.steps[r] for r in those]
        if any(s.layer.op == "slice" for s in steps):
            continue  # cuts on purpose
        dead = 0.0
        if all(s.maps is not None and not s.is_global for s in steps):
            dead = 1 - _read_share(steps)
            message = f"{dead:.0%} of its entries are read by no layer; it is read by {_names(steps)}"
            if source >= 0 and context.name(source) not in context.network.outputs:
                yield from context.finding("dead_entries", source, dead, message)
            else:
                dead = 0.0
        for r, step in zip(those, steps, strict=True):
            if step.maps is not None and not step.is_global:
                skipped = 1 - _read_share([step])
                message = f"it reads {1 - skipped:.0%} of the entries of {context.name(source)} and skips {skipped:.0%}"
                if skipped > dead:
                    yield from context.finding("skipped_entries", r, skipped, message)


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(s.layer.name for s in steps)


def _read_share(steps: Sequence[Step]) -> float:
    """Share of a map's entries, away from its borders, that some of its readers read."""
    ndim = len(steps[0].maps or ())
    periods = [lcm(*(s.maps[a].down for s in steps if s.maps)) for a in range(ndim)]
    if prod(periods) > MAX_TILE or any(s.maps is not None and max(m.up for m in s.maps) > MAX_TILE for s in steps):
        return 1.0
    tile = np.zeros(periods, bool)
    for step in steps:
        rows = []
        for axis_map, period in zip(step.maps or (), periods, strict=True):
            row = np.zeros(period, bool)
            starts = np.arange(0, period, abs(axis_map.down))
            for t in {t for taps in axis_map.taps for t in taps}:
                row[(starts + t) % period] = True
            rows.append(row)
        tile[np.ix_(*rows)] = True
    return float(tile.mean())


def _dead_pixels(context: Context) -> Iterator[Finding]:
    if context.finite is None or not context.ends:
        return
    counts = [coverage_counts(context.finite, i) for i in context.ends]
    if any(c is None for c in counts):
        return
    dead = np.logical_and.reduce([c == 0 for c in counts if c is not None])
    share = float(dead.mean())
    where = "; ".join(
        f"{axis} {', '.join(map(str, rows[:6].tolist()))}{' …' if len(rows) > 6 else ''}"
        for axis, rows in zip(context.network.axes, _dead_rows(dead), strict=True)
        if len(rows)
    )
    ends = _names([context.plan.steps[i] for i in context.ends[:4]])
    message = f"{int(dead.sum())} of {dead.size} pixels are in no footprint of {ends}"
    yield from context.finding(
        "dead_pixels", context.ends[-1], share, message + (f"; whole rows at {where}" if where else "")
    )


def _dead_rows(dead: np.ndarray) -> list[np.ndarray]:
    axes = range(dead.ndim)
    return [np.flatnonzero(dead.all(axis=tuple(b for b in axes if b != a))) for a in axes]


def _checkerboard(context: Context) -> Iterator[Finding]:
    for i, step in enumerate(context.plan.steps):
        if step.layer.op == "conv_transpose" and step.maps:
            counts = [[len(taps) for taps in m.taps] for m in step.maps]
            ratios = [max(c) / min(c) if min(c) else float("inf") for c in counts]
            ratio = max(ratios)
            worst = ratios.index(ratio)
            few, most, name = min(counts[worst]), max(counts[worst]), context.network.axes[worst]
            message = f"its output entries have {few} to {most} taps along {name}"
            yield from context.finding("checkerboard", i, ratio, message)


DETECTORS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    _jumps,
    _gridding,
    _hdc_rule,
    _overlaps,
    _beyond_input,
    _wasted_growth,
    _asymmetric,
    _misaligned,
    _drift,
    _border_padding,
    _padded_taps,
    _unread,
    _dead_pixels,
    _checkerboard,
    small_field,
    uneven_field,
)
