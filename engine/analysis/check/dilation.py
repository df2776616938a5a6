"""Runs of dilated convolutions, and the rule of the literature for their rates."""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.footprints.plan import Plan


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
