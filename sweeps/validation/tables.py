"""The dataset of `sweeps.validate` for a space: numbers of maps and errors by kind of layer, overlap and formula."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.kernels import errors
from sweeps.runs import attributes
from sweeps.validation.samples import RandomWalk
from sweeps.validation.states import OVERLAP_BINS, Kind, Progress, Tables, Walk

if TYPE_CHECKING:
    import xarray as xr

    from sweeps.spaces.space import Space

QUANTILES = (0.5, 0.9, 0.99)
CELL = ("stage", "kind", "overlap_bin", "formula", "figure")
TEXT = {
    "maps": "maps: outputs of a stage, all architectures so far told apart",
    "valued": "maps for which the formula has a value",
    "inexact": "of these, off by more than 1e-9",
    "inside": "maps in the formula's domain",
    "inside_inexact": "of these, off by more than 1e-9",
    "impossible": "maps with an area of 0 or less, or an overlap outside 0 … 1",
    "max_error": "largest error, of areas relative; nan: no map",
    "error_quantile": "error that this share of maps does not exceed, rounded up to a quarter of an octave",
    "histogram": "maps by error: exact, below 2^-16, then four bins an octave",
}

Cell = tuple[int, int, int, int]  # stage, kind, overlap bin, measure


class Collector:
    """Tables of all stages, and where the largest errors are."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        kinds = {k for c in walk.chains for k in c.names}
        self.kinds: list[Kind] = sorted(kinds, key=lambda k: (k[2], k[1], k[0]))
        shape = (len(walk.chains), len(self.kinds), OVERLAP_BINS, errors.MEASURES)
        self.hist = np.zeros((*shape, errors.BINS), walk.counts)
        self.tally = np.zeros((*shape, errors.TALLIES), walk.counts)
        self.worst = np.full(shape, -1.0)
        self.paths: dict[Cell, tuple[int, ...]] = {}

    def add(self, stages: Iterator[Tables]) -> None:
        """Add the stages of one pass."""
        for stage, tables in enumerate(stages):
            at = [self.kinds.index(k) for k in tables.kinds]
            self.hist[stage, at] += tables.hist
            self.tally[stage, at] += tables.tally
            better = np.argwhere(tables.worst > np.maximum(self.worst[stage, at], errors.EXACT))
            self.worst[stage, at] = np.maximum(self.worst[stage, at], tables.worst)
            for kind, overlap, measure in better.tolist():
                path = self.walk.path(stage, int(tables.place[kind, overlap, measure]))
                self.paths[stage, at[kind], overlap, measure] = path

    def dataset(self, worst: int) -> xr.Dataset:
        """Return everything as a dataset."""
        import xarray as xr

        from sweeps.validation import FIGURES, FORMULAS

        split = (*self.worst.shape[:3], len(FORMULAS), len(FIGURES))
        maps = self.hist[:, :, :, 4, :].sum(axis=-1)  # the bounding box has a value everywhere
        valued = self.tally[..., 0].reshape(split)
        data: dict[str, Any] = {
            "maps": (CELL[:3], maps),
            "valued": (CELL, valued),
            "inexact": (CELL, valued - self.hist[..., 0].reshape(split)),
            "inside": (CELL, self.tally[..., 1].reshape(split)),
            "inside_inexact": (CELL, self.tally[..., 2].reshape(split)),
            "impossible": (CELL, self.tally[..., 3].reshape(split)),
            "max_error": (CELL, np.where(self.worst < 0, np.nan, self.worst).reshape(split)),
            "error_quantile": ((*CELL, "quantile"), quantiles(self.hist).reshape(*split, -1)),
            "histogram": (
                ("stage", "formula", "figure", "error_bin"),
                self.hist.sum(axis=(1, 2)).reshape(split[0], *split[3:], -1),
            ),
        }
        k, s, d = np.array(self.kinds).T
        coords = {
            "stage": [p.stage for p in self.walk.programs],
            "kind": [f"k{k} s{s} d{d}" for k, s, d in self.kinds],
            "kernel": ("kind", k),
            "stride": ("kind", s),
            "dilation": ("kind", d),
            "overlap_bin": np.arange(OVERLAP_BINS) / OVERLAP_BINS,
            "formula": list(FORMULAS),
            "figure": list(FIGURES),
            "quantile": list(QUANTILES),
            "error_bin": bin_edges(),
        }
        out = xr.Dataset({**data, **self._worst(worst)}, coords)
        for name, text in TEXT.items():
            out[name].attrs = {"units": "1", "long_name": text}
        return out

    def _worst(self, ranks: int) -> dict[str, Any]:
        """The worst map of each cell, the worst cells first, as networks to replay."""
        from sweeps.validation import FIGURES, FORMULAS, network_text, replay

        dims, shape = ("formula", "figure", "rank"), (len(FORMULAS), len(FIGURES), ranks)
        error, text = np.full(shape, np.nan), np.full((4, *shape), "", object)
        choices = [p.choices for p in self.walk.programs]
        for measure in range(errors.MEASURES):
            place = divmod(measure, len(FIGURES))
            cells = sorted((c for c in self.paths if c[3] == measure), key=lambda c: -self.worst[c])[:ranks]
            for rank, cell in enumerate(cells):
                at = (*place, rank)
                index, network = replay(self.walk.space, self.paths[cell], choices)
                error[at] = self.worst[cell]
                labels = self.walk.space.labels(index) if hasattr(self.walk.space, "labels") else {}
                stage = self.walk.programs[cell[0]].stage
                for i, value in enumerate((str(index), stage, network_text(network), str(labels))):
                    text[(i, *at)] = value
        said = ("worst_index", "worst_stage", "worst_network", "worst_labels")
        names = ("index in the space, the later stages at their first choice", "stage whose map it is",
                 "the stages so far as JSON, for rfscale profile", "choices")  # fmt: skip
        out: dict[str, Any] = {"worst_error": (dims, error, {"units": "1", "long_name": "error of the worst maps"})}
        for name, values, long_name in zip(said, text, names, strict=True):
            out[name] = (dims, values, {"units": "1", "long_name": long_name})
        return out


def collect(
    space: Space, random: int | None, seed: int, worst: int, memory: int, progress: Progress | None
) -> xr.Dataset:
    """Run the pass and return its dataset."""
    walk: Walk
    if random is None:
        walk = Walk(space, memory, progress)
        collector = Collector(walk)
        collector.add(walk.stages())
    else:
        walk = RandomWalk(space, random, seed, memory, progress)
        collector = Collector(walk)
        for batch in walk.batches():
            collector.add(batch)
    out = collector.dataset(worst)
    out.attrs = attributes(space, "validate") | {"evaluated": walk.evaluated}
    if random is not None:
        out.attrs |= {"random": random, "seed": seed}
    return out


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
