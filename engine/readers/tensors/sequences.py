"""Operators on tensors that are several maps one after another: the handler of the operator runs for each map.

What an operator does along the dim of the maps, its handler says itself: it runs once on stand-ins, of which that dim
is the only axis. The layers that it writes, and where the axis is in what it returns, tell whether each entry reads its
own alone (then the handler runs for each map), whether entries are cut out (then these are taken out of the maps), or
whether all entries are read (then all maps are). Anything else is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Dims,
    Factor,
    UnreadableError,
    length,
    neutral,
    some_of,
    spatial,
    with_dim,
)
from rfscale.engine.readers.tensors.operators.spatial_ops import narrow
from rfscale.engine.readers.tensors.tracking import (
    IMAGE_LAYER,
    Constant,
    Draft,
    Joined,
    Shape,
    Tracked,
    Tracker,
    single_maps,
)

MAX_SEQUENCES = 3  # of different lengths that one operator reads, as many as axes


class Slice(NamedTuple):
    """Entries start, start + step, … of a dim, so many."""

    start: int
    step: int
    size: int


OWN, ALL = "own", "all"  # what an entry reads along a sequence: itself, or every entry; or a `Slice` is cut out
Reads = Mapping[int, frozenset[str | Slice]]  # by the layer that stands for a sequence


class _JoinsError(Exception):
    """Stand-ins are joined along their axis: the operator appends maps."""


class _Probe(Tracker):
    """Runs a handler once on stand-ins for sequences: each different way of cutting a dim is one axis."""

    def __init__(self, k: Tracker, found: Sequence[Joined]) -> None:
        cuts = list(dict.fromkeys(j.lengths for j in found))
        if len(cuts) > MAX_SEQUENCES:
            raise UnreadableError("it combines too many sequences of maps")
        shape = list(k.shape) if isinstance(k.shape, list) else k.shape
        super().__init__(tuple(map(sum, cuts)), k.path, shape, joins_axes=False, has_values=False)
        self.cuts = cuts
        self.sources: dict[int, Joined] = {}  # by layer
        self._stand_ins: list[tuple[Joined, Tracked]] = []
        for j in found:
            axis = cuts.index(j.lengths)
            layer = self.emit("pointwise", [IMAGE_LAYER])
            self.sources[layer] = j
            dims = tuple((Factor(n, axis),) if d == j.dim else neutral(n) for d, n in enumerate(j.shape))
            self._stand_ins.append((j, Tracked(layer, self.image, dims)))

    def join(self, values: Sequence[Any], d: int) -> Joined:
        raise _JoinsError

    def stand_in(self, value: Any) -> Any:
        if isinstance(value, Joined):
            return next(t for j, t in self._stand_ins if j is value)
        if isinstance(value, Tracked):  # constant along the axes, as far as they are concerned
            return Tracked(IMAGE_LAYER, self.image, tuple(map(neutral, value.shape)))
        return value

    def reads(self, layer: int) -> Reads:
        """What the entries of a layer read of each sequence."""
        if layer == IMAGE_LAYER:
            return {}
        if layer in self.sources:
            return {layer: frozenset([OWN])}
        draft = self.drafts[layer]
        out: dict[int, frozenset[str | Slice]] = {}
        for before in draft.sources:
            for source, reads in self.reads(before).items():
                if OPS[draft.op].kind != "merge":
                    axis = self.cuts.index(self.sources[source].lengths)
                    reads = _after(reads, _step(draft, axis, self.map_of(before)[axis]))
                out[source] = out.get(source, frozenset()) | reads
        return out


def _step(draft: Draft, axis: int, n: int) -> str | Slice:
    """What a layer reads of n entries along an axis."""
    m = OPS[draft.op].axis_map(draft.params, axis, n)
    size = draft.size[axis]
    if m.is_identity and size == n:
        return OWN
    if m.reads_all or n == 1 or (m.up >= size and all(set(range(n)) <= set(taps) for taps in m.taps)):
        return ALL
    even = m.progression
    if even is not None and even.taps == 1 and even.start >= 0 and m.border == "zeros":
        return Slice(even.start, m.down, size)
    raise UnreadableError("it acts along a sequence of maps")


def _after(reads: frozenset[str | Slice], step: str | Slice) -> frozenset[str | Slice]:
    if step == OWN or reads == {ALL}:
        return reads
    if reads == {OWN} or (step == ALL and reads <= {OWN, ALL}):
        return frozenset([step])
    raise UnreadableError("it acts along a part of a sequence of maps")


def applied(handler: Callable[..., Any], k: Tracker, *given: Any, **named: Any) -> Any:
    """Return what a handler returns, with `Joined` where an argument is one."""
    found = list({id(j): j for j in _joined_in((given, named))}.values())
    if not found:
        return handler(k, *given, **named)
    probe = _Probe(k, found)
    try:
        out = handler(probe, *_mapped(given, probe.stand_in), **_mapped(named, probe.stand_in))
    except _JoinsError:
        return handler(k, *given, **named)
    outputs = list(out) if isinstance(out, list | tuple) else [out]
    read = [probe.reads(t.layer) if isinstance(t, Tracked) else {} for t in outputs]
    others = [t for t in _tracked_in((given, named)) if not isinstance(t, Joined)]
    if all(reads == frozenset([OWN]) for r in read for reads in r.values()):
        made = _for_each_map(k, handler, given, named, probe, outputs)
    else:
        made = [
            _one_result(k, probe, t, r, others) if isinstance(t, Tracked) else t
            for t, r in zip(outputs, read, strict=True)
        ]
    return made if isinstance(out, list | tuple) else made[0]


# each entry reads its own --------------------------------------------------------------------------------------------


def _for_each_map(
    k: Tracker, handler: Callable[..., Any], given: Any, named: Any, probe: _Probe, outputs: Sequence[Any]
) -> list[Any]:
    """Run the handler for each map, with the shapes of its part, and join what it returns."""
    if len(probe.cuts) > 1:
        raise UnreadableError("it combines sequences of different maps")
    cuts = probe.cuts[0]
    places = [_place(t, cuts) if isinstance(t, Tracked) else None for t in outputs]
    whole, several = k.shape, isinstance(k.shape, list)
    nodes = [v for v in given if isinstance(v, tuple) and hasattr(v, "shapes")]  # with the shapes of all results
    shapes = nodes[0].shapes if nodes else whole if several else [whole]
    parts: list[list[Any]] = []
    for i, (start, n) in enumerate(zip(_starts(cuts), cuts, strict=True)):
        here = [_part_shape(s, p, i) for s, p in zip(shapes, [*places, *[None] * len(shapes)], strict=False)]
        k.shape = here if several else here[0]

        def part(value: Any, i: int = i, start: int = start, n: int = n) -> Any:
            return _part_of(value, i, start, n, probe)

        args, options = _mapped(given, part, here), _mapped(named, part)
        if next(_tracked_in((args, options)), None) is None:
            made: Any = [Constant(s) for s in here]
        else:
            made = handler(k, *args, **options)
        parts.append(list(made) if isinstance(made, list | tuple) else [made])
    k.shape = whole
    out: list[Any] = []
    for o, place in enumerate(places):
        out.append(outputs[o] if place is None else Joined([p[o] for p in parts], place[0]))
    return out


def _place(t: Tracked, cuts: Shape) -> tuple[int, list[int]]:
    """The dim along which the maps lie in what the handler made of a stand-in, and the entries of each."""
    held = [(f, d) for d, dim in enumerate(t.dims) for f in dim if f.axis != NEUTRAL or f.inner]
    if not held or any(f.inner for f, _ in held):
        raise UnreadableError("it mixes a sequence of maps with other entries")
    outer, d = max(held, key=lambda pair: pair[0].stride)
    rest = length(t.dims[d]) // outer.size
    if t.dims[d][0] != outer or any(n % outer.stride for n in cuts) or outer.size * outer.stride != sum(cuts):
        raise UnreadableError("its view cuts across the maps of a sequence")
    return d, [n // outer.stride * rest for n in cuts]


def _part_shape(shape: Any, place: tuple[int, list[int]] | None, i: int) -> Any:
    return shape if place is None or shape is None else (*shape[: place[0]], place[1][i], *shape[place[0] + 1 :])


def _part_of(value: Any, i: int, start: int, n: int, probe: _Probe) -> Any:
    """What an argument is for one of the maps: its part, or that of a constant of the whole length there."""
    if isinstance(value, Joined):
        return value.parts[i]
    if isinstance(value, Tracked | Constant):
        total = probe.image[0]
        for j in probe.sources.values():
            d = len(value.shape) - (len(j.shape) - j.dim)
            if 0 <= d < len(value.shape) and value.shape[d] == total:
                return _narrowed(value, d, start, n)
    return value


def _narrowed(value: Tracked | Constant, d: int, start: int, n: int) -> Tracked | Constant:
    if isinstance(value, Tracked):
        dim = value.dims[d]
        return value if spatial(dim) else replace(value, dims=with_dim(value.dims, d, some_of(dim, n)))
    part = (slice(None),) * d + (slice(start, start + n),)
    known = value.value is not None and getattr(value.value, "shape", None) == tuple(value.shape)
    shape = (*value.shape[:d], n, *value.shape[d + 1 :])
    return replace(value, shape=shape, value=value.value[part] if known else None)


# entries are cut out, or all are read -------------------------------------------------------------------------------


def _one_result(k: Tracker, probe: _Probe, t: Tracked, reads: Reads, others: Sequence[Tracked]) -> Any:
    cut = [r for each in reads.values() for r in each if isinstance(r, Slice)]
    if cut:
        (source, only), *rest = reads.items()
        if rest or len(only) > 1 or others:
            raise UnreadableError("it cuts a sequence of maps and combines it with others")
        return _cut(k, probe, t, probe.sources[source], cut[0])
    return _reading_all(k, probe, t, reads, others)


def _cut(k: Tracker, probe: _Probe, t: Tracked, j: Joined, cut: Slice) -> Any:
    """Some entries of a sequence: whole maps, or parts of them."""
    before = tuple(neutral(n) for n in j.shape)
    kept = with_dim(before, j.dim, (Factor(cut.size, probe.cuts.index(j.lengths)),) if cut.size > 1 else ())
    gone = with_dim(before, j.dim)
    if cut.size == 1 and len(t.dims) == len(before) and length(t.dims[j.dim]) == 1:  # an axis of one entry
        t = replace(t, dims=with_dim(t.dims, j.dim, ()))
    if t.dims not in (kept, gone):
        raise UnreadableError("it cuts a sequence of maps and lays it out anew")
    last = cut.start + (cut.size - 1) * cut.step
    parts: list[Tracked | Constant] = []
    for start, n, part in zip(_starts(j.lengths), j.lengths, j.parts, strict=True):
        first = cut.start if cut.start >= start else cut.start + -(-(start - cut.start) // cut.step) * cut.step
        stop = min(last, start + n - 1) + 1
        if first < stop:
            parts.append(_taken(k, part, j.dim, first - start, stop - start, cut.step))
    if t.dims != kept:
        (only,) = parts
        return _without(only, j.dim)
    return parts[0] if len(parts) == 1 else Joined(parts, j.dim)


def _taken(k: Tracker, part: Tracked | Constant, d: int, start: int, stop: int, step: int) -> Tracked | Constant:
    if isinstance(part, Tracked):
        return narrow(k, part, d, start, stop, step)
    return Constant((*part.shape[:d], -(-(stop - start) // step), *part.shape[d + 1 :]))


def _without(part: Tracked | Constant, d: int) -> Tracked | Constant:
    if isinstance(part, Tracked):
        return replace(part, dims=with_dim(part.dims, d))
    return Constant((*part.shape[:d], *part.shape[d + 1 :]))


def _reading_all(k: Tracker, probe: _Probe, t: Tracked, reads: Reads, others: Sequence[Tracked]) -> Any:
    """All entries of some sequences, for each entry of what is returned, which may lie along a sequence itself."""
    if any(spatial(dim) for o in others for dim in o.dims):
        raise UnreadableError("it reads a sequence of maps and another map")
    everywhere = list(others)
    for source, each in reads.items():
        if ALL in each:
            j = probe.sources[source]
            everywhere += [_whole(k, part, j.dim) for part in single_maps(j)]
    along = next((dim[0].axis for dim in t.dims for _ in spatial(dim)), None)
    if along is None:
        if any(each != {ALL} for each in reads.values()):
            raise UnreadableError("it picks entries of a sequence of maps")
        return k.merge("add", everywhere, tuple(map(neutral, t.shape)))
    d, sizes = _place(t, probe.cuts[along])
    kept = [probe.sources[source] for source, each in reads.items() if OWN in each]
    if any(j.lengths != probe.cuts[along] for j in kept):
        raise UnreadableError("it combines sequences of different maps")
    parts = []
    for i, n in enumerate(sizes):
        dims: Dims = tuple(map(neutral, (*t.shape[:d], n, *t.shape[d + 1 :])))
        own: list[Tracked] = []
        for j in kept:
            part = j.parts[i]
            if isinstance(part, Tracked):
                own.append(_checked(part, j.dim))
                dims = with_dim(dims, d, part.dims[j.dim])
        if length(dims[d]) != n:
            raise UnreadableError("it lays the maps of a sequence out anew and reads all of them")
        parts.append(k.merge("add", [*own, *everywhere], dims))
    return Joined(parts, d)


def _checked(part: Tracked, d: int) -> Tracked:
    if any(spatial(dim) for e, dim in enumerate(part.dims) if e != d):
        raise UnreadableError("it reads all of a sequence of maps whose other dims hold pixels")
    return part


def _whole(k: Tracker, part: Tracked, d: int) -> Tracked:
    """All entries of a map, as one."""
    return k.reduce(_checked(part, d), [d])


# arguments ----------------------------------------------------------------------------------------------------------


def _starts(lengths: Sequence[int]) -> list[int]:
    return [sum(lengths[:i]) for i in range(len(lengths))]


def _tracked_in(value: Any) -> Iterator[Tracked]:
    if isinstance(value, Tracked):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _tracked_in(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from _tracked_in(v)


def _joined_in(value: Any) -> Iterator[Joined]:
    return (t for t in _tracked_in(value) if isinstance(t, Joined))


def _mapped(value: Any, change: Callable[[Any], Any], shapes: list[Any] | None = None) -> Any:
    """Arguments with tensors changed; where an argument holds the shapes of the results itself, with those."""
    if isinstance(value, Tracked | Constant):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(v, change) for key, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        made: Any = type(value)(*(_mapped(v, change) for v in value))
        return made._replace(shapes=shapes) if shapes is not None and hasattr(made, "shapes") else made
    if isinstance(value, list | tuple):
        return type(value)(_mapped(v, change, shapes) for v in value)
    return value
