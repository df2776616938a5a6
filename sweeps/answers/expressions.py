"""Constraints and objectives over figures, costs and factors, such as ``s2.extent >= 400 and density == 1``.

They are parsed by `ast` into a handful of node types and worked out over numpy arrays; nothing is ever evaluated as
Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.sweeps.variables import figures_of_answers

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

COSTS = ("params", "macs")
MAX_TEXT = 10_000  # characters
MAX_DEPTH = 100
MAX_SUMMANDS = 1000  # of one sum: more than `ast` reads
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
    """A parsed expression, the terms it reads, and what the expression calls each of them."""

    text: str
    node: ast.expr
    terms: tuple[Term, ...]
    written: tuple[str, ...]
    space: Space

    def value(self, lookup: Callable[[Term], Any]) -> Any:
        """Return the value, given that of every term."""
        terms = dict(zip(self.written, map(lookup, self.terms), strict=True))
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
        costs = {name: t for name, t in zip(self.written, self.terms, strict=True) if t.kind == "cost"}
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
    first, summands = _sum(node)
    if summands:
        total = _take_linear(first, sign, costs, parts)
        for op, summand in summands:
            right = _take_linear(summand, -sign if isinstance(op, ast.Sub) else sign, costs, parts)
            if total is None or right is None:
                return None
            total = ast.BinOp(total, op, right)
        return total
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for factor, other in ((node.left, node.right), (node.right, node.left)):
            number = _number(factor)
            if number is not None:
                rest = _take_linear(other, sign * number, costs, parts)
                return None if rest is None else ast.BinOp(factor, ast.Mult(), rest)
    return None


def _deeper_than(node: ast.expr, limit: int) -> bool:
    """Whether an expression nests more than `limit` deep: it is worked out by recursion."""
    level = [node]
    for _ in range(limit):
        level = [child for parent in level for child in _operands(parent)]
    return bool(level)


def _sum(node: ast.expr) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """The first summand of a + b - c ... and the others with their signs: a sum nests deeper with every summand."""
    summands: list[tuple[ast.operator, ast.expr]] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        summands.append((node.op, node.right))
        node = node.left
    return node, summands[::-1]


def _operands(node: ast.expr) -> list[ast.expr]:
    """What an expression is made of: all summands of a sum."""
    first, summands = _sum(node)
    children = [first, *(s for _, s in summands)] if summands else ast.iter_child_nodes(node)
    return [child for child in children if isinstance(child, ast.expr)]


def text_of(node: ast.expr) -> str:
    """Return an expression as text, for a message."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return f"a sum such as {ast.unparse(_operands(node)[-1])} + ..."


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
    first, summands = _sum(node)
    if summands:
        total = _value(first, terms, text)
        for op, summand in summands:
            total = _arithmetic(_BINARY[type(op)], total, _value(summand, terms, text))
        return total
    if isinstance(node, ast.BinOp):
        return _arithmetic(_BINARY[type(node.op)], _value(node.left, terms, text), _value(node.right, terms, text))
    if isinstance(node, ast.UnaryOp):
        sign: Any = {ast.Not: np.logical_not, ast.USub: operator.neg}.get(type(node.op), operator.pos)
        return sign(_value(node.operand, terms, text))
    if isinstance(node, ast.BoolOp):
        values = [_value(v, terms, text) for v in node.values]
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return combine.reduce(np.broadcast_arrays(*values))
    assert isinstance(node, ast.Compare)
    sides: list[Any] = [
        _value(s, terms, text) if not isinstance(s, ast.List | ast.Tuple) else s for s in (node.left, *node.comparators)
    ]
    result: Any = True
    for left, relation, right in zip(sides, node.ops, sides[1:], strict=False):
        if isinstance(relation, ast.In | ast.NotIn):
            hit: Any = False
            for item in right.elts:
                hit = np.logical_or(hit, np.equal(left, _value(item, terms, text)))
            result = np.logical_and(result, hit if isinstance(relation, ast.In) else np.logical_not(hit))
        else:
            result = np.logical_and(result, _COMPARE[type(relation)](left, right))
    return result


class ExpressionParser:
    """Parses expressions over one space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.figures = figures_of_answers(space.branching, () if space.square else space.axes)
        self.stages = [s.name for s in space.stages]

    def parse(self, text: object, what: str) -> Expression:
        """Return the expression of a text."""
        if isinstance(text, int | float) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str) or not text.strip():
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
        if not isinstance(where, str) or not where.strip():
            raise InputError(f"where is {shown(where)}; it must be text such as 's2.extent >= 400 and density == 1'")
        return self.conditions(conjuncts(self.tree(where, "where")))

    def conditions(self, parts: Sequence[ast.expr], chosen: str | None = None) -> list[Expression]:
        """Return the conditions that are parsed already; `every.` is each stage, or with `chosen.` the chosen one."""
        out = []
        for part in parts:
            of_every = any((dotted_name(n) or "").startswith("every.") for n in ast.walk(part))
            for stage in [chosen] if chosen or not of_every else self.stages:
                names = {"every.": f"{stage}.", **({"chosen.": f"{stage}."} if chosen else {})} if stage else {}
                out.append(self._expression(part, text_of(part), "where", names))
        for condition in out:
            if not isinstance(condition.node, ast.Compare | ast.BoolOp | ast.UnaryOp):
                raise InputError(
                    f"where has {shown(condition.text)}, which is no condition; compare it, as in 'extent >= 400'"
                )
        return out

    def _every(self, where: Mapping[Any, Any]) -> list[tuple[str, Any]]:
        pairs = [(str(key), value) for key, value in where.items()]
        every = [f"{stage}." for stage in self.stages]
        return [
            (s + k.removeprefix("every."), v) for k, v in pairs for s in (every if k.startswith("every.") else [""])
        ]

    def tree(self, text: str, what: str) -> ast.expr:
        if len(text) > MAX_TEXT:
            raise InputError(f"{what} is {shown(text)} of {len(text)} characters; at most {MAX_TEXT} are read")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InputError(
                f"{what} is {shown(text)}, which cannot be read; write for example 's2.extent >= 400'"
            ) from None
        if _deeper_than(tree, MAX_DEPTH):
            raise InputError(f"{what} is {shown(text)}, which is nested more than {MAX_DEPTH} deep; write it shorter")
        if any(len(_sum(n)[1]) >= MAX_SUMMANDS for n in ast.walk(tree) if isinstance(n, ast.expr)):
            raise InputError(f"{what} is {shown(text)}, a sum of more than {MAX_SUMMANDS} terms; write it shorter")
        return tree

    def _expression(self, node: ast.expr, text: str, what: str, names: Mapping[str, str] | None = None) -> Expression:
        """Return an expression; `names` are beginnings of names, and what each stands for."""
        found: dict[str, Term] = {}
        self._check(node, what, found, names or {})
        for word, stage in (names or {}).items():
            text = text.replace(word, stage)
        return Expression(text, node, tuple(found.values()), tuple(found), self.space)

    def _check(self, node: ast.expr, what: str, found: dict[str, Term], names: Mapping[str, str]) -> None:
        name = dotted_name(node)
        if name is not None:
            word = name.partition(".")[0] + "."
            found[name] = self.term(names.get(word, word) + name[len(word) :] if "." in name else name, what)
            return
        allowed = (
            (isinstance(node, ast.BinOp) and type(node.op) in _BINARY)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd))
            or isinstance(node, ast.BoolOp)
            or (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str))
        )
        if isinstance(node, ast.Compare):
            lists = [isinstance(right, ast.List | ast.Tuple) for right in node.comparators]
            pairs = zip(node.ops, lists, strict=True)
            allowed = all(isinstance(op, ast.In | ast.NotIn) if many else type(op) in _COMPARE for op, many in pairs)
        if isinstance(node, ast.List | ast.Tuple):
            allowed = all(isinstance(e, ast.Constant) or _number(e) is not None for e in node.elts)
        if not allowed:
            raise InputError(
                f"{what} has {shown(text_of(node))}; only names, numbers, + - * / // % **, comparisons, "
                "and, or, not and in are read"
            )
        for child in _operands(node):
            self._check(child, what, found, names)

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
        if f"{name}_{self.space.axes[0]}" in self.figures:
            axes = " or ".join(f"{name}_{a}" for a in self.space.axes)
            raise InputError(f"{what} asks for {label!r}, but the axes of this space differ; write {axes}")
        known = [*self.figures, *COSTS, *self.space.dims]
        raise InputError(f"{what} names {label!r}, which is no figure, cost or factor; {nearest(name, known)}")


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
        left = None
    if left is None or dotted_name(left) is None:
        raise InputError(f"where names {shown(name)}; it must be a name such as 's2.extent'")
    wrong = InputError(f"where[{name!r}] is {shown(value)}; give a value, or (low, high) with None for open")
    if isinstance(value, tuple | list):
        if len(value) != 2 or any(not isinstance(v, int | float | type(None)) for v in value):
            raise wrong
        low, high = value
        if low is not None and high is not None:
            return ast.Compare(ast.Constant(low), [ast.LtE(), ast.LtE()], [left, ast.Constant(high)])
        op = ast.GtE() if low is not None else ast.LtE() if high is not None else ast.Eq()
        limit = left if low is None and high is None else ast.Constant(high if low is None else low)
        return ast.Compare(left, [op], [limit])
    if not isinstance(value, int | float | str):
        raise wrong
    return ast.Compare(left, [ast.Eq()], [ast.Constant(value)])
