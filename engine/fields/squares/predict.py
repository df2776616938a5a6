"""The expected squared gradient of one entry with respect to the image, from the weights alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any

import torch

from rfscale.engine.errors import InputError
from rfscale.engine.fields.layers import LayerMap
from rfscale.engine.fields.squares import pools, rules
from rfscale.engine.fields.squares.recorded import NeedsValuesError, OperatorRecorder, Recorded, Ref, Returned
from rfscale.engine.fields.squares.way import WayBack
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
    """

    window: Window
    assumed: list[str]


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
    with calls, recorder:
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
    signs: bool = True,
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
    signs : bool
        Whether weights keep their signs: the mean of the gradient goes back beside its variance, until chance has made
        nearly all of it vary.
    step : callable, optional
        Called after each operator.
    """
    way = WayBack(recorded.nodes, borders=borders, halved=dtype is None and _has_bfloat16(), even=even)
    channels = ref.shape[layer.channel]
    one = _Passes(way, ref, layer, entry, dtype or torch.float32, step)
    with torch.no_grad():
        if not signs:
            return Squares(one.run(None)[0], list(way.assumed))
        found, coherent = one.run(_signs(channels, 0))
        if channels == 1 or coherent < MOST_COHERENT:
            return Squares(found, list(way.assumed))
        if channels <= DRAWS:  # each channel by itself: the mean over all signs
            parts = [one.run(row)[0] for row in torch.eye(channels)]
        else:
            parts = [found, *(one.run(_signs(channels, n))[0] for n in range(1, DRAWS))]
    total: Window | None = None
    for part in parts:
        total = added(total, part)
    assert total is not None
    return Squares(total if channels <= DRAWS else total.times(1 / DRAWS), list(way.assumed))


DRAWS = 16  # of signs of the entry's channels; entries of fewer channels are worked out channel by channel
MOST_COHERENT = 0.02  # share of the squared mean at the image: below it one draw of signs does
FOLDED = 0.01  # share of the squared mean, below which it is taken for variance


def _signs(channels: int, draw: int) -> Any:
    generator = torch.Generator().manual_seed(draw)
    return torch.randint(0, 2, (channels,), generator=generator) * 2.0 - 1


@dataclass
class _Passes:
    """Passes back from one entry."""

    way: WayBack
    ref: Ref
    layer: LayerMap
    entry: tuple[int, ...]
    dtype: Any
    step: Callable[[], None] | None

    def run(self, signs: Any) -> tuple[Window, float]:
        """Squares at the image, for the signs of the channels or (None) random ones; and the share of squared means."""
        start = (self.ref.node, self.ref.output)
        means: dict[tuple[int, int], Window] = {}
        spreads: dict[tuple[int, int], Window] = {}
        if signs is None:
            spreads[start] = _seed(self.ref, self.layer, self.entry, torch.ones(1), self.dtype)
        else:
            means[start] = _seed(self.ref, self.layer, self.entry, signs, self.dtype)
        for position in range(self.ref.node, -1, -1):
            node = self.way.nodes[position]
            for output in range(len(node.outputs)):
                key = (position, output)
                self._back(node, output, spreads.pop(key, None), means.pop(key, None), spreads, means)
            if self.step is not None:
                self.step()
        image = (-1, 0)
        if image not in spreads and image not in means:
            raise InputError("no gradient of the layer reaches the image")
        spread = spreads.get(image)
        if image not in means:
            assert spread is not None
            return spread, 0.0
        coherent = _summed(means[image].squared())
        total = added(spread, coherent)
        return total, 2.0 ** (coherent.log2_sum - total.log2_sum) if total.values.any() else 0.0

    def _back(self, node: Any, output: int, spread: Any, mean: Any, spreads: Any, means: Any) -> None:
        """Hand the variance and the mean of one output's gradient on to the inputs."""
        if mean is not None:
            varied = self.way.varied(node, mean, output)
            if varied is not None:
                spread = added(spread, varied)
                squared = mean.squared()
                if squared.log2_sum < spread.log2_sum + log2(FOLDED):
                    spread, mean = added(spread, squared), None
        for found, into, power in ((spread, spreads, 2), (mean, means, 1)):
            if found is None:
                continue
            for source, window in self.way.through(node, found, output, power):
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
