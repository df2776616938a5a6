"""A network made ready for one analysis: sizes, axis maps, jumps, and which layers are downstream of a global op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, NamedTuple

from rfscale.engine.errors import INPUT_SIZE, SKIP_GLOBAL_OPS, InputError, Parameter, UnequalJumpsError, shown
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.intervals import IMAGE_INTERVALS, Intervals
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.layer import IMAGE, Layer
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import listed, one_name, whole
from rfscale.engine.variables import provenance

GlobalOps = Literal["include", "skip"]
GLOBAL_OPS = Parameter("global_ops")


class Step(NamedTuple):
    """One layer of a plan.

    Attributes
    ----------
    layer : Layer
    sources : tuple of int
        Positions of the layers it reads, -1 for the image; branches that `global_ops="skip"` drops are left out.
    maps : tuple of AxisMap or None
        One per axis; None for a merge, and in interior mode for a global op.
    size : tuple of int or None
        Entries per axis; None where no size is known.
    is_global : bool
        The layer has a global receptive field: it is a global op, or downstream of one. In interior mode its
        footprints are infinite; in finite mode they are what its paths lead to, as those of any layer.
    intervals : tuple of Intervals or None
        One per axis, of footprints without borders; None for a global receptive field, and downstream of a merge of
        maps of different jumps.
    half_lines : tuple of Intervals or None
        The same downstream of one-way layers, with ends that are infinite; None elsewhere.
    aligned : bool
        The branches that it merges have one centre.
    passes : bool
        Each entry reads the entry of its own number: footprints are those of the source.
    """

    layer: Layer
    sources: tuple[int, ...]
    maps: tuple[AxisMap, ...] | None
    size: Size | None
    is_global: bool
    intervals: tuple[Intervals, ...] | None
    aligned: bool
    passes: bool
    half_lines: tuple[Intervals, ...] | None = None

    @property
    def jump(self) -> tuple[float, ...] | None:
        """Pixels between neighbouring entries per axis; None where there are no intervals."""
        return tuple(p / q for p, q in (i.jump for i in self.intervals)) if self.intervals else None


@dataclass(frozen=True)
class Plan:
    """All steps in order, the finite input size or None, and the layers dropped at merges.

    `programs` has what the steps were compiled to, once they were.
    """

    network: Network
    input_size: Size | None
    steps: tuple[Step, ...]
    dropped: tuple[str, ...]
    programs: list[Any] = field(default_factory=list, compare=False, repr=False)

    def map_size(self, position: int) -> Size | None:
        """Entries per axis of a layer, or of the image (-1); None in interior mode."""
        if self.input_size is None:
            return None
        return self.input_size if position < 0 else self.steps[position].size

    def is_broadcast(self, step: Step, source: int) -> bool:
        """Whether a merge spreads a branch that a global op made one entry wide."""
        return step.maps is None and self.input_size is not None and self.map_size(source) != step.size


MAX_PLANS = 8  # kept beside one network

Steps = tuple[tuple[Step, ...], tuple[str, ...], list[Any]]  # of a plan: steps, dropped, programs
_STEPS: Derived[Network, dict[tuple[Size | None, GlobalOps], Steps]] = Derived(lambda network: {})


def resolve(
    network: Network,
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    memory: Memory | None = None,
) -> Plan:
    """Return the plan of a network, interior or finite.

    The last plans of a network are kept beside it, unless `memory` says that this is one network of many.

    Raises
    ------
    InputError
        Where branches of different jumps merge (interior), a map size is needed and not known, sizes do not fit, or
        a footprint reaches beyond 2^53 pixels; the message names the layer.
    """
    one_name(global_ops, GLOBAL_OPS, ("include", "skip"))
    size = None if input_size is None else check_size(input_size, len(network.axes), INPUT_SIZE)
    if memory is not None:
        return Plan(network, size, *_resolve(network, size, global_ops, memory))
    kept = _STEPS.of(network)
    steps = kept.get((size, global_ops))
    if steps is None:
        if len(kept) >= MAX_PLANS:
            kept.pop(next(iter(kept)), None)
        steps = kept[size, global_ops] = _resolve(network, size, global_ops, Memory())
    return Plan(network, size, *steps)


def _resolve(network: Network, input_size: Size | None, global_ops: GlobalOps, memory: Memory) -> Steps:
    sized = input_size or network.input_size
    sizes = network.map_sizes(sized) if sized else None
    global_names = network.global_layers[0 if global_ops == "include" else 1]
    number = {layer.name: i for i, layer in enumerate(network.layers)} | {IMAGE: -1}
    dropped: dict[str, None] = {}
    steps: list[Step] = []
    ndim = len(network.axes)
    for layer in network.layers:
        sources = layer.inputs
        if OPS[layer.op].kind == "merge" and layer.name not in global_names:
            dropped.update((s, None) for s in sources if s in global_names)
            sources = tuple(s for s in sources if s not in global_names)
        numbers = tuple([number[s] for s in sources])
        before = [None if i < 0 else steps[i] for i in numbers]
        of_maps = (sizes[layer.inputs[0]], sizes[layer.name]) if sizes else (None, None)
        is_global = layer.name in global_names
        steps.append(
            next_step(layer, sources, numbers, before, of_maps, is_global, ndim, input_size is not None, memory)
        )
    return tuple(steps), tuple(dropped), []


def next_step(
    layer: Layer,
    names: tuple[str, ...],
    numbers: tuple[int, ...],
    before: Sequence[Step | None],
    sizes: tuple[Size | None, Size | None],
    is_global: bool,
    ndim: int,
    finite: bool,
    memory: Memory,
) -> Step:
    """Return the step of one layer.

    Parameters
    ----------
    layer : Layer
    names, numbers, before
        Of the maps it reads: names, positions, and steps, None for the image.
    sizes : tuple
        Entries per axis of the map that it reads first, and of its own; None where no size is known.
    is_global : bool
        Whether it is a global op, or downstream of one.
    ndim : int
    finite : bool
    memory : Memory
    """
    image = (IMAGE_INTERVALS,) * ndim
    kind = OPS[layer.op].kind
    has_maps = kind == "map" or (finite and kind in ("global", "one_way"))
    maps = memory.maps(layer, sizes[0], lambda: _maps(layer, sizes[0], ndim)) if has_maps else None
    intervals, half_lines, aligned = None, None, True
    if not is_global:
        branches = [image if step is None else step.intervals for step in before]
        try:
            intervals, aligned = _intervals(layer, names, branches, maps, finite, memory)
        except InputError as error:
            raise error.within(f"layer {layer.name!r} ({layer.op})") from None
    else:
        reached = [image if step is None else _reach(step) for step in before]
        half_lines = _half_lines(layer, reached, maps)
    passes = maps is not None and sizes[0] == sizes[1] and all(m.is_identity for m in maps)
    return Step(layer, numbers, maps, sizes[1], is_global, intervals, aligned, passes, half_lines)


def _maps(layer: Layer, before: Size | None, ndim: int) -> tuple[AxisMap, ...]:
    op = OPS[layer.op]
    if before is None and op.needs_size(layer.params):
        raise InputError(
            f"layer {layer.name!r} ({layer.op}) depends on the size of its map", remedy=("give ", INPUT_SIZE)
        )
    try:
        return tuple([op.axis_map(layer.params, a, n) for a, n in enumerate(before or (None,) * ndim)])
    except InputError as error:
        raise error.within(f"layer {layer.name!r} ({layer.op})") from None


def _intervals(
    layer: Layer,
    sources: tuple[str, ...],
    branches: list[tuple[Intervals, ...] | None],
    maps: tuple[AxisMap, ...] | None,
    finite: bool,
    memory: Memory,
) -> tuple[tuple[Intervals, ...] | None, bool]:
    """Intervals of one layer per axis, and whether its branches have one centre."""
    known = [b for b in branches if b is not None]
    if len(known) < len(branches):
        return None, False
    if maps is not None:
        after = tuple(map(memory.after, known[0], maps))
        return known[0] if after == known[0] else after, True  # one object, by which its figures are found again
    merged, aligned = known[0], True
    for name, branch in zip(sources[1:], known[1:], strict=True):
        if branch is merged:
            continue
        for a, b in zip(merged, branch, strict=True):
            if a.jump != b.jump:
                if finite:
                    return None, False
                raise UnequalJumpsError(
                    f"it merges maps of different jumps: {sources[0]!r} has {_jumps(known[0])}, {name!r} has "
                    f"{_jumps(branch)} pixels between entries",
                    layer=layer.name,
                    remedy=("give ", INPUT_SIZE, " to analyse one image size"),
                )
        aligned = aligned and all(map(Intervals.has_centre_of, known[0], branch))
        merged = tuple(map(memory.united, merged, branch))
    return merged, aligned


def _reach(step: Step) -> tuple[Intervals, ...] | None:
    return step.intervals or step.half_lines


def _half_lines(
    layer: Layer, branches: list[tuple[Intervals, ...] | None], maps: tuple[AxisMap, ...] | None
) -> tuple[Intervals, ...] | None:
    """Intervals of a layer downstream of one-way layers; None where a branch has no bounds at all, or another jump."""
    known = [b for b in branches if b is not None]
    kind = OPS[layer.op].kind
    if len(known) < len(branches) or kind == "global":
        return None
    if kind == "one_way":
        sides = zip(known[0], layer.params["earlier"], layer.params["later"], strict=True)
        return tuple(i.reaching(bool(before), bool(after)) for i, before, after in sides)
    if maps is not None:
        return tuple(i.apply(m) for i, m in zip(known[0], maps, strict=True))
    axes = list(zip(*known, strict=True))
    if any(i.jump != axis[0].jump for axis in axes for i in axis):
        return None
    return tuple(reduce(Intervals.unite, axis) for axis in axes)


def _jumps(intervals: tuple[Intervals, ...]) -> str:
    return "×".join(str(p) if q == 1 else f"{p}/{q}" for p, q in (i.jump for i in intervals))


Entry = Literal["center"] | int | Sequence[int]


def check_entry(entry: object, size: Size | None, ndim: int, layer: str) -> tuple[int, ...]:
    """Return an entry as one int per axis: inside the map in finite mode (`size` given), any whole number otherwise."""
    if isinstance(entry, str) and entry == "center":
        return tuple(n // 2 for n in size) if size else (0,) * ndim
    values = listed(entry)
    if values is None and ndim == 1:
        values = [entry]
    if values is None or len(values) != ndim:
        raise InputError(f"entry is {shown(entry)}; it must be 'center' or {ndim} whole numbers, one per axis")
    low, high = -(2**31), 2**31
    index = tuple(whole(v, "entry", low, high) for v in values)
    if size and not all(0 <= i < n for i, n in zip(index, size, strict=True)):
        raise InputError(
            f"entry {shown(index)} lies outside the {'×'.join(map(str, size))} map of layer {layer!r}; "
            f"give numbers from 0 to {'×'.join(str(n - 1) for n in size)}"
        )
    return index


def unbounded(layer: str) -> InputError:
    """Return the error of a layer whose footprint is infinite: interior mode, downstream of a global op."""
    return InputError(
        f"layer {layer!r} has a global receptive field, without bounds",
        remedy=("give ", INPUT_SIZE, ", or ", SKIP_GLOBAL_OPS),
    )


def attributes(
    plan: Plan, call: str, entry: str | int | Sequence[int] | None = None, global_ops: GlobalOps = "include"
) -> dict[str, object]:
    """Attrs of a dataset of one network: where it comes from, so that it can be made again."""
    size, network = plan.input_size, plan.network
    return provenance(
        call,
        network,
        mode="finite" if size else "interior",
        global_ops=global_ops,
        input_size=list(size) if size else None,
        entry=listed(entry) or [entry] if not isinstance(entry, str | None) else entry if size else None,
        assumed=[f"{op}: {treatment}" for op, treatment in network.assumed.items()] or None,
        left_out=[f"{what}: {reason}" for what, reason in network.left_out.items()] or None,
        dropped=list(plan.dropped) or None,
    )
