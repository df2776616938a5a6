"""Channels and costs of chains: params and macs as additive weights on a small graph of its own."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.stages import ChainLayer

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space


class CostState(NamedTuple):
    """What the costs of the next layers depend on: channels of the map, strided layers so far, and its size."""

    channels: int
    strides: int
    size: tuple[int, ...] | None


class CostRules(NamedTuple):
    """What a space says of costs: channels of the image, base channels and growth at each stride, size of the image."""

    input_channels: int
    channels: tuple[int, int] | None
    input_size: tuple[int, ...] | None

    @classmethod
    def of(cls, space: Space) -> CostRules:
        """Return the rules of a space."""
        return cls(space.input_channels, space.channels, space.input_size)

    @property
    def start(self) -> CostState:
        """The state of the image."""
        return CostState(self.input_channels, 0, self.input_size)

    def advance(self, state: CostState, layer: ChainLayer) -> tuple[CostState, int, int]:
        """Return the state after a layer, and its params and macs (0 where the space has no input size).

        A convolution has ``base * growth**strides`` channels, where `strides` counts the layers with a stride up to and
        with it, unless the stage says otherwise; other layers pass theirs on.
        """
        strides = state.strides + (max(layer.stride) > 1)
        size = state.size and tuple(_size(layer, a, n) for a, n in enumerate(state.size))
        if layer.op == "space_to_depth":
            return CostState(state.channels * prod(layer.stride), strides, size), 0, 0
        if layer.op != "conv" or self.channels is None:
            return CostState(state.channels, strides, size), 0, 0
        channels = layer.channels or self.channels[0] * self.channels[1] ** strides
        groups = state.channels if layer.groups == "depthwise" else int(layer.groups)
        if state.channels % groups or channels % groups:
            raise InputError(
                f"groups is {groups} where {state.channels} channels become {channels}; it must divide both"
            )
        weights = prod(layer.kernel) * (state.channels // groups) * channels
        macs = weights * prod(size) if size else 0
        return CostState(channels, strides, size), weights + (channels if layer.bias else 0), macs


def _size(layer: ChainLayer, axis: int, n: int) -> int:
    """Entries of the map after a layer: paddings keep maps aligned, so that only strides count."""
    if layer.op == "space_to_depth" and n % layer.stride[axis]:
        raise InputError(f"scale {layer.stride[axis]} of space_to_depth does not divide the map's {n} entries")
    return max(1, -(-(n - layer.start[axis]) // layer.stride[axis]))


def chain_channels(space: Space, layers: Iterable[ChainLayer]) -> list[dict[str, Any]]:
    """Return what each layer's spec says of channels: nothing where the space has none."""
    rules = CostRules.of(space)
    state, out = rules.start, []
    for layer in layers:
        before = state.channels
        state, _, _ = rules.advance(state, layer)
        spec: dict[str, Any] = {}
        if rules.channels is not None and layer.op in ("conv", "space_to_depth"):
            spec["channels"] = state.channels
            if layer.groups != 1:
                spec["groups"] = before if layer.groups == "depthwise" else layer.groups
            if not layer.bias:
                spec["bias"] = False
        out.append(spec)
    return out
