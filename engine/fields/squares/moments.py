"""Mean and variance of each channel, from the weights: what nonlinearities get, where no image says it.

The image is standard normal, as normalized images are; a batch norm's output has the mean and spread of its bias and
weight; values are independent between taps and channels. One value for each channel stands for a whole map: borders
are left aside.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch

from rfscale.engine.fields.squares.pointwise import functional
from rfscale.engine.fields.squares.recorded import Node, Ref, leaves, replaced
from rfscale.engine.fields.squares.slopes import average_of, largest_of


class Moments(NamedTuple):
    """Mean and variance of the values of a tensor, with a 1 for each dim along which all are alike."""

    mean: Any
    variance: Any

    def full(self, shape: tuple[int, ...]) -> Moments:
        """The same for each value of a tensor."""
        return Moments(self.mean.expand(shape), self.variance.expand(shape))

    def plain(self) -> Moments:
        """The same, with a 1 for each dim along which all are alike."""
        mean, variance = self
        for dim in range(mean.dim()):
            one = (mean.narrow(dim, 0, 1), variance.narrow(dim, 0, 1)) if mean.shape[dim] > 1 else None
            if one is not None and bool((mean == one[0]).all()) and bool((variance == one[1]).all()):
                mean, variance = one
        return Moments(mean, variance)

    def halves(self, dim: int) -> tuple[Moments, Moments]:
        """The two halves along a dim."""
        parts = [v.chunk(2, dim) for v in self]
        return Moments(*(p[0] for p in parts)), Moments(*(p[1] for p in parts))

    @property
    def square(self) -> Any:
        """The mean square."""
        return self.mean.square() + self.variance

    def narrow(self) -> Moments:
        """The same for a map: one value for each channel, which is that of its middle."""
        if self.mean.dim() < 3:
            return self
        at = (slice(None), slice(None), *(slice(n // 2, n // 2 + 1) for n in self.mean.shape[2:]))
        return Moments(self.mean[at], self.variance[at])


Rule = Callable[["AllMoments", Node, list[Moments]], Moments | None]
_RULES: dict[str, Rule] = {}
_SAME = frozenset(
    """clone contiguous alias _to_copy to native_dropout dropout lift_fresh constant_pad_nd pad reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d roll flip""".split()
)  # the same where all are alike along the dims that change; else they are moved as values are
_FROM_OTHERS = frozenset("roll flip".split())  # of these, those that give each value the one of another place
_TURNS = frozenset("permute transpose t movedim swapaxes".split())  # of which the arguments say nothing of sizes
_VIEWS = frozenset(
    """view _unsafe_view reshape flatten unsqueeze squeeze slice select split chunk unbind narrow
    pixel_shuffle pixel_unshuffle channel_shuffle expand _reshape_alias split_with_sizes""".split()
)
MOST_STEPS = 64  # from a factor of a product back, value by value
MOST_VALUES = 1 << 26  # of a tensor whose moments are worked out one by one


def moment_rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule of mean and variance under the names of its operators."""

    def enter(found: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, found))
        return found

    return enter


class AllMoments:
    """Moments of the tensors of one forward, each worked out when it is first asked for.

    Parameters
    ----------
    nodes : list of Node
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self._known: dict[tuple[int, int], Moments | None] = {}

    def of(self, ref: Ref) -> Moments | None:
        """The moments of a tensor; None where an operator before it has no rule here."""
        asked = [ref]
        while asked:  # a stack of its own: networks are deeper than Python's
            at = asked[-1]
            key = (at.node, at.output)
            if key in self._known:
                asked.pop()
                continue
            sources = [] if at.node < 0 else self._sources(self.nodes[at.node])
            lacking = [s for s in sources if (s.node, s.output) not in self._known]
            if lacking:
                asked += lacking
                continue
            self._known[key] = self._found(at)
            asked.pop()
        return self._known[(ref.node, ref.output)]

    def _sources(self, node: Node) -> list[Ref]:
        return [] if _scale_of(node) is not None else node.refs()

    def _found(self, ref: Ref) -> Moments | None:
        if ref.node == -1:
            zero = torch.zeros((1, ref.shape[1], *(1 for _ in ref.shape[2:])))
            return Moments(zero, zero + 1)
        if ref.node < 0:
            return None
        node = self.nodes[ref.node]
        norm = _scale_of(node)
        if norm is not None:
            return Moments(*(v.reshape(1, -1, *(1 for _ in ref.shape[2:])).float() for v in norm))
        given = [self._known[(s.node, s.output)] for s in node.refs()]
        known = [m for m in given if m is not None]
        if len(known) < len(given) or max((m.mean.numel() for m in known), default=0) > MOST_VALUES:
            return None
        try:
            moved = _moved(node, ref, known)
        except (RuntimeError, ValueError, IndexError, TypeError):  # arguments of a form that has no rule
            return None
        if moved is not None or ref.output:
            return moved
        rule = _RULES.get(node.name)
        if rule is None and len(known) == 1 and is_on_values(node):
            rule = _nonlinear
        try:
            return None if rule is None else rule(self, node, known)
        except (RuntimeError, ValueError, IndexError, TypeError):  # arguments of a form that has no rule
            return None


def independent(nodes: list[Node], first: Ref, second: Ref) -> bool:
    """Whether two tensors are no functions, value by value, of one and the same: x · sigmoid(x) is not a gate."""
    return not (_value_by_value(nodes, first) & _value_by_value(nodes, second))


def _value_by_value(nodes: list[Node], ref: Ref) -> set[tuple[int, int]]:
    """A tensor, and those that it is a function of value by value."""
    found: set[tuple[int, int]] = set()
    waiting = [ref]
    while waiting and len(found) < MOST_STEPS:
        at = waiting.pop()
        if (at.node, at.output) in found:
            continue
        found.add((at.node, at.output))
        if at.node >= 0 and is_value_by_value(nodes[at.node]):
            waiting += [r for r in nodes[at.node].refs() if r.shape == at.shape]
    return found


def is_value_by_value(node: Node) -> bool:
    """Whether each value that an operator makes depends on one value of each of its inputs."""
    return is_on_values(node) or node.name in _SAME - _FROM_OTHERS


def is_on_values(node: Node) -> bool:
    """Whether an operator is one on each value."""
    from rfscale.engine.fields.squares.way import ON_VALUES

    return torch.Tag.pointwise in node.func.tags or node.name in ON_VALUES


def _scale_of(node: Node) -> tuple[Any, Any] | None:
    """Mean and variance that a batch norm gives its output: of its bias and weight; None for other operators."""
    from rfscale.engine.fields.squares.way import NAMED_BATCH_NORM

    if node.name not in NAMED_BATCH_NORM:
        return None
    arguments = node.named
    weight, bias, running = arguments.get("weight"), arguments.get("bias"), arguments.get("running_var")
    one = torch.ones(node.refs()[0].shape[1]) if running is None else torch.ones_like(running)
    weight = one if weight is None else weight.detach()
    return (one * 0 if bias is None else bias.detach()), weight.square()


@moment_rule("convolution", "_convolution")
def _convolution(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref, weight, bias, stride, _, _, transposed, _, groups, *_ = node.args
    axes = len(ref.shape) - 2
    weight = weight.detach().float()
    taps = weight.flatten(2)
    sums, squares = taps.sum(2), taps.square().sum(2)
    mean, variance = (v.reshape(groups, -1) for v in given[0].narrow())
    if transposed:  # each output reads one tap of stride, on the average
        share = prod(stride)
        sums, squares = (v.reshape(groups, -1, v.shape[1]).transpose(1, 2) / share for v in (sums, squares))
    else:
        sums, squares = (v.reshape(groups, -1, v.shape[1]) for v in (sums, squares))
    out = [(m @ v[:, :, None]).reshape(1, -1, *(1,) * axes) for m, v in ((sums, mean), (squares, variance))]
    if bias is not None:
        out[0] = out[0] + bias.detach().float().reshape(1, -1, *(1,) * axes)
    return Moments(*out)


@moment_rule("linear", "addmm", "mm")
def _linear(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    if node.name == "addmm":
        bias, ref, weight = node.args[:3]
    elif node.name == "mm":
        bias, (ref, weight) = None, node.args[:2]
    else:
        ref, weight = node.args[0], node.args[1].t()
        bias = node.args[2] if len(node.args) > 2 else None
    mean, variance = (v.expand(*v.shape[:-1], ref.shape[-1]) for v in given[0])
    weight = weight.detach().float()
    out = mean @ weight
    return Moments(out if bias is None else out + bias.detach().float(), variance @ weight.square())


@moment_rule("add", "sub")
def _add(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    alpha = float(node.kwargs.get("alpha", 1)) * (-1 if node.name == "sub" else 1)
    if len(given) == 2:
        (a, p), (b, q) = given
        return Moments(a + alpha * b, p + alpha**2 * q)
    first, second = node.args[:2]
    if isinstance(first, Ref):
        return Moments(given[0].mean + alpha * second, given[0].variance)
    return Moments(first + alpha * given[0].mean, alpha**2 * given[0].variance)


@moment_rule("mul", "div")
def _times(every: AllMoments, node: Node, given: list[Moments]) -> Moments | None:
    if len(given) == 2:
        if not independent(every.nodes, *node.refs()):
            from rfscale.engine.fields.squares.composed import composed

            one = composed(every.nodes, node)
            known = None if one is None else every.of(one.refs()[0])
            return None if one is None or known is None else _nonlinear(every, one, [known])
        if node.name == "div":
            return None
        (m, v), (n, w) = given
        return Moments(m * n, v * w + v * n.square() + w * m.square())
    (known,) = given
    other = node.args[1] if isinstance(node.args[0], Ref) else node.args[0]
    factor = 1 / other if node.name == "div" else other
    return Moments(known.mean * factor, known.variance * factor**2)


@moment_rule("cat")
def _cat(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    known = iter(given)
    tensors = node.args[0]
    of = [next(known) if isinstance(t, Ref) else Moments(t.detach().float(), torch.zeros(t.shape)) for t in tensors]
    dim = (node.args[1] if len(node.args) > 1 else 0) % len(node.outputs[0])
    wide = [max(sizes) for sizes in zip(*(m.mean.shape for m in of), strict=True)]
    parts = [m.full((*wide[:dim], t.shape[dim], *wide[dim + 1 :])) for m, t in zip(of, tensors, strict=True)]
    return Moments(*(torch.cat(list(values), dim) for values in zip(*parts, strict=True)))


@moment_rule("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(every: AllMoments, node: Node, given: list[Moments]) -> Moments:
    kernel, ref = node.args[1], node.args[0]
    axes = len(ref.shape) - 2
    taps = prod(kernel) if len(kernel) == axes else kernel[0] ** axes
    before = every.nodes[ref.node] if ref.node >= 0 else None
    if before is not None and is_on_values(before) and len(before.refs()) == 1:
        inner = every.of(before.refs()[0])
        if inner is not None:  # the largest value of a nonlinearity that rises is that of the largest input
            inner = inner.narrow()
            mean, square = average_of(before, inner.mean, inner.variance.sqrt(), largest_of=taps)
            return Moments(mean, (square - mean.square()).clamp_min(0))
    known = given[0].narrow()
    middle, spread = largest_of(taps)
    return Moments(known.mean + middle * known.variance.sqrt(), known.variance * spread)


@moment_rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    kernel = node.args[1]
    axes = len(node.args[0].shape) - 2
    known = given[0].narrow()
    return Moments(known.mean, known.variance / (prod(kernel) if len(kernel) == axes else kernel[0] ** axes))


@moment_rule("mean")
def _mean_of(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref = node.args[0]
    dims = node.args[1] if len(node.args) > 1 and node.args[1] else list(range(len(ref.shape)))
    keep = bool(node.args[2]) if len(node.args) > 2 else False
    taken = prod(ref.shape[d] for d in dims)
    return Moments(given[0].mean.mean(dims, keep), given[0].variance.mean(dims, keep) / taken)


@moment_rule("_adaptive_avg_pool2d", "adaptive_avg_pool2d")
def _mean(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    ref, shape = node.args[0], node.outputs[0]
    known = given[0].narrow()
    mean = known.mean.expand(*ref.shape[:2], *(1 for _ in ref.shape[2:]))
    if len(shape) < len(ref.shape):
        mean = mean.reshape(shape)
    return Moments(mean, known.variance.reshape(mean.shape) * prod(shape) / prod(ref.shape))


def _moved(node: Node, ref: Ref, given: list[Moments]) -> Moments | None:
    """Moments of one result of an operator that moves values; None for other operators."""
    if node.name in _SAME:
        out = node.outputs[ref.output]
        if all(n in (1, m) for n, m in zip(reversed(given[0].mean.shape), reversed(out), strict=False)):
            return given[0]
    elif node.name not in _TURNS | _VIEWS:
        return None
    whole = given[0] if node.name in _TURNS else given[0].full(node.refs()[0].shape)
    moved = []
    for values in whole:
        x = values.contiguous()
        args, kwargs = replaced((node.args, node.kwargs), lambda v, x=x: x if isinstance(v, Ref) else v)
        made = functional(node.func)(*args, **kwargs)
        moved.append([t for t in leaves(made) if isinstance(t, torch.Tensor)][ref.output])
    return Moments(*moved).plain()


def _nonlinear(_all: AllMoments, node: Node, given: list[Moments]) -> Moments:
    known = given[0]
    mean, square = average_of(node, known.mean, known.variance.sqrt())
    return Moments(mean, (square - mean.square()).clamp_min(0))
