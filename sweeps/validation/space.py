"""The dataset of `rf.validate` for a space: numbers of maps and errors by kind of layer, overlap and formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.variables import annotate
from rfscale.sweeps.kernels import formula_errors as errors
from rfscale.sweeps.kernels.formula_errors import OVERLAP_BINS
from rfscale.sweeps.spaces.provenance import attributes
from rfscale.sweeps.validation.kernel_tables import Kind
from rfscale.sweeps.validation.own_formulas import OwnFormula
from rfscale.sweeps.validation.own_walk import OwnWalk
from rfscale.sweeps.validation.replay import FORMULAS as BUILT_IN
from rfscale.sweeps.validation.replay import network_text, replay
from rfscale.sweeps.validation.walk_space import Progress, Walk
from rfscale.sweeps.variables import CELL, CELL_FORMULA, SPACE_VALIDATION, WORST

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.sweeps.spaces.space import Space

QUANTILES = (0.5, 0.9, 0.99)


class Collected:
    """Tables of a walk by stage, kind, overlap and measure, and where the largest errors are."""

    def __init__(self, walk: Walk, own: Sequence[OwnFormula] = ()) -> None:
        self.walk = walk
        flat, table_worst_place = walk.flat, walk.errors.whole()
        self.kinds: list[Kind] = sorted({k for names in flat.kinds for k in names}, key=_order)
        self.names = figure_names(walk.axes, walk.space.axes)
        measures = walk.errors.measures
        shape = (len(flat.kinds), len(self.kinds), OVERLAP_BINS, measures)
        self.table: Any = np.zeros((*shape, errors.COLUMNS), walk.counts)
        self.worst = np.full(shape, -1.0)
        self.place = np.zeros((*shape, table_worst_place[2].shape[-1]), np.int64)
        for stage, names in enumerate(flat.kinds):
            first = flat.tables.stages[stage, 3]
            at = [self.kinds.index(k) for k in names]
            for whole, part in zip((self.table, self.worst, self.place), table_worst_place, strict=True):
                rows = part[first : first + OVERLAP_BINS * len(at)].reshape(OVERLAP_BINS, len(at), *part.shape[1:])
                whole[stage, at] = rows.swapaxes(0, 1)
        self.formulas = (*BUILT_IN, *(formula.name for formula in own))
        self.own = [OwnWalk(walk.space, formula, self.kinds, walk.memory, walk.counts) for formula in own]
        for more in self.own:
            self.table = np.concatenate([self.table, more.table], axis=3)
            self.worst = np.concatenate([self.worst, more.worst], axis=3)

    def dataset(self, worst: int) -> xr.Dataset:
        """Return all tables as a dataset, not annotated."""
        import xarray as xr

        split = (*self.worst.shape[:3], len(self.formulas), len(self.names))
        hist = self.table[..., : errors.BINS].reshape(*split, -1).copy()
        hist[..., 0] += self.table[..., errors.INSIDE].reshape(split)
        inside, off, impossible = (
            self.table[..., i].reshape(split) for i in (errors.INSIDE, errors.INSIDE_OFF, errors.IMPOSSIBLE)
        )
        valued = hist.sum(axis=-1)
        data: dict[str, Any] = {
            "maps": (CELL, valued[..., BUILT_IN.index("interval"), 0]),  # the bounding box has a value everywhere
            "valued": (CELL_FORMULA, valued),
            "inexact": (CELL_FORMULA, valued - hist[..., 0]),
            "inside": (CELL_FORMULA, inside + off),
            "inside_inexact": (CELL_FORMULA, off),
            "impossible": (CELL_FORMULA, impossible),
            "max_error": (CELL_FORMULA, np.where(self.worst < 0, np.nan, self.worst).reshape(split)),
            "error_quantile": ((*CELL_FORMULA, "quantile"), quantiles(hist)),
            "histogram": (("stage", "formula", "figure", "error_bin"), hist.sum(axis=(1, 2))),
        }
        coords = {
            "stage": [p.stage for p in self.walk.programs],
            "kind": [_text(k) for k in self.kinds],
            **self._windows(),
            "overlap_bin": np.arange(OVERLAP_BINS) / OVERLAP_BINS,
            "formula": list(self.formulas),
            "figure": list(self.names),
            "quantile": list(QUANTILES),
            "error_bin": bin_edges(),
        }
        return xr.Dataset({**data, **self._worst(worst)}, coords)

    def _windows(self) -> dict[str, Any]:
        """Kernel, stride and dilation of every kind, by axis where axes differ."""
        values = np.array(self.kinds)  # kind, axis, parameter
        names = ("kernel", "stride", "dilation")
        if self.walk.axes == 1:
            return {name: ("kind", values[:, 0, i]) for i, name in enumerate(names)}
        return {name: (("kind", "axis"), values[..., i]) for i, name in enumerate(names)} | {
            "axis": list(self.walk.space.axes)
        }

    def _worst(self, ranks: int) -> dict[str, Any]:
        """The worst map of each cell, the worst cells first, as networks to replay."""
        dims, shape = WORST, (len(self.formulas), len(self.names), ranks)
        error, text = np.full(shape, np.nan), np.full((4, *shape), "", object)
        space = self.walk.space
        for measure in range(len(self.formulas) * len(self.names)):
            found = self.worst[..., measure]
            cells: list[Any] = np.argwhere(found > errors.EXACT).tolist()
            for rank, (stage, kind, overlap) in enumerate(sorted(cells, key=lambda c: -found[tuple(c)])[:ranks]):
                at = (*divmod(measure, len(self.names)), rank)
                path = self._path(stage, kind, overlap, measure)
                index, network = replay(space, path)
                error[at] = found[stage, kind, overlap]
                name = self.walk.programs[stage].stage
                for i, value in enumerate((str(index), name, network_text(network), str(space.labels(index)))):
                    text[(i, *at)] = value
        names = ("worst_index", "worst_stage", "worst_network", "worst_labels")
        return {"worst_error": (dims, error)} | {name: (dims, values) for name, values in zip(names, text, strict=True)}

    def _path(self, stage: int, kind: int, overlap: int, measure: int) -> tuple[int, ...]:
        """The choices that lead to the worst map of a cell."""
        if measure < self.place.shape[3]:
            return self.walk.path(stage, self.place[stage, kind, overlap, measure])
        number, figure = divmod(measure - self.place.shape[3], len(self.names))
        own = self.own[number]
        return own.path(stage, own.place[stage, kind, overlap, figure])


def figure_names(axes: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the figures that are judged: overlaps along each of the axes, if more than one differ."""
    return ("area", "overlap") if axes == 1 else ("area", *(f"overlap_{a}" for a in names))


def _order(kind: Kind) -> list[tuple[int, ...]]:
    return [window[::-1] for window in kind]


def _text(kind: Kind) -> str:
    """A kind as people write it, such as "k3 s1 d2" or "k1×7 s1×1 d1×1"; "merge", or "up2" after upsampling by 2."""
    if kind[0][0] == 0:
        return "up" + "×".join(str(scale) for _, scale, _ in kind) if kind[0][1] else "merge"
    return " ".join(
        f"{c}{'×'.join(map(str, values))}" for c, values in zip("ksd", zip(*kind, strict=True), strict=True)
    )


def collect(
    space: Space,
    random: int | None,
    seed: int,
    worst: int,
    memory: int,
    progress: Progress | None,
    own: Sequence[OwnFormula] = (),
) -> xr.Dataset:
    """Run the pass and return its dataset."""
    if space.branching:
        from rfscale.sweeps.validation.branches.collected import BranchCollected, branch_walks

        walks = branch_walks(space, random, seed, memory, progress, own)
        out, evaluated = BranchCollected(walks).dataset(worst), walks[0].evaluated
    else:
        walk = Walk(space, memory, progress, random)
        if random is None:
            walk.run()
        else:
            walk.sample(seed)
        out, evaluated = Collected(walk, own).dataset(worst), walk.evaluated
    drawn = {} if random is None else {"random": random, "seed": seed}
    out.attrs = attributes(space, "validate", evaluated=evaluated, **drawn)
    return annotate(out, SPACE_VALIDATION)


def totals(ds: xr.Dataset) -> xr.Dataset:
    """Return a validation over (formula, figure) alone: numbers of maps of all cells, and the largest error."""
    cells = list(CELL)
    out = ds[["maps", "valued", "inexact", "inside", "inside_inexact", "impossible"]].sum(cells)
    return out.assign(max_error=ds.max_error.max(cells))


def shares_by_error(ds: xr.Dataset) -> xr.DataArray:
    """Return the share of all maps whose error is not above each finite edge of a bin; nan without maps."""
    counts = ds.histogram.sum("stage")
    return (counts.cumsum("error_bin") / counts.sum("error_bin")).isel(error_bin=slice(-1))


def bin_edges() -> np.ndarray:
    """Return the upper edges of the bins of errors."""
    octave = 2.0 ** np.arange(errors.LOWEST, errors.HIGHEST)
    steps = 1 + np.arange(1, errors.PER_OCTAVE + 1) / errors.PER_OCTAVE
    return np.concatenate([[errors.EXACT, octave[0]], np.outer(octave, steps).ravel(), [np.inf]])


def quantiles(hist: np.ndarray) -> np.ndarray:
    """Return the errors that shares of the maps do not exceed, rounded up to the bins' edges; nan without maps."""
    upto = hist.cumsum(axis=-1)
    total = upto[..., -1:]
    edges = bin_edges()
    edges[0] = 0.0
    out = [np.where(total[..., 0] > 0, edges[(upto < q * total).sum(axis=-1).clip(max=len(edges) - 1)], np.nan)
           for q in QUANTILES]  # fmt: skip
    return np.stack(out, axis=-1)
