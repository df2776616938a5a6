"""What the questions about a space share: reading of conditions, limits, attributes of answers."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.sweeps.answers.expressions import WHOLE, Expression, ExpressionParser, Term
from rfscale.sweeps.answers.graph import NothingLeftError, Product
from rfscale.sweeps.spaces.space import Space

MAX_ROWS = 10_000_000  # of an answer


Where = str | Mapping[str, Any] | Sequence[Any] | None


Path = tuple[int, ...]  # the choice at every stage


# shared
# ------------------------------------------------------------------------------------------------------------------


def _reader(space: Space) -> ExpressionParser:
    if not isinstance(space, Space):
        raise InputError(f"space is {shown(space)}; counts, best, pareto and samples need an rf.Space")
    return ExpressionParser(space)


def _nothing(space: Space, where: Where, end: NothingLeftError | None) -> InputError:
    at = f": none is left at stage {space.stages[end.stage].name!r}" if end else ""
    return InputError(f"no architecture of space {space.name!r} satisfies where={shown(where)}{at}; loosen it")


def _end_values(product: Product, goal: Expression, node: ast.expr) -> np.ndarray:
    """Return an expression's value (or that of its part without additive costs) by end node."""
    n = len(next(iter(product.columns[-1].values())))
    names = {ast.unparse(x) for x in ast.walk(node) if isinstance(x, ast.Name | ast.Attribute)}
    rest = Expression(goal.text, node, tuple(t for t in goal.terms if t.label in names), product.space)
    values = np.array(np.broadcast_to(rest.value(product.values), n))
    if values.dtype.kind not in "biuf":
        raise InputError(f"objective {goal.text!r} is text; it must be a number")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"objective {goal.text!r} is no finite number for some architectures; exclude them by where")
    whole = values.dtype.kind != "f" and np.abs(values.astype(float)).max() < WHOLE
    return values.astype(np.int64 if whole else float)


def _weights(product: Product, parts: Mapping[Term, float | int]) -> list[np.ndarray]:
    """Return the weighted sum of some costs by node and choice of every stage; floats where sums would pass int64."""
    tables = [(factor, product.weights(term.name, term.stage)) for term, factor in parts.items()]
    if sum(abs(factor) * int(t.max()) for factor, table in tables for t in table) >= WHOLE:
        tables = [(float(factor), table) for factor, table in tables]
    return [sum(factor * table[i] for factor, table in tables) for i in range(len(product.follow))]  # type: ignore[misc]


def _attributes(space: Space, call: str, where: Where, **more: Any) -> dict[str, Any]:
    from rfscale.sweeps.spaces.provenance import attributes

    said: Iterable[tuple[str, Any]] = more.items()
    return {**attributes(space, call), **({} if where is None else {"where": str(where)}), **dict(said)}
