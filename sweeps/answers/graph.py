"""The graph that a question is asked of: states of all axes, and what else the question makes the future depend on.

A node is a combination of the nodes of the axis graphs and, where asked for, of the cost graph, of accumulated costs,
and of earlier values that are still to be read. Conditions cut nodes off where they can first be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.answers.expressions import Expression, Term
from rfscale.sweeps.answers.figures import chain_figure, union_figure
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.plain import ANSWERS
from rfscale.sweeps.machine import memory_limit
from rfscale.sweeps.spaces.costs import CostRules
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.states.compiled import MORE_MEMORY, compiled
from rfscale.sweeps.states.cost_needs import CostNeeds
from rfscale.sweeps.states.numbering import distinct_columns
from rfscale.sweeps.variables import figures_of_answers

if TYPE_CHECKING:
    from rfscale.sweeps.states.cells.priced import PricedGraph

MEMORY = 4 << 30  # bytes that the graph of a question may take
PIECE = 1 << 22  # combinations of states that are made at once

Columns = dict[Any, np.ndarray]


class QuestionGraph:
    """The graph of one question.

    Parameters
    ----------
    space : Space
    keep : iterable of Term
        Terms whose values the end nodes must tell.
    conditions : sequence of Expression
    with_costs : bool
        Whether edges have costs (`weights`).
    memory : int
        Bytes that the graph may take, beside the states.
    figures : iterable of str
        Further figures that nodes of every level must tell.
    needs : CostNeeds, optional
        What is needed of the costs of cells of many choices, if not all.

    Attributes
    ----------
    follow : list of int32 array (nodes before, choices)
        -1 where a condition cuts.
    times : list of (object array (nodes before, choices) or None)
        How many choices of a cell each edge stands for (sweeps/states/cells/graph.py); None: one.
    columns : list of dict
        Per level, the columns of its nodes.

    Raises
    ------
    NothingLeftError
        If no architecture satisfies the conditions.
    """

    def __init__(
        self,
        space: Space,
        keep: Iterable[Term] = (),
        conditions: Sequence[Expression] = (),
        with_costs: bool = False,
        memory: int = MEMORY,
        figures: Iterable[str] = (),
        needs: CostNeeds | None = None,
    ) -> None:
        self.space, self.memory = space, memory_limit(memory)
        self._held = 0  # bytes of the levels so far
        self.compiled = compiled(space)
        keep = tuple(keep)
        terms = {*keep, *(term for condition in conditions for term in condition.terms)}
        for term in terms:
            if term.kind == "factor" and term.name in space.folded:
                raise InputError(
                    f"{term.name} belongs to cells of more than 2^20 choices in all, known by their effects",
                    remedy="ask rf.sample, whose rows name it, or leave its other values out of the space",
                )
        self._refuse_earlier_costs(terms, needs)
        self.axes = self.compiled.coarsest({*figures, *(t.name for t in terms if t.kind == "figure")}, self.memory)
        self.conditions = conditions
        last = len(space.stages) - 1
        self._until: dict[Term, int] = dict.fromkeys(keep, last)
        self._bounds: list[tuple[Term, float, float]] = []
        for condition in conditions:
            bounds = condition.bounds()
            if bounds:
                self._bounds.append(bounds)
            for term in () if bounds else condition.terms:
                self._until[term] = max(self._until.get(term, 0), condition.stage)
        self.totals = {t.name for t in (*self._until, *(b[0] for b in self._bounds)) if t.kind == "cost"}
        self.with_costs = with_costs or bool(self.totals)
        self._priced: PricedGraph | None = None
        if space.folded and (self.totals or needs):
            needs = needs or CostNeeds((), None, 0, 0)
            self._price_cells(needs.with_values_of(self.totals) if self.totals else needs)
        self.follow: list[np.ndarray] = []
        self.times: list[np.ndarray | None] = []
        root: Columns = {("axis", a): np.zeros(1, np.int32) for a in range(len(self.axes))}
        if self.with_costs:
            root["cost"] = np.zeros(1, np.int32)
            root |= {("total", name): np.zeros(1, np.int64) for name in self.totals}
        self.columns: list[Columns] = [root]
        self._reach = self._remaining() if self._bounds else {}
        for stage in range(last + 1):
            self._add(stage)

    def _refuse_earlier_costs(self, terms: Iterable[Term], needs: CostNeeds | None) -> None:
        """Refuse costs up to a stage within the uses of a cell of many choices: they are paid at its last use."""
        programs = self.compiled.programs
        last = max((i for i, p in enumerate(programs) if p.folded is not None), default=0)
        until = min([t.stage for t in terms if t.kind == "cost"] + [last if needs is None else needs.stage])
        if until < last:
            raise InputError(
                f"costs up to stage {programs[until].stage!r} are not known: cells of more than 2^20 choices have "
                "their costs as a whole",
                remedy=f"ask for those of the network, or up to stage {programs[last].stage!r} or a later one",
            )

    def _price_cells(self, needs: CostNeeds) -> None:
        """Tell the edges of cells of many choices apart by their costs."""
        from rfscale.sweeps.states.cells.priced import PricedGraph

        costs: Any = self.compiled.costs
        graph: Any = self.axes[0]
        self._priced = priced = PricedGraph(graph, costs.prices, needs, self.memory)
        axes: Any = (priced,)
        self.axes = axes

    def _remaining(self) -> dict[tuple[Term, str], list[np.ndarray]]:
        """Least and largest cost still to come up to a bound's stage, by cost node: what decides a bound early."""
        costs, out = self.compiled.costs, {}
        for term, *_ in self._bounds:
            for kind, sign in (("least", 1), ("largest", -1)):
                weights = costs.weights[term.name]
                if self._priced is not None:
                    more = getattr(self._priced, kind)[term.name]
                    weights = [w + m for w, m in zip(weights, more, strict=True)]
                n_last = int(costs.follow[term.stage].max()) + 1
                after = [np.zeros(n_last, np.int64)]
                for stage in range(term.stage, -1, -1):
                    pull = ANSWERS.of(paths.pull_least, weights[stage].size)
                    after.append(pull(costs.follow[stage], sign * weights[stage], after[-1], paths.FAR))
                out[term, kind] = [sign * a for a in reversed(after)]  # [i]: before stage i
        return out

    def _add(self, stage: int) -> None:
        times = getattr(self.axes[0], "times", None)
        many = None if times is None else times[stage]
        self.times.append(None if many is None else many[self.columns[-1]["axis", 0]])
        shared = self._as_level(stage)
        follow, columns = self._made(stage) if shared is None else shared
        for term, until in self._until.items():
            if term.kind != "factor" and term.stage == stage < until:
                columns["kept", term] = self.values(term, columns, stage)
        self.columns.append(columns)
        self.follow.append(follow)
        self._cut(stage)
        self._held += 0 if shared is not None else self.follow[-1].nbytes
        self._held += sum(column.nbytes for column in self.columns[-1].values())

    def _as_level(self, stage: int) -> tuple[np.ndarray, Columns] | None:
        """Tables of a stage where the nodes are those of the only axis: they are there already."""
        column = self.columns[-1].get(("axis", 0))
        if column is None or len(self.columns[-1]) > 1:
            return None
        if any(term.kind == "factor" and term.stage == stage for term in self._until):
            return None
        level = self.axes[0].levels[stage]
        if len(column) != len(level.follow) or not np.array_equal(column, np.arange(len(column))):
            return None
        return level.follow, {("axis", 0): np.arange(len(level.state), dtype=np.int32)}

    def _made(self, stage: int) -> tuple[np.ndarray, Columns]:
        """Tables of a stage: where nodes lead by choice, and the columns of the nodes after it."""
        before, choices = self.columns[-1], self._choices(stage)
        n = len(next(iter(before.values())))
        self._check_size(stage, 4 * n * choices)
        step = max(1, PIECE // choices)
        follow = np.empty((n, choices), np.int32)
        pieces: list[Columns] = []
        found = 0
        for start in range(0, n, step):  # in pieces, as combinations take more room than the distinct ones among them
            rows = {key: column[start : start + step] for key, column in before.items()}
            numbers, columns = self._combine(rows, stage)
            follow[start : start + step] = numbers + found * (numbers >= 0)
            pieces.append(columns)
            found += len(next(iter(columns.values())))
            self._check_size(stage, 4 * n * choices + 8 * found * (2 * len(columns) + 5))  # when they are joined
        columns = pieces[0]
        if len(pieces) > 1:
            columns = {key: np.concatenate([p[key] for p in pieces]) for key in columns}
            numbers, first = _distinct(list(columns.values()))
            columns = {key: column[first] for key, column in columns.items()}
            follow = np.where(follow < 0, -1, numbers[follow]) if len(numbers) else follow
        return follow, columns

    def _check_size(self, stage: int, needed: int) -> None:
        if self._held + needed > self.memory:
            raise InputError(
                f"the question needs more than {self.memory / 1e9:.3g} GB for combinations of states up to stage "
                f"{self.compiled.programs[stage].stage!r}",
                remedy=f"ask for fewer figures, bound costs rather than asking for their values, or {MORE_MEMORY}",
            )

    def _combine(self, before: Columns, stage: int) -> tuple[np.ndarray, Columns]:
        """Return where nodes lead: numbers by node and choice, -1 where a bound cuts; and the numbers' columns."""
        n, choices = len(next(iter(before.values()))), self._choices(stage)
        made = {key: self._step(key, column, before, stage) for key, column in before.items()}
        for term, until in self._until.items():
            if term.kind == "factor" and term.stage == stage <= until:
                made["kept", term] = np.broadcast_to(self._digits(term.name, stage), (n, choices))
        alive = self._within_bounds(made, stage)
        if self.times[stage] is not None:  # nodes differ in how many edges they have
            there = made["axis", 0] >= 0
            alive = there if alive is None else alive & there
        made = {k: v for k, v in made.items() if not self._done(k, stage)}
        flat = [np.ascontiguousarray(v).reshape(-1) for v in made.values()]
        keep = None if alive is None else np.flatnonzero(alive.reshape(-1))
        numbers, first = _distinct(flat if keep is None else [v[keep] for v in flat])
        source, follow = first, numbers
        if keep is not None:
            source, follow = keep[first], np.full(n * choices, -1, np.int32)
            follow[keep] = numbers
        return follow.reshape(n, choices), {key: v[source] for key, v in zip(made, flat, strict=True)}

    def _choices(self, stage: int) -> int:
        """Edges of each node of the level before a stage: its choices, as far as they are told apart."""
        return self.axes[0].levels[stage].follow.shape[1]

    def _done(self, key: Any, stage: int) -> bool:
        """Whether a column is not read any more."""
        if key[0] == "kept":
            return self._until[key[1]] < stage
        if key[0] == "total":
            return all(
                until < stage for t, until in self._until.items() if t.name == key[1] and t.kind == "cost"
            ) and all(t.stage <= stage for t, *_ in self._bounds if t.name == key[1])
        return False

    def _step(self, key: Any, column: np.ndarray, before: Columns, stage: int) -> np.ndarray:
        """Return a column after a stage, by node and choice."""
        choices = self._choices(stage)
        if key == "cost":
            return np.broadcast_to(self.compiled.costs.follow[stage][column], (len(column), choices))
        if key[0] == "axis":
            return self.axes[key[1]].levels[stage].follow[column]
        if key[0] == "total":
            total = column[:, None] + self._weights(key[1], stage, before)
            return np.where(column[:, None] < 0, -1, total)  # -1: every bound is sure to hold
        return np.broadcast_to(column[:, None], (len(column), choices))

    def _digits(self, factor: str, stage: int) -> np.ndarray:
        """Position of a factor's value, for each choice of the stage that introduces it."""
        names = self.space.introduced[stage]
        sizes = [len(self.space.dims[n]) for n in names]
        return np.indices(sizes)[names.index(factor)].reshape(-1)

    def _within_bounds(self, made: Columns, stage: int) -> np.ndarray | None:
        """Cut what no bound allows any more; forget totals that every bound is sure of."""
        alive: np.ndarray | None = None
        sure: dict[str, np.ndarray] = {}
        for term, low, high in self._bounds:
            if term.stage < stage:
                continue
            total, cost = made["total", term.name], made["cost"]
            # [stage + 1] is before the next stage; after the bound's own stage nothing is to come
            least = total + self._reach[term, "least"][stage + 1][cost]
            largest = total + self._reach[term, "largest"][stage + 1][cost]
            fits = (total < 0) | ((least <= high) & (largest >= low))
            alive = fits if alive is None else alive & fits
            certain = (total < 0) | ((largest <= high) & (least >= low))
            sure[term.name] = certain & sure.get(term.name, np.True_)
        for name, certain in sure.items():
            if not any(t.kind == "cost" and t.name == name for t in self._until):
                made["total", name] = np.where(certain, -1, made["total", name])
        return alive

    def _cut(self, stage: int) -> None:
        """Take the nodes away that a condition of this stage excludes, and those whose columns nobody reads further."""
        columns = self.columns[-1]
        n = len(next(iter(columns.values())))
        keep = np.ones(n, bool)
        for condition in self.conditions:
            if condition.stage == stage and condition.bounds() is None:
                keep &= np.broadcast_to(condition.value(lambda t: self.values(t, columns, stage)), n).astype(bool)
        if not keep.all():
            number = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
            follow = self.follow[-1]
            self.follow[-1] = np.where(follow < 0, -1, number[follow])
            self.columns[-1] = {k: v[keep] for k, v in columns.items()}
        if not keep.any():
            raise NothingLeftError(stage)

    def values(self, term: Term, columns: Columns | None = None, stage: int | None = None) -> np.ndarray:
        """Return the values of a term by node of a level, by default the last."""
        columns = self.columns[-1] if columns is None else columns
        stage = len(self.follow) - 1 if stage is None else stage
        if ("kept", term) in columns:
            kept = columns["kept", term]
            return np.array(self.space.dims[term.name])[kept] if term.kind == "factor" else kept
        if term.kind == "cost":
            return columns["total", term.name]
        return self.figure(term.name, columns, stage)

    def figure(self, name: str, columns: Columns, stage: int) -> np.ndarray:
        """Return a figure by node."""
        space = self.space
        per_axis = [graph.figures(stage, columns["axis", a]) for a, graph in enumerate(self.axes)]
        if space.branching:
            return union_figure(per_axis, name, space.axes)
        whole = max(self.compiled.extents) ** len(space.axes) < 2**63
        return chain_figure(per_axis, name, space.axes, np.int64 if whole else np.float64)

    def figures_of(self, digits: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return all figures of architectures given by their choices; None where the nodes tell them."""
        if self.axes is self.compiled.axes:
            return None
        if self.space.reads_pairs:
            from rfscale.sweeps.states.cells.along import figures_along as figures_of_pairs

            found = figures_of_pairs(self.space, self.compiled.programs, digits)
        else:
            from rfscale.sweeps.states.unions import figures_along

            found = figures_along(self.compiled.programs, digits, len(self.space.axes))
        return {name: union_figure([found], name, self.space.axes) for name in self.figure_names()}

    def costs_of(self, index: Sequence[int]) -> dict[str, np.ndarray] | None:
        """Return the costs of architectures; None where the nodes of their graph tell them."""
        if not self.space.folded or self.space.channels is None:
            return None
        from rfscale.sweeps.states.cells.costs import costs_along

        found = costs_along(CostRules.of(self.space), (self.space.wirings(i) for i in index))
        return {name: found[name] for name in self.compiled.costs.weights}

    def digits(self, paths: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the choices of architectures, stage by stage: an int array (architectures, stages).

        A path is its edges, and then, for each stage whose edges stand for several choices, which one it is.
        """
        n = len(self.follow)
        edges = np.array([path[:n] for path in paths], np.int64).reshape(len(paths), n)
        stages = [i for i, times in enumerate(self.times) if times is not None]
        if not stages:
            return edges
        nodes = np.zeros((len(paths), n), np.int64)
        at = np.zeros(len(paths), np.int64)
        for stage, follow in enumerate(self.follow):
            nodes[:, stage] = self.columns[stage]["axis", 0][at]
            at = follow[at, edges[:, stage]]
        numbers = [dict(zip(stages, path[n:], strict=False)) for path in paths]
        pairs = [[(e, numbers[i].get(s, 0)) for s, e in enumerate(row)] for i, row in enumerate(edges.tolist())]
        graph: Any = self.axes[0]
        return np.array(graph.choices(pairs, nodes.tolist()), np.int64)

    def weights(self, name: str, until: int) -> list[np.ndarray]:
        """Return a cost by node and choice of every stage, 0 after stage `until`."""
        none = (np.zeros(follow.shape, np.int64) for follow in self.follow[until + 1 :])
        return [*(self._weights(name, i, self.columns[i]) for i in range(min(until + 1, len(self.follow)))), *none]

    def _weights(self, name: str, stage: int, before: Columns) -> np.ndarray:
        """Return a cost of a stage by node and choice."""
        own = self.compiled.costs.weights[name][stage][before["cost"]]
        more = None if self._priced is None else self._priced.weights[name][stage]
        if more is not None:
            return own + more[before["axis", 0]]
        shape = len(own), self._choices(stage)
        return own if own.shape == shape else np.ascontiguousarray(np.broadcast_to(own, shape))

    def figure_names(self) -> list[str]:
        """Return the names of the figures of one node, per axis where axes differ."""
        return figures_of_answers(self.space.branching, () if self.space.square else self.space.axes)


class NothingLeftError(Exception):
    """Conditions that no architecture satisfies; holds the stage where the last one was cut, if there are stages."""

    def __init__(self, stage: int | None) -> None:
        super().__init__(stage)
        self.stage = stage


def _distinct(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return distinct_columns(columns, ANSWERS.of(paths.renumber, len(columns[0])))
