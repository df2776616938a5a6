"""Constraints and objectives over figures, costs and factors, such as ``s2.extent >= 400 and density == 1``.

They are parsed by `ast` into a handful of node types and worked out over numpy arrays; nothing is ever evaluated as
Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

AXIS_FIGURES = ("pixels", "extent", "jump", "shared", "overlap")
WHOLE_FIGURES = ("area", "width", "density")
COSTS = ("params", "macs")
MAX_TEXT = 10_000  # characters
MAX_DEPTH = 100
MAX_WHOLE = 2.0**61  # whole numbers from here on are floats, before they pass int64
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True, order=True)
class Term:
    """A figure or cost at a stage, or a factor, which has a value from the stage on that introduces it."""

    stage: int
    name: str
    kind: str  # "figure", "cost" or "factor"
    label: str  # as the user wrote it


@dataclass(frozen=True)
class Expression:
    """A parsed expression and the terms it reads."""

    text: str
    node: ast.expr
    terms: tuple[Term, ...]
    space: Space

    def value(self, lookup: Callable[[Term], Any]) -> Any:
        """Return the value, given that of every term."""
        terms = {t.label: lookup(t) for t in self.terms}
        try:
            with np.errstate(all="ignore"):
                return _value(self.node, terms, self.text)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{shown(self.text)} mixes text and numbers, or grows too large") from None

    @property
    def costs(self) -> tuple[Term, ...]:
        """The terms that are costs."""
        return tuple(t for t in self.terms if t.kind == "cost")

    @property
    def stage(self) -> int:
        """The stage after which every term has its value."""
        return max((t.stage for t in self.terms), default=0)

    def linear(self) -> tuple[dict[Term, float | int], ast.expr] | None:
        """Return the constant factor of every cost and the rest; None if the expression is not linear in costs."""
        costs = {t.label: t for t in self.costs}
        parts: dict[Term, float | int] = {}
        rest = _take_linear(self.node, 1, costs, parts)
        return None if rest is None else (parts, rest)

    def bounds(self) -> tuple[Term, float, float] | None:
        """Return (cost, low, high) of a comparison of one cost with numbers, or None if this is none."""
        if not isinstance(self.node, ast.Compare) or len(self.terms) != 1 or not self.costs:
            return None
        low, high = -np.inf, np.inf
        sides = [self.node.left, *self.node.comparators]
        for left, op, right in zip(sides, self.node.ops, sides[1:], strict=False):
            number, flipped = _number(right), dotted_name(left) is None
            if flipped:
                number = _number(left)
            if number is None or dotted_name(right if flipped else left) is None:
                return None
            kind = type(op)
            if kind is ast.Eq:
                low, high = max(low, number), min(high, number)
            elif (kind in (ast.LtE, ast.Lt)) != flipped and kind in (ast.LtE, ast.Lt, ast.GtE, ast.Gt):
                high = min(high, number if kind in (ast.LtE, ast.GtE) else _ceil(number) - 1)
            elif kind in (ast.GtE, ast.Gt, ast.LtE, ast.Lt):
                low = max(low, number if kind in (ast.LtE, ast.GtE) else -_ceil(-number) + 1)
            else:
                return None
        return self.costs[0], low, high


def _ceil(number: float | int) -> float | int:
    """The ceiling; whole numbers stay exact, infinities are."""
    return number if isinstance(number, int) else float(np.ceil(number))


def _number(node: ast.expr) -> float | int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    return None


def _take_linear(
    node: ast.expr, sign: float | int, costs: Mapping[str, Term], parts: dict[Term, float | int]
) -> ast.expr | None:
    """Move costs with constant factors from an expression to `parts`; return the rest, None if others remain."""
    zero = ast.Constant(0)
    name = dotted_name(node)
    if name is not None and name in costs:
        parts[costs[name]] = parts.get(costs[name], 0) + sign
        return zero
    if not any(dotted_name(n) in costs for n in ast.walk(node)):
        return node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        rest = _take_linear(node.operand, -sign if isinstance(node.op, ast.USub) else sign, costs, parts)
        return None if rest is None else ast.UnaryOp(node.op, rest)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left = _take_linear(node.left, sign, costs, parts)
        right = _take_linear(node.right, -sign if isinstance(node.op, ast.Sub) else sign, costs, parts)
        return None if left is None or right is None else ast.BinOp(left, node.op, right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for factor, other in ((node.left, node.right), (node.right, node.left)):
            number = _number(factor)
            if number is not None:
                rest = _take_linear(other, sign * number, costs, parts)
                return None if rest is None else ast.BinOp(factor, ast.Mult(), rest)
    return None


def _deeper_than(node: ast.AST, limit: int) -> bool:
    """Whether an expression nests more than `limit` deep: it is worked out by recursion."""
    level: list[ast.AST] = [node]
    for _ in range(limit):
        level = [child for parent in level for child in ast.iter_child_nodes(parent) if isinstance(child, ast.expr)]
    return bool(level)


def dotted_name(node: ast.AST) -> str | None:
    """Return the dotted name of a node, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def _arithmetic(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Return a sum, product or power in whole numbers only where it fits int64: numpy would wrap without a word."""
    about = operation(np.asarray(left).astype(float), np.asarray(right).astype(float))
    fits = np.all(np.abs(about) < MAX_WHOLE) and not (operation is np.power and np.any(np.asarray(right) < 0))
    return operation(left, right) if fits else about


def _value(node: ast.expr, terms: Mapping[str, Any], text: str) -> Any:
    name = dotted_name(node)
    if name is not None:
        return terms[name]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BinOp):
        return _arithmetic(_BINARY[type(node.op)], _value(node.left, terms, text), _value(node.right, terms, text))
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, terms, text)
        return (
            np.logical_not(value)
            if isinstance(node.op, ast.Not)
            else -value
            if isinstance(node.op, ast.USub)
            else value
        )
    if isinstance(node, ast.BoolOp):
        values = [_value(v, terms, text) for v in node.values]
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return combine.reduce(np.broadcast_arrays(*values))
    assert isinstance(node, ast.Compare)
    sides: list[Any] = [
        _value(s, terms, text) if not isinstance(s, ast.List | ast.Tuple) else s for s in (node.left, *node.comparators)
    ]
    result: Any = True
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        if isinstance(op, ast.In | ast.NotIn):
            hit: Any = False
            for item in right.elts:
                hit = np.logical_or(hit, np.equal(left, _value(item, terms, text)))
            result = np.logical_and(result, hit if isinstance(op, ast.In) else np.logical_not(hit))
        else:
            result = np.logical_and(result, _COMPARE[type(op)](left, right))
    return result


class ExpressionParser:
    """Parses expressions over one space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        axes = [""] if space.square else [f"_{a}" for a in space.axes]
        self.figures = [*(f + a for f in AXIS_FIGURES for a in axes), *WHOLE_FIGURES]
        self.stages = [s.name for s in space.stages]

    def parse(self, text: object, what: str) -> Expression:
        """Return the expression of a text."""
        if isinstance(text, int | float) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
            raise InputError(f"{what} is {shown(text)}; it must be text such as 'extent' or 's2.extent >= 400'")
        return self._expression(self.tree(text, what), text, what)

    def where(self, where: object) -> list[Expression]:
        """Return the conditions of a `where`: text, a mapping of names to values or (low, high), or None."""
        if where is None:
            return []
        if isinstance(where, Mapping):
            return [self._expression(_range(k, v), f"{k}: {v}", "where") for k, v in self._every(where)]
        if isinstance(where, list | tuple):
            return [e for item in where for e in self.where(item)]
        if not isinstance(where, str) or not where.strip() or len(where) > MAX_TEXT:
            raise InputError(f"where is {shown(where)}; it must be text such as 's2.extent >= 400 and density == 1'")
        out = []
        for part in conjuncts(self.tree(where, "where")):
            if any((dotted_name(n) or "").startswith("every.") for n in ast.walk(part)):
                for stage in self.stages:
                    text = ast.unparse(StageRenamer(stage).visit(self.tree(ast.unparse(part), "where")))
                    out.append(self._expression(self.tree(text, "where"), text, "where"))
            else:
                out.append(self._expression(part, ast.unparse(part), "where"))
        for condition in out:
            if not isinstance(condition.node, ast.Compare | ast.BoolOp | ast.UnaryOp):
                raise InputError(
                    f"where has {shown(condition.text)}, which is no condition; compare it, as in 'extent >= 400'"
                )
        return out

    def _every(self, where: Mapping[Any, Any]) -> list[tuple[str, Any]]:
        out = []
        for key, value in where.items():
            if str(key).startswith("every."):
                out += [(f"{s}.{str(key)[6:]}", value) for s in self.stages]
            else:
                out.append((str(key), value))
        return out

    def tree(self, text: str, what: str) -> ast.expr:
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InputError(
                f"{what} is {shown(text)}, which cannot be read; write for example 's2.extent >= 400'"
            ) from None
        if _deeper_than(tree, MAX_DEPTH):
            raise InputError(f"{what} is {shown(text)}, which is nested more than {MAX_DEPTH} deep; write it shorter")
        return tree

    def _expression(self, node: ast.expr, text: str, what: str) -> Expression:
        terms: dict[str, Term] = {}
        self._check(node, text, what, terms)
        return Expression(text, node, tuple(terms.values()), self.space)

    def _check(self, node: ast.AST, text: str, what: str, terms: dict[str, Term]) -> None:
        name = dotted_name(node)
        if name is not None:
            terms[name] = self.term(name, what)
            return
        allowed = (
            (isinstance(node, ast.BinOp) and type(node.op) in _BINARY)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd))
            or isinstance(node, ast.BoolOp)
            or (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str))
        )
        if isinstance(node, ast.Compare):
            for op, right in zip(node.ops, node.comparators, strict=True):
                is_list = isinstance(right, ast.List | ast.Tuple)
                allowed = type(op) in _COMPARE if not is_list else isinstance(op, ast.In | ast.NotIn)
                if not allowed:
                    break
        if isinstance(node, ast.List | ast.Tuple):
            allowed = all(isinstance(e, ast.Constant) or _number(e) is not None for e in node.elts)
        if not allowed:
            raise InputError(
                f"{what} has {shown(ast.unparse(node))}; only names, numbers, + - * / // % **, comparisons, "
                "and, or, not and in are read"
            )
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._check(child, text, what, terms)

    def term(self, label: str, what: str) -> Term:
        """Return the term of a name: a figure or cost, alone or as stage.name, or a factor."""
        stage_name, _, name = label.rpartition(".")
        if not stage_name and name in self.space.dims:
            stage = next(i for i, new in enumerate(self.space.introduced) if name in new)
            return Term(stage, name, "factor", label)
        stage = self.space.stage_index(stage_name) if stage_name else len(self.stages) - 1
        if name in COSTS:
            if self.space.channels is None or (name == "macs" and self.space.input_size is None):
                needs = "channels" if self.space.channels is None else "an input_size"
                raise InputError(
                    f"{what} asks for {name}, but space {self.space.name!r} has no {needs.split()[-1]}; add {needs}"
                )
            return Term(stage, name, "cost", label)
        if name in self.figures:
            return Term(stage, name, "figure", label)
        if name in AXIS_FIGURES:
            axes = " or ".join(f"{name}_{a}" for a in self.space.axes)
            raise InputError(f"{what} asks for {label!r}, but the axes of this space differ; write {axes}")
        known = [*self.figures, *COSTS, *self.space.dims]
        raise InputError(f"{what} names {label!r}, which is no figure, cost or factor; {nearest(name, known)}")


class StageRenamer(ast.NodeTransformer):
    """Puts a stage's name in the place of `every`."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.stage, node.ctx) if node.id == "every" else node


def conjuncts(node: ast.expr) -> list[ast.expr]:
    """Return the conditions that must all hold: those between commas and `and`."""
    parts = node.elts if isinstance(node, ast.Tuple) else []
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        parts = node.values
    return [c for part in parts for c in conjuncts(part)] if parts else [node]


def _range(name: str, value: Any) -> ast.expr:
    """Return the condition of one entry of a mapping: equal to a value, or within (low, high), None being open."""
    try:
        left = ast.parse(name, mode="eval").body
    except (SyntaxError, ValueError):
        raise InputError(f"where names {shown(name)}; it must be a name such as 's2.extent'") from None
    if dotted_name(left) is None:
        raise InputError(f"where names {shown(name)}; it must be a name such as 's2.extent'")
    if isinstance(value, tuple | list):
        if len(value) != 2 or any(not isinstance(v, int | float | type(None)) for v in value):
            raise InputError(f"where[{name!r}] is {shown(value)}; give a value, or (low, high) with None for open")
        low, high = value
        ops: list[ast.cmpop] = [ast.GtE()] if low is not None else []
        limits: list[ast.expr] = [ast.Constant(low)] if low is not None else []
        parts: list[ast.expr] = [ast.Compare(left, ops, limits)] if ops else []
        if high is not None:
            parts.append(ast.Compare(left, [ast.LtE()], [ast.Constant(high)]))
        if low is not None and high is not None:
            return ast.Compare(ast.Constant(low), [ast.LtE(), ast.LtE()], [left, ast.Constant(high)])
        return parts[0] if parts else ast.Compare(left, [ast.Eq()], [left])
    if not isinstance(value, int | float | str):
        raise InputError(f"where[{name!r}] is {shown(value)}; give a value, or (low, high) with None for open")
    return ast.Compare(left, [ast.Eq()], [ast.Constant(value)])
