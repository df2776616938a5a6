"""Questions about the networks of a function, answered from the table of all their figures."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, nearest
from rfscale.engine.variables import annotate
from rfscale.sweeps.answers.expressions import COSTS, Expression, ExpressionParser, Term
from rfscale.sweeps.answers.question import Where, answer_attributes, nothing_satisfies
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.plain import ANSWERS
from rfscale.sweeps.networks.table import network_table
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.variables import NETWORK_ROWS

if TYPE_CHECKING:
    import xarray as xr

STAGE = "networks"  # the one that results have


class NetworkParser(ExpressionParser):
    """Parses expressions over the networks of a function."""

    def __init__(self, space: NetworkSpace) -> None:
        self.space: Any = space
        self.table = network_table(space)
        self.figures = self.table.names
        self.stages = [STAGE]

    def term(self, label: str, what: str) -> Term:
        """Return the term of a name: a figure or cost, or a factor."""
        stage, _, name = label.rpartition(".")
        if stage not in ("", STAGE):
            raise InputError(f"{what} names {label!r}; a function's networks have no stages, write {name!r}")
        if name in self.space.dims:
            return Term(0, name, "factor", label)
        if name in COSTS and np.isnan(self.table.columns[name]).all():
            needs = "channels" if name == "params" else "channels and an input_size"
            raise InputError(
                f"{what} asks for {name}, but the networks of {self.space.name!r} have no {needs}; add them"
            )
        if name in self.figures:
            return Term(0, name, "cost" if name in COSTS else "figure", label)
        axes = [f"{name}_{a}" for a in self.table.axes if f"{name}_{a}" in self.figures]
        if axes:
            raise InputError(f"{what} asks for {label!r}, but the axes of this space differ; write {' or '.join(axes)}")
        known = [*self.figures, *self.space.dims]
        raise InputError(f"{what} names {label!r}, which is no figure, cost or factor; {nearest(name, known)}")


class NetworkRows:
    """The networks that satisfy some conditions, as the end nodes of a graph are.

    Attributes
    ----------
    space : NetworkSpace
    index : int64 array (n,)
        Of each in the space, rising.
    columns : list of one dict
        Positions of the values of the factors that are kept.
    """

    def __init__(self, parser: NetworkParser, conditions: Sequence[Expression] = (), keep: Iterable[Term] = ()) -> None:
        self.space, self.table = parser.space, parser.table
        self.index = np.arange(self.space.size)
        for condition in conditions:
            holds = np.broadcast_to(condition.value(self.values), len(self.index)).astype(bool)
            self.index = self.index[holds]
        kept = {("kept", t): self._digits(t.name) for t in keep if t.kind == "factor"}
        self.columns: list[dict[Any, np.ndarray]] = [{"index": self.index, **kept}]

    def _digits(self, factor: str) -> np.ndarray:
        sizes = [len(labels) for labels in self.space.dims.values()]
        return np.unravel_index(self.index, sizes)[list(self.space.dims).index(factor)]

    def values(self, term: Term) -> np.ndarray:
        """Return the values of a term."""
        if term.kind == "factor":
            return np.array(self.space.dims[term.name])[self._digits(term.name)]
        return self.table.column(term.name)[self.index]

    def objective(self, parser: NetworkParser, text: str) -> np.ndarray:
        """Return the values of an objective, numbers all."""
        expression = parser.parse(text, "objective")
        values = np.array(np.broadcast_to(expression.value(self.values), len(self.index)))
        if values.dtype.kind not in "biuf":
            raise InputError(f"objective {text!r} is text; it must be a number")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"objective {text!r} is no finite number for some architectures; exclude them by where")
        return values.astype(np.int64 if values.dtype.kind != "f" else float)

    def rows(self, at: np.ndarray, dim: str, made: Mapping[str, Any], attrs: dict[str, Any]) -> xr.Dataset:
        """Return some of the networks as rows of labels, figures and costs; `made` are further variables."""
        import xarray as xr

        index = self.index[at]
        sizes = [len(labels) for labels in self.space.dims.values()]
        digits = np.unravel_index(index, sizes)
        coords: dict[str, Any] = {
            name: (dim, np.array(labels)[place])
            for (name, labels), place in zip(self.space.dims.items(), digits, strict=True)
        }
        data: dict[str, Any] = {**made, "index": (dim, index)}
        for name in self.table.names:
            values = self.table.column(name)[index]
            if name not in COSTS or not np.isnan(self.table.columns[name]).all():
                data[name] = (dim, values)
        return annotate(xr.Dataset(data, {**coords, dim: np.arange(len(at))}, attrs), NETWORK_ROWS)


def satisfying(space: NetworkSpace, where: Where) -> tuple[NetworkParser, NetworkRows]:
    """Return the networks that satisfy conditions; an InputError where there are none."""
    parser = NetworkParser(space)
    rows = NetworkRows(parser, parser.where(where))
    if not len(rows.index):
        raise nothing_satisfies(space, where)
    return parser, rows


def best_networks(space: NetworkSpace, objective: str, k: int, where: Where) -> xr.Dataset:
    """Return what `best` does."""
    parser, rows = satisfying(space, where)
    values = rows.objective(parser, objective)
    at = np.argsort(values, kind="stable")[:k]
    return rows.rows(
        at, "rank", {"objective": ("rank", values[at])}, answer_attributes(space, "best", where, objective=objective)
    )


def pareto_networks(space: NetworkSpace, objectives: Sequence[str], where: Where) -> xr.Dataset:
    """Return what `pareto` does."""
    parser, rows = satisfying(space, where)
    values = np.stack([rows.objective(parser, o) for o in objectives], axis=1)
    order = np.lexsort([values[:, i] for i in reversed(range(values.shape[1]))])
    keep = ANSWERS.of(paths.undominated, len(order))(
        np.zeros(len(order), np.int64), np.ascontiguousarray(values[order])
    )
    at = order[keep]
    made = {"objectives": (("rank", "objective"), values[at])}
    answer = rows.rows(at, "rank", made, answer_attributes(space, "pareto", where, objectives=list(objectives)))
    return answer.assign_coords(objective=list(objectives))


def sample_networks(space: NetworkSpace, n: int, where: Where, seed: int) -> xr.Dataset:
    """Return what `sample` does."""
    _, rows = satisfying(space, where)
    draw = random.Random(seed)
    at = np.array([draw.randrange(len(rows.index)) for _ in range(n)], np.int64)
    attrs = answer_attributes(space, "sample", where, seed=seed, satisfying=str(len(rows.index)))
    return rows.rows(at, "sample", {}, attrs)
