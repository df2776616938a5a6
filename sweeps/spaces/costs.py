"""Channels and costs of layers: params and macs as additive weights on a small graph of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.network.layer import IMAGE
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, UPSAMPLING, ChainLayer, Wired, source_of

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space


_SAY_CHANNELS = ("conv", "conv_transpose", "space_to_depth")


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
        if layer.op in UPSAMPLING:
            return self._upsampled(state, layer)
        strides = state.strides + (max(layer.stride) > 1)
        size = state.size and tuple(_size(layer, a, n) for a, n in enumerate(state.size))
        if layer.op == "space_to_depth":
            return CostState(state.channels * prod(layer.stride), strides, size), 0, 0
        if layer.op != "conv" or self.channels is None:
            return CostState(state.channels, strides, size), 0, 0
        channels = layer.channels or self._own(layer, strides)
        weights = self._weights(layer, state.channels, channels)
        macs = weights * prod(size) if size else 0
        return CostState(channels, strides, size), weights + (channels if layer.bias else 0), macs

    def _upsampled(self, state: CostState, layer: ChainLayer) -> tuple[CostState, int, int]:
        """The same of a layer that makes more entries: it takes a stride back."""
        strides = max(0, state.strides - (max(layer.stride) > 1))
        size = state.size and tuple(n * s for n, s in zip(state.size, layer.stride, strict=True))
        if layer.op == "upsample" or self.channels is None:
            return CostState(state.channels, strides, size), 0, 0
        channels = layer.channels or self.channels[0] * self.channels[1] ** strides
        weights = self._weights(layer, state.channels, channels)
        macs = weights * prod(state.size) if state.size else 0  # of each entry that it reads
        return CostState(channels, strides, size), weights + (channels if layer.bias else 0), macs

    def _own(self, layer: ChainLayer, strides: int) -> int:
        """Channels of a convolution that does not say how many."""
        assert self.channels is not None
        parts, part = layer.share
        whole, more = divmod(self.channels[0] * self.channels[1] ** (strides + layer.ahead), parts)
        return whole + (part < more)

    def _weights(self, layer: ChainLayer, before: int, channels: int) -> int:
        """Weights of a convolution of some channels before and after."""
        groups = before if layer.groups == "depthwise" else int(layer.groups)
        if before % groups or channels % groups:
            raise InputError(f"groups is {groups} where {before} channels become {channels}; it must divide both")
        return prod(layer.kernel) * (before // groups) * channels

    def after(self, layer: ChainLayer | str, states: Sequence[CostState]) -> tuple[CostState, int, int]:
        """Return the state after a layer or merge, from those of its inputs, and its params and macs."""
        if isinstance(layer, ChainLayer):
            return self.advance(states[0], layer)
        return states[0] if layer == "none" else self.merge(states, layer), 0, 0

    def merge(self, states: Sequence[CostState], how: str) -> CostState:
        """Return the state of branches that meet: as many channels as each (add), or all of them together (concat)."""
        first = states[0]
        if any(state.size != first.size for state in states):
            sizes = " and ".join(dict.fromkeys("x".join(map(str, state.size or ())) for state in states))
            raise InputError(
                f"branches with maps of {sizes} entries meet; they must have one size",
                remedy="with upsampling give an input_size that the strides before divide",
            )
        if how == "concat" or self.channels is None:
            return first._replace(channels=sum(state.channels for state in states))
        if any(state.channels != first.channels for state in states):
            channels = " and ".join(str(n) for n in dict.fromkeys(state.channels for state in states))
            raise InputError(
                f"branches of {channels} channels are added; they must have as many",
                remedy="give the branches' last convolutions the same channels, or merge: concat",
            )
        return first


def _size(layer: ChainLayer, axis: int, n: int) -> int:
    """Entries of the map after a layer: paddings keep maps aligned, so that only strides count."""
    if layer.op == "space_to_depth" and n % layer.stride[axis]:
        raise InputError(f"scale {layer.stride[axis]} of space_to_depth does not divide the map's {n} entries")
    return max(1, -(-(n - layer.start[axis]) // layer.stride[axis]))


def chain_channels(space: Space, wirings: Mapping[str, Wired]) -> list[dict[str, Any]]:
    """Return what each node's spec says of channels, stage by stage: nothing where the space has none."""
    rules = CostRules.of(space)
    earlier = last = rules.start
    out: list[dict[str, Any]] = []
    at = {IMAGE: last}
    for stage, (wiring, kept, _) in wirings.items():
        states = [last]
        for node in wiring:
            source = source_of(node)
            if source is not None:
                states.append(at[source])
                out.append({})
                continue
            before = [states[i] for i in node.inputs]
            spec: dict[str, Any] = {}
            if node == EARLIER:
                states.append(earlier)
                out.append(spec)
                continue
            try:
                states.append(rules.after(node.layer, before)[0])
            except InputError as error:
                raise error.within(f"stage {stage!r}") from None
            layer = node.layer
            if isinstance(layer, ChainLayer) and rules.channels is not None and layer.op in _SAY_CHANNELS:
                spec["channels"] = states[-1].channels
                if layer.groups != 1:
                    spec["groups"] = before[0].channels if layer.groups == "depthwise" else layer.groups
                if not layer.bias:
                    spec["bias"] = False
            out.append(spec)
        earlier, last = states[kept or 0], states[-1]
        at[stage] = last
    return out
