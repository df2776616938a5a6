"""Build a network layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from marshal import dumps
from typing import Any

from rfscale.engine.errors import nearest, visible
from rfscale.engine.network.layer import IMAGE, WRITTEN, written
from rfscale.engine.network.network import Network
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import INPUT_CHANNELS, Written, layer_inputs


class NetworkBuilder:
    """Write a network layer by layer: each op of docs/formats.md is a method that returns the new layer's name.

    Examples
    --------
    >>> b = NetworkBuilder("tiny")
    >>> x = b.conv("stem", kernel=3, stride=2, padding=1)
    >>> y = b.conv(kernel=3, padding=1)
    >>> b.add("sum", inputs=[x, y])
    'sum'
    >>> b.build()
    <Network tiny: 3 layers, axes y, x>
    """

    def __init__(
        self,
        name: str = "network",
        *,
        input_size: int | Sequence[int] | None = None,
        axes: int | None = None,
        input_channels: int = INPUT_CHANNELS,
    ) -> None:
        self._network = {"name": name, "input_size": input_size, "axes": axes, "input_channels": input_channels}
        self._layers: list[Written] = []
        self._last = IMAGE

    def __repr__(self) -> str:
        return f"<NetworkBuilder {visible(str(self._network['name']))}: {len(self._layers)} layers so far>"

    def __getattr__(self, op: str) -> Callable[..., str]:
        raise AttributeError(f"no op {op!r}; {nearest(op, OPS)}")

    @property
    def last(self) -> str:
        """Name of the newest layer, or of the image."""
        return self._last

    def build(self, outputs: Sequence[str] | None = None) -> Network:
        """Return the network; `outputs` names the maps that matter."""
        return Network.from_dict({**self._network, "layers": self._layers, "outputs": outputs})


def _source(inputs: str | Iterable[str], label: str) -> str | tuple[str, ...]:
    if isinstance(inputs, str):
        return inputs
    return tuple(inputs) if isinstance(inputs, Iterable) else layer_inputs(inputs, f"layer {label!r}")


def _method(op: str) -> Callable[..., str]:
    def layer(
        self: NetworkBuilder, name: str | None = None, *, inputs: str | Iterable[str] | None = None, **params: Any
    ) -> str:
        layers = self._layers
        label = name or f"{op}{len(layers) + 1}"
        kind = type(inputs)
        if inputs is None:
            source: str | tuple[str, ...] = self._last
        elif kind is str:
            source = str(inputs)
        else:  # a list before all else: to ask for an Iterable takes half as long as the rest of a call
            source = tuple(inputs) if kind is list else _source(inputs, label)
        try:  # 1.2 times as fast as a key of all parameters, their values and the types of these
            key: object | None = op, label, source, dumps(params, 0)
            known = WRITTEN.get(key)
        except (TypeError, ValueError):  # what is none of Python's own is no key
            key = known = None
        layers.append(known or written(op, label, source, params, key))
        self._last = label
        return label

    layer.__name__, layer.__qualname__ = op, f"{NetworkBuilder.__name__}.{op}"
    layer.__doc__ = f"Write a layer of op {op}; its parameters are those of docs/formats.md. Returns its name."
    return layer


for _op in OPS:
    setattr(NetworkBuilder, _op, _method(_op))
