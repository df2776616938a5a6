"""Build a network layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rfscale.engine.errors import nearest, visible
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.network import Network
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import INPUT_CHANNELS


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
        self._layers: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        return f"<NetworkBuilder {visible(str(self._network['name']))}: {len(self._layers)} layers so far>"

    def __getattr__(self, op: str) -> Callable[..., str]:
        if op not in OPS:
            raise AttributeError(f"no op {op!r}; {nearest(op, OPS)}")

        def layer(name: str | None = None, *, inputs: str | Iterable[str] | None = None, **params: Any) -> str:
            label = name or f"{op}{len(self._layers) + 1}"
            written = {"name": label, "op": op, **params}
            if inputs is not None:
                written["inputs"] = inputs if isinstance(inputs, str) else list(inputs)
            self._layers.append(written)
            return label

        return layer

    @property
    def last(self) -> str:
        """Name of the newest layer, or of the image."""
        return self._layers[-1]["name"] if self._layers else IMAGE

    def build(self, outputs: Sequence[str] | None = None) -> Network:
        """Return the network; `outputs` names the maps that matter."""
        return Network.from_dict({**self._network, "layers": self._layers, "outputs": outputs})
