"""The expected squared gradient of one entry with respect to the image, from the weights alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from rfscale.engine.errors import InputError
from rfscale.engine.fields.layers import LayerMap
from rfscale.engine.fields.squares.recorded import NeedsValuesError, OperatorRecorder, Recorded, Ref, Returned
from rfscale.engine.fields.squares.rules import WayBack
from rfscale.engine.fields.squares.window import Window, added
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, mapped
from rfscale.engine.readers.torch.trace.module_calls import ModuleCalls
from rfscale.engine.readers.torch.trace.run import unchanged


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
    with unchanged(module), torch.no_grad():
        try:
            return _recorded(module, inputs, torch.empty(inputs.image.shape, dtype=inputs.image.dtype, device="meta"))
        except InputError:
            raise
        except Exception as error:  # whatever the code of a model raises without values
            if not isinstance(error, NeedsValuesError | NotImplementedError | TypeError) and "meta" not in str(error):
                raise
        noise = torch.randn(inputs.image.shape, generator=torch.Generator().manual_seed(0)).to(inputs.image.dtype)
        return _recorded(module, inputs, noise)


def _recorded(module: Any, inputs: ModelInputs, image: Any) -> Recorded:
    def returned(names: list[str], call: int, key: str, tensor: Any) -> None:
        ref = recorder.ref(tensor)
        if ref is not None:
            for name in names:
                recorder.recorded.returned.setdefault(name, []).append(Returned(call, key, ref))

    def tensor(t: Any) -> Any:
        if t is inputs.image:
            return image
        return torch.zeros(t.shape, dtype=t.dtype) if t.value is None else t.value.detach()

    calls = ModuleCalls(module, returned)
    recorder = OperatorRecorder(image, lambda: calls.path)
    with calls, recorder:
        module(*mapped(inputs.args, tensor), **mapped(inputs.kwargs, tensor))
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
    step : callable, optional
        Called after each operator.
    """
    one = _seed(ref, layer, entry, dtype or torch.float32)
    found: dict[tuple[int, int], Window] = {(ref.node, ref.output): one}
    way = WayBack(recorded.nodes, borders=borders, halved=dtype is None and _has_bfloat16(), even=even)
    with torch.no_grad():
        for position in range(ref.node, -1, -1):
            for output in range(len(recorded.nodes[position].outputs)):
                out = found.pop((position, output), None)
                if out is None:
                    continue
                for source, window in way.through(recorded.nodes[position], out, output):
                    key = (source.node, source.output)
                    if source.node == -1:
                        window = _summed(window)
                    found[key] = added(found.get(key), window)
            if step is not None:
                step()
    image = found.get((-1, 0))
    if image is None:
        raise InputError("no gradient of the layer reaches the image")
    return Squares(image, list(way.assumed))


def _summed(image: Window) -> Window:
    """Squares of the image, summed over its channels."""
    image = image.ready()
    return Window(image.values.sum(1, keepdim=True), image.start, (1, 1, *image.shape[2:]), image.exponent)


def _seed(ref: Ref, layer: LayerMap, entry: tuple[int, ...], dtype: Any) -> Window:
    """Ones in the channels of the entry."""
    shape = (1, *ref.shape[1:])
    if layer.dims == tuple(range(2, len(shape))):
        return Window(torch.ones((1, shape[1], *(1 for _ in entry)), dtype=dtype), entry, shape)
    values = torch.zeros(shape, dtype=dtype)
    layer.channels_of(values, entry).fill_(1)
    return Window.whole(values)


def _has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32."""
    supported = getattr(getattr(torch.ops, "mkldnn", None), "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())
