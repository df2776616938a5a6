"""What the questions about a space share: their texts read, their graph, bounds on costs, values, and attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.sweeps.answers.expressions import MAX_WHOLE, Expression, ExpressionParser, Term
from rfscale.sweeps.answers.graph import NothingLeftError, QuestionGraph
from rfscale.sweeps.answers.path_search import Limit
from rfscale.sweeps.spaces.index import Labelled
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.provenance import attributes
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.states.cost_needs import CostNeeds

MAX_ROWS = 10_000_000  # of an answer

Where = str | Mapping[str, Any] | Sequence[Any] | None


class Goal(NamedTuple):
    """An objective: costs that enter as a sum with constant factors, and the rest, a value of the end node."""

    expression: Expression
    costs: dict[Term, float | int]
    rest: ast.expr

    @property
    def terms(self) -> list[Term]:
        """What the end node must tell."""
        return [t for t in self.expression.terms if t not in self.costs]


def expression_parser(space: Space) -> ExpressionParser:
    """Return what reads the texts of a question; an `InputError` for what is no space."""
    if not isinstance(space, Space):
        raise InputError(f"space is {shown(space)}; it must be an rf.Space or an rf.NetworkSpace")
    return ExpressionParser(space)


def read_goal(parser: ExpressionParser, text: str) -> Goal:
    """Return the objective of a text."""
    expression = parser.parse(text, "objective")
    costs, rest = expression.linear() or ({}, expression.node)
    return Goal(expression, costs, rest)


def question_graph(
    space: Space,
    where: Where,
    keep: Iterable[Term],
    conditions: Sequence[Expression],
    with_costs: bool,
    memory: int,
    figures: Iterable[str] = (),
    needs: CostNeeds | None = None,
) -> QuestionGraph:
    """Return the graph of a question; an `InputError` where no architecture satisfies its conditions."""
    try:
        return QuestionGraph(space, keep, conditions, with_costs, memory, figures, needs)
    except NothingLeftError as end:
        raise nothing_satisfies(space, where, end.stage) from None


def nothing_satisfies(space: Labelled, where: Where, stage: int | None = None) -> InputError:
    """Return the error of conditions that no architecture satisfies; `stage` is where the last one was cut."""
    at = (
        "" if stage is None or not isinstance(space, Space) else f": none is left at stage {space.stages[stage].name!r}"
    )
    return InputError(f"no architecture of space {space.name!r} satisfies where={shown(where)}{at}; loosen it")


def split_bounds(conditions: Sequence[Expression]) -> tuple[list[Expression], list[Expression]]:
    """Return the conditions that bound one cost by numbers, and the others."""
    bounds = [c for c in conditions if c.bounds()]
    return bounds, [c for c in conditions if c not in bounds]


def cost_limits(graph: QuestionGraph, bounds: Sequence[Expression]) -> list[Limit]:
    """Return bounds on costs as limits on sums along the paths of a graph."""
    found = [b for b in (condition.bounds() for condition in bounds) if b]
    return [Limit(graph.weights(term.name, term.stage), low, high) for term, low, high in found]


def end_values(graph: QuestionGraph, goal: Goal) -> np.ndarray:
    """Return the value of an objective without its additive costs, by end node."""
    n, text = len(next(iter(graph.columns[-1].values()))), goal.expression.text
    names = {ast.unparse(x) for x in ast.walk(goal.rest) if isinstance(x, ast.Name | ast.Attribute)}
    terms = tuple(t for t in goal.expression.terms if t.label in names)
    values = np.array(
        np.broadcast_to(
            Expression(text, goal.rest, terms, tuple(t.label for t in terms), graph.space).value(graph.values), n
        )
    )
    if values.dtype.kind not in "biuf":
        raise InputError(f"objective {text!r} is text; it must be a number")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"objective {text!r} is no finite number for some architectures; exclude them by where")
    whole = values.dtype.kind != "f" and np.abs(values.astype(float)).max() < MAX_WHOLE
    return values.astype(np.int64 if whole else float)


def cost_needs(goals: Sequence[Goal], bounds: Sequence[Expression], k: int) -> CostNeeds | None:
    """Return what k best architectures need of costs: objectives and bounds, as sums that shall be small."""
    columns = [{term.name: factor for term, factor in goal.costs.items()} for goal in goals if goal.costs]
    limits = [limit for limit in (c.bounds() for c in bounds) if limit is not None]
    for term, low, high in limits:
        columns += [{term.name: sign} for sign, end in ((1, high), (-1, low)) if np.isfinite(end)]
    stages = [term.stage for goal in goals for term in goal.costs] + [term.stage for term, *_ in limits]
    return CostNeeds(tuple(sorted({name for c in columns for name in c})), columns, k, min(stages)) if columns else None


def cost_weights(graph: QuestionGraph, goal: Goal) -> list[np.ndarray]:
    """Return the additive costs of an objective by node and choice of every stage; floats where sums pass int64."""
    tables = [(factor, graph.weights(term.name, term.stage)) for term, factor in goal.costs.items()]
    if sum(abs(factor) * int(t.max()) for factor, table in tables for t in table) >= MAX_WHOLE:
        tables = [(float(factor), table) for factor, table in tables]
    return [np.sum([factor * table[i] for factor, table in tables], axis=0) for i in range(len(graph.follow))]


def answer_attributes(space: Space | NetworkSpace, call: str, where: Where, **more: Any) -> dict[str, Any]:
    """Return the attrs of an answer: where it comes from, its conditions, and what else the call gave."""
    return attributes(space, call, where=None if where is None else str(where), **more)
