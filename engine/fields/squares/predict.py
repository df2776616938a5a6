"""The expected squared gradient of one entry with respect to the image, from the weights alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from rfscale.engine.errors import InputError
from rfscale.engine.fields.layers import LayerMap
from rfscale.engine.fields.squares import pools, rules
from rfscale.engine.fields.squares.attention import SOFTMAX
from rfscale.engine.fields.squares.chance import Chance, with_chance
from rfscale.engine.fields.squares.norms import BY_GROUPS, OVER_LAST, estimates_statistics
from rfscale.engine.fields.squares.recorded import NeedsValuesError, Node, OperatorRecorder, Recorded, Ref, Returned
from rfscale.engine.fields.squares.way import RULES, WayBack
from rfscale.engine.fields.squares.window import Window, added
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, mapped
from rfscale.engine.readers.torch.parts import Parts
from rfscale.engine.readers.torch.trace.module_calls import ModuleCalls
from rfscale.engine.readers.torch.trace.run import unchanged

_FILLED_BY = pools, rules  # importing them fills the table of rules


@dataclass(frozen=True)
class Squares:
    """Expected squared gradients with respect to the image, summed over its channels.

    Attributes
    ----------
    window : Window
    assumed : list of str
        What the prediction takes for granted.
    error : Window or None
        The squared standard error of a mean over draws; None where nothing is drawn.
    """

    window: Window
    assumed: list[str]
    error: Window | None = None


def recorded_forward(module: Any, inputs: ModelInputs) -> Recorded:
    """Return what one forward of a module does on an image without values, or with those of noise where it asks."""
    parts = Parts(module)
    with unchanged(parts), torch.no_grad():
        try:
            return _recorded(parts, inputs, torch.empty(inputs.image.shape, dtype=inputs.image.dtype, device="meta"))
        except InputError:
            raise
        except Exception as error:  # whatever the code of a model raises without values
            if not isinstance(error, NeedsValuesError | NotImplementedError | TypeError) and "meta" not in str(error):
                raise
        noise = torch.randn(inputs.image.shape, generator=torch.Generator().manual_seed(0)).to(inputs.image.dtype)
        return _recorded(parts, inputs, noise)


def _recorded(parts: Parts, inputs: ModelInputs, image: Any) -> Recorded:
    def returned(names: list[str], call: int, key: str, tensor: Any) -> None:
        ref = recorder.ref(tensor)
        if ref is not None:
            for name in names:
                recorder.recorded.returned.setdefault(name, []).append(Returned(call, key, ref))

    def tensor(t: Any) -> Any:
        if t is inputs.image:
            return image
        return torch.zeros(t.shape, dtype=t.dtype) if t.value is None else t.value.detach()

    calls = ModuleCalls(parts.paths, returned)
    recorder = OperatorRecorder(image, lambda: calls.path)
    with calls, recorder, sdpa_kernel(SDPBackend.MATH):  # attention as its formula
        parts.module(*mapped(inputs.args, tensor), **mapped(inputs.kwargs, tensor))
    return recorder.recorded


def squares(
    recorded: Recorded,
    ref: Ref,
    layer: LayerMap,
    entry: tuple[int, ...],
    *,
    borders: bool = True,
    dtype: Any = None,
    even: bool = False,
    draws: int = 0,
    step: Callable[[], None] | None = None,
) -> Squares:
    """Return the expected squared gradient of one entry, of all its channels with random signs.

    Parameters
    ----------
    recorded : Recorded
    ref : Ref
        The tensor of the layer.
    layer : LayerMap
    entry : tuple of int
    borders : bool
        Whether padding ends the way.
    dtype : torch.dtype, optional
        By default float32, with products in bfloat16 where the processor has them.
    even : bool
        As of `WayBack`.
    draws : int
        Weights keep their signs, and this is how often what chance decides is drawn; 0: squares of weights.
    step : callable, optional
        Called after each operator.
    """
    way = WayBack(recorded.nodes, borders=borders, halved=dtype is None and _has_bfloat16(), even=even)
    one = _Passes(way, ref, layer, entry, dtype or torch.float32, step)
    with torch.no_grad():
        if not draws:
            return Squares(one.run(None), list(way.assumed))
        any_chance, one.last = with_chance(recorded.nodes[: ref.node + 1], _is_chance, _is_scale)
        one.last = {n for n in one.last if way.rule_of(recorded.nodes[n]) is rules.nonlinear}
        means = []
        for sample in _samples(ref.shape[layer.channel], draws, any_chance):
            found: Window | None = None
            for number, signs in sample:
                found = added(found, one.run(signs, number))
            assert found is not None
            means.append(found)
    total = means[0]
    for more in means[1:]:
        total = added(total, more)
    return Squares(total.times(1 / len(means)), list(way.assumed), _error(means, total) if any_chance else None)


FEW_CHANNELS = 16  # of an entry: worked out channel by channel, others together with random signs


def _samples(channels: int, draws: int, any_chance: bool) -> Iterator[list[tuple[int, Any]]]:
    """Lists of the passes whose sum is the field: the number of each, and the signs of the entry's channels."""
    if channels > FEW_CHANNELS:
        for n in range(draws):
            generator = torch.Generator().manual_seed(n)
            yield [(n, torch.randint(0, 2, (channels,), generator=generator) * 2.0 - 1)]
        return
    for n in range(max(2, -(-draws // channels)) if any_chance else 1):
        yield [(n * channels + c, row) for c, row in enumerate(torch.eye(channels))]


def _error(means: list[Window], total: Window) -> Window | None:
    """The squared standard error of the mean of several."""
    count = len(means)
    if count < 2:
        return None
    squares: Window | None = None
    for one in means:
        squares = added(squares, one.squared())
    assert squares is not None
    spread = added(squares, total.squared().times(-1 / count))
    values = spread.values.clamp_min(0) / (count * (count - 1))
    return Window(values, spread.start, spread.shape, spread.exponent)


def _is_chance(node: Node) -> bool:
    """Whether chance decides what an operator passes back."""
    rule = RULES.get(node.name)
    several = len(node.refs()) > 1 and rule in (rules.multiply, rules.product_with)
    return rule is None or rule is rules.nonlinear or several or node.name in CHOOSE or estimates_statistics(node)


def _is_scale(node: Node) -> bool:
    rule = RULES.get(node.name)
    return rule in (rules.batch_norm, rules.multiply, rules.add)


CHOOSE = frozenset((*pools.MAX_POOLS, *SOFTMAX, *OVER_LAST, *BY_GROUPS, "glu"))


@dataclass
class _Passes:
    """Passes back from one entry."""

    way: WayBack
    ref: Ref
    layer: LayerMap
    entry: tuple[int, ...]
    dtype: Any
    step: Callable[[], None] | None
    last: set[int] = field(default_factory=set)  # nodes on each value after which nothing adds up what they make vary

    def run(self, signs: Any, number: int = 0) -> Window:
        """Squares at the image, for the signs of the channels and the draws of a number, or (None) random signs."""
        start = (self.ref.node, self.ref.output)
        means: dict[tuple[int, int], Window] = {}
        spreads: dict[tuple[int, int], Window] = {}
        if signs is None:
            spreads[start] = _seed(self.ref, self.layer, self.entry, torch.ones(1), self.dtype)
        else:
            means[start] = _seed(self.ref, self.layer, self.entry, signs, self.dtype)
        chance = Chance(number)
        for position in range(self.ref.node, -1, -1):
            node = self.way.nodes[position]
            for output in range(len(node.outputs)):
                key = (position, output)
                spread, mean = spreads.pop(key, None), means.pop(key, None)
                if mean is not None and position in self.last:
                    spread = added(spread, rules.slopes_that_differ(self.way, node, mean.squared(), output))
                self._back(node, output, spread, 2, spreads)
                self.way.chance = None if position in self.last else chance
                self._back(node, output, mean, 1, means)
            if self.step is not None:
                self.step()
        image = (-1, 0)
        if image not in spreads and image not in means:
            raise InputError("no gradient of the layer reaches the image")
        squared = [_summed(means[image].squared())] if image in means else []
        found = [*squared, *([spreads[image]] if image in spreads else [])]
        return found[0] if len(found) == 1 else added(*found)

    def _back(self, node: Node, output: int, given: Window | None, power: int, into: Any) -> None:
        """Hand the variance or the gradient of one output on to the inputs."""
        if given is None:
            return
        for source, window in self.way.through(node, given, output, power):
            key = (source.node, source.output)
            if source.node == -1 and power == 2:
                window = _summed(window)
            into[key] = added(into.get(key), window)


def _summed(image: Window) -> Window:
    """Squares of the image, summed over its channels."""
    image = image.ready()
    return Window(image.values.sum(1, keepdim=True), image.start, (1, 1, *image.shape[2:]), image.exponent)


def _seed(ref: Ref, layer: LayerMap, entry: tuple[int, ...], signs: Any, dtype: Any) -> Window:
    """The gradient of the channels of the entry."""
    shape = (1, *ref.shape[1:])
    if layer.dims == tuple(range(2, len(shape))):
        values = signs.to(dtype).expand(shape[1]).reshape(1, -1, *(1 for _ in entry))
        return Window(values, entry, shape)
    values = torch.zeros(shape, dtype=dtype)
    layer.channels_of(values, entry)[:] = signs.to(dtype)
    return Window.whole(values)


def _has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32."""
    supported = getattr(getattr(torch.ops, "mkldnn", None), "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())
