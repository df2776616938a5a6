"""The report over a space, put together from those of its networks, one by one: slow, and obvious."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.graphs.wiring import NO_PATH

COUNTED = ("valued", "inexact", "inside", "inside_inexact", "impossible")
Totals = dict[tuple[str, int, str, str], list[float]]  # stage, bin of overlap, formula, figure: COUNTED, largest error


def by_networks(space: Space, own: dict[str, Any], drawn: list[int] | None = None) -> Totals:
    """Numbers of maps and the largest error of every cell; of all architectures, or of those that are drawn."""
    out: Totals = defaultdict(lambda: [0, 0, 0, 0, 0, np.nan])
    sizes = dict(zip([s.name for s in space.stages], space.stage_sizes, strict=True))
    for index in range(space.size) if drawn is None else drawn:
        report = _longest(space, index, own)
        if report is None:
            continue
        wirings, outputs = space.wirings(index), space.outputs(index)
        names = report.layer.values.tolist()
        before = "input"
        for stage in space.stages:
            layer, nodes = outputs[stage.name], wirings[stage.name].nodes
            read = before if stage.source is None else outputs.get(stage.source, "input")
            before = layer if nodes[-1:] != (NO_PATH,) else "input"  # without a map before it, a stage is in bin 0
            if nodes[-1:] == (NO_PATH,) or (drawn is None and index % (space.size // sizes[stage.name])):
                continue  # no map; the same map as of an architecture before
            if layer in names or layer == "input":
                _add(out, space, report, stage.name, layer, read)
    return dict(out)


def _longest(space: Space, index: int, own: dict[str, Any]) -> Any:
    """The report of an architecture, of as many of its stages as a path leads through; None without any."""
    for stages in range(len(space.stages), 0, -1):
        try:
            network = space.network(index, stages=stages)
        except InputError:
            continue
        return rf.validate(network, formulas=own)
    return None


def _add(out: Totals, space: Space, report: Any, stage: str, layer: str, read: str) -> None:
    names = report.layer.values.tolist()
    axes = 1 if space.square else len(space.axes)
    bin_ = 0 if read == "input" else int(report.overlap.values[names.index(read), :axes].min() * 10 + 1e-9)
    figures = ("area", "overlap") if space.square else ("area", *(f"overlap_{a}" for a in space.axes))
    for f, formula in enumerate(report.formula.values.tolist()):
        for g, figure in enumerate(figures):
            cell = out[stage, bin_, formula, figure]
            if layer == "input":
                known = formula != "published" or len(space.axes) == 2
                cell[0] += known
                cell[2] += known
                cell[5] = np.fmax(cell[5], 0.0 if known else np.nan)
                continue
            at = names.index(layer)
            exact, value = report.area.values[at], report.value.values[at, f]
            bad = value <= 0
            if g:
                exact, value = report.overlap.values[at, g - 1], report.overlap_value.values[at, f, g - 1]
                bad = value < -1e-9 or value > 1 + 1e-9
            error = abs(value - exact) / (1 if g else exact)
            valued, inside = error == error, bool(report.in_domain.values[at, f])
            counted = (valued, valued and error > 1e-9, valued and inside, valued and inside and error > 1e-9, bad)
            for i, one in enumerate(counted):
                cell[i] += int(one)
            cell[5] = np.fmax(cell[5], error)


def same_as_networks(space: Space, own: dict[str, Any], report: Any, drawn: list[int] | None = None) -> None:
    """Compare a report over a space with that of its networks: numbers are equal, errors but for rounding."""
    expected = by_networks(space, own, drawn)
    counts = report[list(COUNTED)].sum("kind")
    most = report.max_error.max("kind")
    stages, bins = report.stage.values.tolist(), range(report.sizes["overlap_bin"])
    for s, stage in enumerate(stages):
        for bin_ in bins:
            for f, formula in enumerate(report.formula.values.tolist()):
                for g, figure in enumerate(report.figure.values.tolist()):
                    *numbers, error = expected.get((stage, bin_, formula, figure), [0, 0, 0, 0, 0, np.nan])
                    found = [int(counts[name].values[s, bin_, f, g]) for name in COUNTED]
                    assert found == numbers, (stage, bin_, formula, figure, found, numbers)
                    np.testing.assert_allclose(most.values[s, bin_, f, g], error, rtol=1e-9, atol=1e-9)
