"""The way back from an entry to the image: the table of rules, and what they share.

A rule takes the way back, a node and the squares at its outputs, and yields (input, squares). The assumptions, and why
each factor is what it is, stand in docs/theory.md, section 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch

from rfscale.engine.errors import InputError
from rfscale.engine.fields.squares.chance import Chance
from rfscale.engine.fields.squares.composed import composed
from rfscale.engine.fields.squares.moments import AllMoments, Moments, independent
from rfscale.engine.fields.squares.recorded import Node, Ref
from rfscale.engine.fields.squares.window import Window

Given = Iterator[tuple[Ref, Window]]
Rule = Callable[["WayBack", Node, Window, int], Given]

RULES: dict[str, Rule] = {}
TAKE_CHANNELS: list[Rule] = []
ON_ANY_VALUES = "operators on each value"  # the rule of all that have none of their own
NAMED_BATCH_NORM = (
    "native_batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit cudnn_batch_norm batch_norm "
    "_batch_norm_no_update _batch_norm_with_update"
).split()
ON_VALUES = frozenset("_prelu_kernel prelu hardswish rrelu rrelu_with_noise softshrink hardshrink".split())  # untagged


class UnknownRuleError(InputError):
    """No rule is known for an operator: the prediction would be a wrong number."""


class WayBack:
    """What rules share.

    Parameters
    ----------
    nodes : list of Node
    borders : bool
        Whether padding ends the way; without borders maps go on beyond their edges.
    even : bool
        Whether the inputs of nonlinearities are taken for symmetrical, instead of what the weights say of them.
    halved : bool
        Whether large products are of bfloat16, with sums in float32: within 0.3 % of the largest value of a ResNet-50.
    """

    def __init__(self, nodes: list[Node], *, borders: bool = True, halved: bool = False, even: bool = False) -> None:
        self.nodes = nodes
        self.statistics = AllMoments(nodes)
        self.moments = None if even else self.statistics
        self.halved = halved
        self.borders = borders
        self.shares: set[int] = set()  # softmaxes whose output averages values, by id
        self.scores: set[int] = set()  # products whose output such a softmax gets
        self.assumed: dict[str, None] = {}
        self.slopes: dict[Any, tuple[Any, str]] = {}
        self.power = 2
        self.chance: Chance | None = None  # of a pass of the gradient itself; None: means alone
        self._convolutions = 0
        self._composed: dict[int, Node | None] = {}

    def scaled(self, window: Window) -> Window:
        """A window near 1, every third time: what three layers do to it fits floats."""
        self._convolutions += 1
        return window if self._convolutions % 3 else window.scaled()

    def rule_of(self, node: Node) -> Rule:
        """The rule of a node."""
        if node.func.namespace != "aten":
            raise unknown(node, "it is no operator of PyTorch itself")
        rule = RULES.get(node.name)
        if rule is None and len(node.refs()) == 1 and (torch.Tag.pointwise in node.func.tags or node.name in ON_VALUES):
            rule = RULES[ON_ANY_VALUES]
        if rule is None:
            raise unknown(node, "its slope depends on the values of the image in a way that weights do not say")
        return rule

    def through(self, node: Node, out: Window, output: int, power: int = 2) -> Given:
        """Yield what the inputs of a node get of squares (power 2), or of a gradient itself (1)."""
        rule, self.power = self.rule_of(node), power
        if rule not in TAKE_CHANNELS or (rule is RULES[ON_ANY_VALUES] and node.refs()[0].shape != out.shape):
            out = out.ready()
        for ref, window in rule(self, node, out, output):
            if ref.node == -2:
                raise unknown(node, "it reads what was written through another view of its memory")
            yield ref, window.clipped() if self.borders else window

    def composed(self, node: Node) -> Node | None:
        """One operator in the place of several, for a product whose factors are functions of one tensor."""
        if id(node) not in self._composed:
            alone = independent(self.nodes, *node.refs())
            self._composed[id(node)] = None if alone else composed(self.nodes, node)
        return self._composed[id(node)]

    def drawn(self, node: Node, ref: Ref, dtype: Any, *, masked: bool = False) -> Any:
        """Values of a tensor, drawn from what is known of it."""
        assert self.chance is not None
        return self.chance.values(self.known(node, ref, masked=masked), ref.shape, dtype)

    def known(self, node: Node, ref: Ref, *, masked: bool = False) -> Moments:
        """Mean and variance of a tensor that the slope of an operator depends on; `masked`: means may be -inf."""
        found = self.statistics.of(ref)
        mean = torch.zeros(()) if found is None else found.mean
        mean = torch.where(mean == -torch.inf, 0.0, mean) if masked else mean
        if found is None or not bool(torch.isfinite(mean.square() + found.variance).all()):
            raise unknown(node, "its slope depends on values of the image that do not follow from the weights")
        return found

    def fitting(self, node: Node, out: Window, factor: Any) -> tuple[Window, Any]:
        """A window and a factor of its tensor that can be multiplied: one that differs from place to place is whole."""
        if not isinstance(factor, torch.Tensor) or prod(factor.shape[2:]) == 1 or out.is_whole:
            return out, factor
        if self.borders or out.is_inside:
            return Window.whole(self.whole(node, out), out.exponent), factor
        return out, Moments(factor, factor).narrow().mean

    def whole(self, node: Node, out: Window) -> Any:
        """Squares of the whole output, for rules that have no windows."""
        if not self.borders and not out.is_inside:
            raise unknown(node, "it has no rule without borders")
        return out.full()


def same_place(node: Node, ref: Ref, out: Window, factor: Any) -> tuple[Ref, Window]:
    """Squares of an input that broadcasts to the output."""
    window = out.times(factor) if not isinstance(factor, torch.Tensor) else out.ready().times(factor)
    if ref.shape == out.shape:
        return ref, window
    values = window.full()
    if len(ref.shape) < values.dim():
        values = values.sum(tuple(range(values.dim() - len(ref.shape))))
    wide = [d for d, n in enumerate(ref.shape) if n == 1 and values.shape[d] != 1]
    return ref, Window.whole(values.sum(wide, keepdim=True) if wide else values, out.exponent)


def unknown(node: Node, reason: str) -> UnknownRuleError:
    """Return the error that says where a prediction ends."""
    return UnknownRuleError(
        f"the field cannot be predicted from the weights: no rule for {node.label}, {reason}",
        remedy="measure it on images, or ask for a layer before it",
    )


def rule(*names: str, takes_channels: bool = False) -> Callable[[Rule], Rule]:
    """Enter a rule under the names of its operators; whether it takes factors of channels that wait."""

    def enter(found: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, found))
        if takes_channels:
            TAKE_CHANNELS.append(found)
        return found

    return enter
