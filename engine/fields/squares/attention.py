"""Attention: values averaged by a softmax of scores, and the queries and keys that the scores are products of.

Shares, values, queries and keys are taken for independent; of the shares the mean and the mean square count, which
follow from those of normal scores. docs/theory.md, section 13.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from rfscale.engine.fields.squares.moments import AllMoments, Moments, moment_rule
from rfscale.engine.fields.squares.recorded import Node, Ref
from rfscale.engine.fields.squares.way import Given, WayBack, rule, unknown
from rfscale.engine.fields.squares.window import Window

ATTENTION = "scores of attention are normal; its shares, values, queries and keys are independent"
SOFTMAX = ("_softmax", "_safe_softmax", "softmax")
PRODUCTS = ("bmm", "matmul", "mm", "baddbmm")
DRAWS = 32  # of the scores of a softmax
MOST_SPREAD = 5.0  # of scores: up to here a DeiT with larger queries and keys is within 0.995 of the measured field
_MOVES = frozenset(
    "expand view _unsafe_view reshape clone contiguous alias _to_copy to native_dropout dropout unsqueeze squeeze "
    "_reshape_alias".split()
)
_SCALES = frozenset("add sub mul div".split())  # with a constant: a scale, a bias of positions, a mask


def attended(way: WayBack, node: Node, out: Window, a: Ref, b: Ref) -> Given:
    """Yield what both factors get of a product of shares with values, or of queries with keys."""
    if id(node) in way.scores:
        yield from _scores(way, node, out, a, b)
        return
    first, second = _softmax_over(way.nodes, a, turned=False), _softmax_over(way.nodes, b, turned=True)
    made, is_first = first or second, first is not None
    if made is None:
        raise unknown(node, "both its factors depend on the image")
    way.shares.add(id(made))
    way.assumed[ATTENTION] = None
    values, shares, of = way.whole(node, out), a if is_first else b, b if is_first else a
    if way.power == 1:
        square, about = _drawn_shares(way, made, shares, not is_first, values.dtype), way.drawn(node, of, values.dtype)
    else:
        square, known = way.known(node, shares).full(shares.shape).square, way.known(node, of).full(of.shape)
        keys = -2 if is_first else -1
        about = known.variance + (known.mean - known.mean.mean(keys, keepdim=True)).square()  # shares sum to 1
    for ref, factor in ((of, square), (shares, about)):
        turned = factor.transpose(-1, -2).to(values.dtype)
        back = turned @ values if (ref is b) else values @ turned
        yield ref, Window.whole(back.reshape(ref.shape), out.exponent)


@rule(*SOFTMAX)
def softmax(way: WayBack, node: Node, out: Window, output: int) -> Given:
    """Shares of attention: each score gets what its share got, times the mean square of the share."""
    ref = node.args[0]
    if id(node) not in way.shares:
        raise unknown(node, "its slope depends on the values of the image in a way that weights do not say")
    product, _ = _made_by(way.nodes, ref, _MOVES | _SCALES, PRODUCTS)
    if product is not None and product.outputs[0][-1] == ref.shape[-1]:
        way.scores.add(id(product))
    scores = way.known(node, ref, masked=True).full(ref.shape)
    spread = float(scores.variance.mean().sqrt())
    if spread > MOST_SPREAD:
        raise unknown(node, f"its scores spread by {spread:.2g}, and above {MOST_SPREAD:g} its slope is mere guesswork")
    values = way.whole(node, out)
    if way.power == 1:
        dim = node.args[1]
        shares = _drawn_shares(way, node, Ref(0, 0, node.outputs[0]), False, values.dtype)
        yield ref, Window.whole(shares * (values - (shares * values).sum(dim, keepdim=True)), out.exponent)
        return
    steep = _shares(scores, node.args[1]).slope
    yield ref, Window.whole(values * steep.to(values.dtype), out.exponent)


def _drawn_shares(way: WayBack, made: Node, shares: Ref, turned: bool, dtype: Any) -> Any:
    """The shares that a softmax makes of scores that are drawn, the same ones through a whole pass."""
    assert way.chance is not None
    if id(made) not in way.chance.shares:
        scores = way.drawn(made, made.args[0], dtype, masked=True)
        way.chance.shares[id(made)] = torch.softmax(scores, made.args[1]).nan_to_num(0.0)
    found, (*rest, n, m) = way.chance.shares[id(made)], shares.shape
    return found.reshape(*rest, m, n).transpose(-1, -2) if turned else found.reshape(shares.shape)


def _scores(way: WayBack, node: Node, out: Window, queries: Ref, keys: Ref) -> Given:
    """What queries and keys get of their products; what all keys have in common moves no share."""
    values = way.whole(node, out)
    if way.power == 1:
        q, k = (way.drawn(node, ref, values.dtype).transpose(-1, -2) for ref in (queries, keys))
        yield queries, Window.whole((values @ k).reshape(queries.shape), out.exponent)
        yield keys, Window.whole((q @ values).reshape(keys.shape), out.exponent)
        return
    q, k = way.known(node, queries).full(queries.shape), way.known(node, keys).full(keys.shape)
    about = k.variance + (k.mean - k.mean.mean(-1, keepdim=True)).square()
    back = values @ about.transpose(-1, -2).to(values.dtype)
    yield queries, Window.whole(back.reshape(queries.shape), out.exponent)
    back = q.square.transpose(-1, -2).to(values.dtype) @ values
    yield keys, Window.whole(back.reshape(keys.shape), out.exponent)


def _softmax_over(nodes: list[Node], ref: Ref, turned: bool) -> Node | None:
    """The softmax that a factor of a product is, if its shares sum to 1 over what the product sums over."""
    made, turns = _made_by(nodes, ref, _MOVES | {"transpose"}, SOFTMAX)
    if made is None or turns != turned:
        return None
    shape, dim = made.outputs[0], made.args[1] % len(made.outputs[0])
    return made if dim == len(shape) - 1 and ref.shape[-2 if turned else -1] == shape[-1] else None


def _made_by(nodes: list[Node], ref: Ref, through: frozenset[str], names: tuple[str, ...]) -> tuple[Node | None, int]:
    """The operator of some names that a tensor comes from, through others of one tensor each; how often turned."""
    turns = 0
    while ref.node >= 0:
        node = nodes[ref.node]
        if node.name in names:
            return node, turns
        if node.name not in through or len(node.refs()) != 1:
            break
        if node.name == "transpose":
            rank = len(ref.shape)
            turns += 1 if {d % rank for d in node.args[1:3]} == {rank - 2, rank - 1} else 2
        (ref,) = node.refs()
    return None, 0


class _Shares(NamedTuple):
    """Averages of shares over normal scores: mean, mean square, and mean square of the slope for values of spread 1."""

    mean: Any
    square: Any
    slope: Any


def _shares(scores: Moments, dim: int) -> _Shares:
    """Averages of a softmax over draws of its scores, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    totals = [torch.zeros_like(scores.mean) for _ in _Shares._fields]
    spread = scores.variance.sqrt()
    for _ in range(DRAWS):
        normal = torch.randn(scores.mean.shape, generator=generator)
        share = torch.softmax(scores.mean + spread * normal, dim).nan_to_num(0.0)  # a row that a mask hides is 0
        square = share.square()
        others = square.sum(dim, keepdim=True) - square
        for total, value in zip(totals, (share, square, square * ((1 - share).square() + others)), strict=True):
            total += value / DRAWS
    return _Shares(*totals)


@moment_rule(*SOFTMAX)
def _softmax(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    found = _shares(given[0].full(node.args[0].shape), node.args[1])
    return Moments(found.mean, (found.square - found.mean.square()).clamp_min(0))


@moment_rule("bmm", "matmul")
def _product(_all: AllMoments, node: Node, given: list[Moments]) -> Moments | None:
    if len(given) < 2:
        return None
    a, b = (m.full(r.shape) for m, r in zip(given, node.args, strict=True))
    variance = a.variance @ b.variance + a.variance @ b.mean.square() + a.mean.square() @ b.variance
    return Moments(a.mean @ b.mean, variance).plain()
