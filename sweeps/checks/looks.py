"""How each rule of `rfscale check` is looked for: functions from a view of a network to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, lcm, prod

import numpy as np

from engine.entries import Figures, Reader
from engine.layers import AxisMap
from engine.plan import Plan, Step
from sweeps.checks.rules import Finding
from sweeps.checks.seen import seen_counts
from sweeps.checks.view import View

MAX_TILE = 1 << 20  # entries of one period, when the readers of a map are united


def _px(values: Sequence[float]) -> str:
    texts = [f"{v:g}" for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


# holes --------------------------------------------------------------------------------------------------------------


def _density(f: Figures) -> float:
    return f.area / prod(f.extent) if f.area else 1.0


def _gridding(view: View) -> Iterator[Finding]:
    ends = set(view.ends)
    for i, f in enumerate(view.figures):
        if f is None or _density(f) >= 1:
            continue
        density = _density(f)
        told = (
            f"its footprint has {f.area:g} of the {prod(f.extent):g} pixels of its extent ({_px(f.extent)}), density "
        )
        told += f"{density:.2g}, longest gap {_px(f.max_gap)}"
        if not max(f.max_gap):
            continue  # a cross or a plus of branches, as of 1×7 beside 7×1, is no grid
        if i in ends:
            yield from view.finding("gridding", i, density, told)
        elif not any(_holey(view, s) for s in view.plan.steps[i].sources):
            yield from view.finding("holes_inside", i, density, told)


def _holey(view: View, index: int) -> bool:
    f = view.figures[index] if index >= 0 else None
    return f is not None and _density(f) < 1 and max(f.max_gap) > 0


def hdc(rates: Sequence[int], kernel: int = 3) -> tuple[int, bool]:
    """Return M2 of a run of dilated layers, and whether the hybrid-dilated-convolution rule M2 ≤ kernel accepts it.

    P. Wang et al., Understanding convolution for semantic segmentation, WACV 2018, equation 2: M_n = r_n and
    M_i = max(M_{i+1} − 2 r_i, 2 r_i − M_{i+1}, r_i). The paper asks besides that the rates have no common factor.

    Examples
    --------
    >>> hdc([1, 2, 5]), hdc([1, 2, 9]), hdc([2, 2, 2])
    ((2, True), (5, False), (2, True))
    """
    m = rates[-1]
    for rate in reversed(rates[1:-1]):
        m = max(m - 2 * rate, 2 * rate - m, rate)
    return m, m <= kernel


def dilated_runs(plan: Plan) -> list[tuple[list[int], list[int], int]]:
    """Return the dilated runs of convolutions of stride 1 and one kernel: layers, rates and kernel on the last axis."""
    runs: dict[int, tuple[list[int], list[int], int]] = {}
    for i, step in enumerate(plan.steps):
        before = runs.pop(step.sources[0], None) if step.sources and len(step.sources) == 1 else None
        if step.passes and before:
            runs[i] = before
            continue
        window = step.maps[-1].window if step.maps and step.layer.op == "conv" else None
        if before and (window is None or window[1] > 1 or window[0] != before[2]):
            runs[-2 - i] = before  # the run has ended
            before = None
        if window and window[1] == 1 and window[0] > 1:
            layers, rates, kernel = before or ([], [], window[0])
            runs[i] = [*layers, i], [*rates, window[2]], kernel
    return [run for run in runs.values() if len(run[0]) > 1 and max(run[1]) > 1]


def _hdc_rule(view: View) -> Iterator[Finding]:
    for layers, rates, kernel in dilated_runs(view.plan):
        f = view.figures[layers[-1]]
        if f is None:
            continue
        m, accepted = hdc(rates, kernel)
        solid = _density(f) == 1
        if accepted != solid:
            says = f"accepts (M2 = {m} ≤ {kernel})" if accepted else f"rejects (M2 = {m} > {kernel})"
            fact = "has no holes" if solid else f"has density {_density(f):.2g}, longest gap {_px(f.max_gap)}"
            told = f"the rule {says} the rates {', '.join(map(str, rates))}, but the footprint {fact}"
            yield from view.finding("hdc_rule", layers[-1], m, told)


# overlaps and extents -----------------------------------------------------------------------------------------------


def _overlaps(view: View) -> Iterator[Finding]:
    ends = set(view.ends)
    for i, (step, f) in enumerate(zip(view.plan.steps, view.figures, strict=True)):
        if f is None or not f.area:
            continue
        overlaps = [s / f.area for s in f.shared]
        if i in ends:
            told = f"neighbours share {min(overlaps):.1%} of their pixels"
            yield from view.finding("redundant", i, min(overlaps), told)
        if step.maps is None or step.layer.op in ("space_to_depth", "slice", "window_attention"):
            continue
        for axis, (axis_map, overlap) in enumerate(zip(step.maps, overlaps, strict=True)):
            if axis_map.down <= axis_map.up or f.extent[axis] == 1:
                continue
            window = axis_map.window
            patches = step.layer.op == "conv" and window is not None and window[0] >= window[1]
            told = f"neighbours along {view.network.axes[axis]} share {overlap:.1%} of their pixels"
            found = list(view.finding("patches" if patches else "aliasing", i, overlap, told))
            yield from found
            if found:
                break


def _beyond_input(view: View) -> Iterator[Finding]:
    if view.size is None:
        return
    for i in view.ends:
        f = view.figures[i]
        if f is not None:
            ratio = max(e / n for e, n in zip(f.extent, view.size, strict=True))
            told = f"its extent of {_px(f.extent)} pixels is {ratio:.2g} times the image of {_px(view.size)}"
            yield from view.finding("beyond_input", i, ratio, told)


def _wasted_growth(view: View) -> Iterator[Finding]:
    if view.finite is None or view.size is None:
        return
    full = [False] * len(view.plan.steps)
    steps = view.finite.plan.steps
    for i, terms in enumerate(view.finite.terms):
        full[i] = terms is not None and any(
            all(int(f.measures[0].min()) == n for f, n in zip(term, view.size, strict=True)) for term in terms
        )
    wide = [i for i, s in enumerate(steps) if s.maps and not s.everything and _reads_several(s.maps)]
    wasted = [i for i in wide if steps[i].sources[0] >= 0 and full[steps[i].sources[0]]]
    if wasted:
        told = (
            f"every entry sees the whole image before this layer, and {len(wasted)} of {len(wide)} wide layers follow"
        )
        yield from view.finding("wasted_growth", wasted[0], len(wasted) / len(wide), told)


def _reads_several(maps: tuple[AxisMap, ...]) -> bool:
    return any(len(taps) > 1 for m in maps for taps in m.taps)


def _asymmetric(view: View) -> Iterator[Finding]:
    for i in view.ends:
        f = view.figures[i]
        if f is not None and f.area and len(f.extent) > 1:
            ratio = max(f.extent) / min(f.extent)
            yield from view.finding("asymmetric", i, ratio, f"its extent is {_px(f.extent)} pixels")


# places -------------------------------------------------------------------------------------------------------------


def _misaligned(view: View) -> Iterator[Finding]:
    steps = view.plan.steps
    for i, step in enumerate(steps):
        if step.maps is not None or step.everything:
            continue
        branches = [steps[s].intervals for s in step.sources if s >= 0 and steps[s].intervals is not None]
        if len(branches) != len(step.sources):
            continue
        for axis, name in enumerate(view.network.axes):
            reaches = [b[axis] for b in branches if b is not None]
            centres = [float(r.centre) for r in reaches if r.centre is not None]
            if len({r.jump for r in reaches}) > 1 or not centres:
                continue
            jump = reaches[0].jump[0] / reaches[0].jump[1]
            offset = max(centres) - min(centres)
            if offset > 0:
                low, high = (view.name(step.sources[centres.index(c)]) for c in (min(centres), max(centres)))
                told = f"along {name}, {high} looks {offset:g} pixels past {low}, {offset / jump:.2g} entries"
                yield from view.finding("misaligned", i, offset / jump, told, "note" if view.causal else "error")
                break


def _jumps(view: View) -> Iterator[Finding]:
    if view.interior is None:
        told = str(view.trouble)
        for i, step in enumerate(view.plan.steps):
            if told.startswith(f"layer {step.layer.name!r} ") and "different jumps" in told:
                yield from view.finding("jumps", i, len(step.sources), told.partition(": ")[2].partition(";")[0])


def _drift(view: View) -> Iterator[Finding]:
    for i in view.ends:
        drift = view.drifts[i]
        if drift is None:
            continue
        pixels, jump = drift
        side = "end" if pixels > 0 else "start"
        told = f"its entries look {abs(pixels):g} pixels too far to the {side}, {abs(pixels) / jump:.2g} entries"
        lopsided = _lopsided(view, i)
        if view.causal:
            told += ": it is causal"
        elif lopsided:
            told += f"; padded more on one side: {', '.join(lopsided[:4])}{' …' if len(lopsided) > 4 else ''}"
        yield from view.finding("drift", i, abs(pixels) / jump, told, "note" if view.causal else "error")


def _lopsided(view: View, index: int) -> list[str]:
    """Layers on the way to a layer whose padding differs between the sides; `same` does so for even kernels."""
    reached, names = {index}, []
    for i in range(index, -1, -1):
        step = view.plan.steps[i]
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


def _border_padding(view: View) -> Iterator[Finding]:
    if view.finite is None:
        return
    reader = Reader(view.finite)
    for i in view.ends:
        f = view.figures[i]
        if f is not None and f.area and isfinite(f.area):
            corner = reader.figures(i, (0,) * len(view.network.axes))
            share = 1 - corner.area / f.area
            told = f"its corner entry sees {corner.area:g} pixels, {1 - share:.1%} of an entry's without borders"
            yield from view.finding("border_padding", i, share, told, "note" if view.causal else "error")


def _padded_taps(view: View) -> Iterator[Finding]:
    if view.finite is None:
        return
    steps = view.finite.plan.steps
    for i, step in enumerate(steps):
        if step.maps is None or step.everything or step.size is None or not _reads_several(step.maps):
            continue
        source = steps[step.sources[0]].size if step.sources[0] >= 0 else view.size
        assert source is not None
        inside = [_inside(m, n, out) for m, n, out in zip(step.maps, source, step.size, strict=True)]
        share = 1 - prod(inside)
        told = f"on average {share:.1%} of its taps read padding: its map is {_px(source)}"
        helped = _beside_global(view, i)
        if helped:
            told += "; a global branch beside it makes up for that"
        dilated = max(step.layer.params.get("dilation", (1,))) > 1
        yield from view.finding("padded_taps", i, share, told, "error" if dilated and not helped else "note")


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


def _beside_global(view: View, index: int) -> bool:
    """Whether a layer, possibly behind pointwise layers, merges with a branch that sees everything."""
    network, wholly = view.network, view.network.behind_global[1]
    reached = {view.name(index)}
    for layer in network.layers[index + 1 :]:
        if any(name in reached for name in layer.inputs):
            if len(layer.inputs) > 1:
                return any(name in wholly for name in layer.inputs)
            reached.add(layer.name)
    return False


# what is never read -------------------------------------------------------------------------------------------------


def _unread(view: View) -> Iterator[Finding]:
    """Entries that a layer, or all readers of a map together, never read."""
    readers: dict[int, list[int]] = {}
    for i, step in enumerate(view.plan.steps):
        for source in step.sources:
            readers.setdefault(source, []).append(i)
    for source, those in readers.items():
        steps = [view.plan.steps[r] for r in those]
        if any(s.layer.op == "slice" for s in steps):
            continue  # cuts on purpose
        dead = 0.0
        if all(s.maps is not None and not s.everything for s in steps):
            dead = 1 - _read_share(steps)
            told = f"{dead:.0%} of its entries are read by no layer; it is read by {_names(steps)}"
            if source >= 0 and view.name(source) not in view.network.outputs:
                yield from view.finding("dead_entries", source, dead, told)
            else:
                dead = 0.0
        for r, step in zip(those, steps, strict=True):
            if step.maps is not None and not step.everything:
                skipped = 1 - _read_share([step])
                told = f"it reads {1 - skipped:.0%} of the entries of {view.name(source)} and skips {skipped:.0%}"
                if skipped > dead:
                    yield from view.finding("skipped_entries", r, skipped, told)


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
            starts = np.arange(0, period, axis_map.down)
            for t in {t for taps in axis_map.taps for t in taps}:
                row[(starts + t) % period] = True
            rows.append(row)
        tile[np.ix_(*rows)] = True
    return float(tile.mean())


def _dead_pixels(view: View) -> Iterator[Finding]:
    if view.finite is None or not view.ends:
        return
    counts = [seen_counts(view.finite, i) for i in view.ends]
    if any(c is None for c in counts):
        return
    dead = np.logical_and.reduce([c == 0 for c in counts if c is not None])
    share = float(dead.mean())
    where = "; ".join(
        f"{axis} {', '.join(map(str, rows[:6].tolist()))}{' …' if len(rows) > 6 else ''}"
        for axis, rows in zip(view.network.axes, _dead_rows(dead), strict=True)
        if len(rows)
    )
    ends = _names([view.plan.steps[i] for i in view.ends[:4]])
    told = f"no entry of {ends} sees {int(dead.sum())} of {dead.size} pixels"
    yield from view.finding("dead_pixels", view.ends[-1], share, told + (f"; whole rows at {where}" if where else ""))


def _dead_rows(dead: np.ndarray) -> list[np.ndarray]:
    axes = range(dead.ndim)
    return [np.flatnonzero(dead.all(axis=tuple(b for b in axes if b != a))) for a in axes]


def _checkerboard(view: View) -> Iterator[Finding]:
    for i, step in enumerate(view.plan.steps):
        if step.layer.op == "conv_transpose" and step.maps:
            counts = [len(taps) for m in step.maps for taps in m.taps]
            ratio = max(counts) / min(counts) if min(counts) else float("inf")
            told = f"its output entries have {min(counts)} to {max(counts)} taps along an axis"
            yield from view.finding("checkerboard", i, ratio, told)


LOOKS: tuple[Callable[[View], Iterator[Finding]], ...] = (
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
)
