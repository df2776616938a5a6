"""Write a network while tensors pass by: what torch and ONNX operators do to maps, and where the axes are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Size
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import MAX_LAYERS, layer_params
from rfscale.engine.readers.tensors.broadcasts import Reads, all_alike, reconciled, repeated_on_the_map
from rfscale.engine.readers.tensors.combined import Arrangement, common, still_arranged, still_scores
from rfscale.engine.readers.tensors.layout import (
    ALL_OF_IT,
    NO_PLACE,
    Dims,
    UnreadableError,
    in_blocks,
    length,
    lengthened,
    neutral,
    one_per_axis,
    restrided,
    spatial,
    whole_axis,
    with_tokens,
)

Shape = tuple[int, ...]
IMAGE_LAYER = -1
_SHARED = ("global_pool", "window_attention", "slice", "resize", "space_to_depth", "pixel_shuffle")


@dataclass(frozen=True)
class Tracked:
    """A tensor that depends on the image: entry by entry what one layer holds, its axes laid out over dims.

    An axis that no dim carries does not matter: the map is constant along it, or one entry wide.
    """

    layer: int
    map: Size
    dims: Dims

    @cached_property
    def shape(self) -> Shape:
        return tuple(length(d) for d in self.dims)


@dataclass(frozen=True)
class Constant:
    """A tensor that does not depend on the image.

    Attributes
    ----------
    shape : tuple of int
    value : numpy array, optional
        Only where a reader needs it.
    taps : numpy array of bool, optional
        Of weights, over the kernel's axes: the taps that a mask leaves; None for all.
    varies : bool
        The value comes from parameters, which training changes, or from chance.
    """

    shape: Shape
    value: Any = None
    taps: Any = None
    varies: bool = False


class Joined(Tracked):
    """Maps one after another along one dim, such as the levels of a pyramid, flattened: no single layer holds them.

    Only `calls.guarded` and what joins tensors know of it.

    Attributes
    ----------
    parts : tuple of Tracked or Constant
        Of one shape but along `dim`.
    dim : int
        Not negative.
    """

    parts: tuple[Tracked | Constant, ...]
    dim: int

    def __init__(self, parts: Iterable[Tracked | Constant], dim: int) -> None:
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "dim", dim)

    @property
    def lengths(self) -> Shape:
        """Entries of each part along the dim."""
        return tuple(part.shape[self.dim] for part in self.parts)

    @property
    def shape(self) -> Shape:
        first = self.parts[0].shape
        return (*first[: self.dim], sum(self.lengths), *first[self.dim + 1 :])

    def __repr__(self) -> str:
        return f"Joined(parts={self.parts!r}, dim={self.dim})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Joined) and (self.parts, self.dim) == (other.parts, other.dim)

    def __hash__(self) -> int:
        return hash((self.parts, self.dim))


def single_maps(value: object) -> list[Tracked]:
    """Return the tensors of single layers that a value is made of; none for what does not depend on the image."""
    parts = value.parts if isinstance(value, Joined) else (value,)
    return [part for part in parts if isinstance(part, Tracked)]


class Stop(NamedTuple):
    """An operator at which the analysis ends.

    Attributes
    ----------
    node : str
    operator : str
    reason : str
        Why it cannot be read; empty where nothing is known of the operator.
    """

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, eq=False)
class Unknown:
    """What an unknown operator returns: all that is computed from it is unknown too, and not reported again.

    Attributes
    ----------
    read : sequence
        The values that it was computed from: those that are known are the last before it.
    stop : Stop, optional
        The operator that is unknown; None for what is computed from others that are.
    """

    read: Sequence[Any] = ()
    stop: Stop | None = None


@dataclass
class Draft:
    """One layer that a tracker has written."""

    op: str
    sources: tuple[int, ...]
    params: dict[str, Any]
    path: str
    size: Size
    is_global: bool
    before: int | None = None  # channels that a weighted layer reads


@dataclass
class Tracker:
    """The network being written, and the operations on tensors that write it.

    Attributes
    ----------
    image : tuple of int
    path : str
        Module of the node at hand; layers are named by it.
    shape : tuple of int
        Shape of the tensor that the node at hand returns; a list of shapes where it returns several.
    holds_joined : bool
        Whether any tensor is a `Joined`.
    joins_axes : bool
        Whether tensors one after another along an axis become one map where they can.
    has_values : bool
        Whether constants are laid out as its maps are, so that their values count.
    unsettled : set of (Dims, Size)
        Layouts of which no layer has the very shape.
    coverage : dict of int to Reads
        What the entries of layers read of their inputs, where that was asked.
    arrangements : list of Arrangement
        By the numbers, from 1, that factors hold.
    pieces : dict
        Cut out of them.
    scores : list of `left_out.Scores`
        By the numbers, from 1, that factors hold.
    products : set of int
        Layers of which entries are weighed by constants, as queries that are constant do with keys.
    low : set of int
        Layers of which some entries are so far below zero that softmax leaves nothing of what they weigh.
    masked : dict of int to `left_out.Masked`
        What a mask leaves of scores, by the layers that stand for these: no other layer may read them.
    turned : dict of (int, Dims) to callable
        Scores whose keys and queries are exchanged, by the layers and dims of those that were read: they are made where
        the model's sum over one of both says that these are the keys.
    """

    image: Size
    path: str = ""
    shape: Any = ()
    drafts: list[Draft] = field(default_factory=list)
    holds_joined: bool = False
    joins_axes: bool = True
    has_values: bool = True
    unsettled: set[tuple[Dims, Size]] = field(default_factory=set)
    coverage: dict[int, Reads] = field(default_factory=dict)
    arrangements: list[Arrangement] = field(default_factory=list)
    pieces: dict[object, Tracked] = field(default_factory=dict)
    scores: list[Any] = field(default_factory=list)
    products: set[int] = field(default_factory=set)
    low: set[int] = field(default_factory=set)
    masked: dict[int, Any] = field(default_factory=dict)
    turned: dict[tuple[int, Dims], Callable[[], Tracked]] = field(default_factory=dict)
    _cache: dict[object, int] = field(default_factory=dict)

    # layers
    def map_of(self, layer: int) -> Size:
        """Entries per axis of a layer; -1 is the image."""
        return self.drafts[layer].size if layer >= 0 else self.image

    def base(self, layer: int) -> int:
        """The layer whose entries a layer reads one by one, at any distance: what linear layers over channels read."""
        while layer != IMAGE_LAYER:
            draft = self.drafts[layer]
            op, (source, *more) = OPS[draft.op], draft.sources
            maps = [op.axis_map(draft.params, a, n) for a, n in enumerate(self.map_of(source))]
            if more or op.kind != "map" or self.map_of(source) != draft.size or not all(m.is_identity for m in maps):
                return layer
            layer = source
        return layer

    def pools(self, layer: int, base: int) -> bool:
        """Whether a layer is made of all entries of another that has this base, as one."""
        draft = self.drafts[n] if (n := self.base(layer)) >= 0 else None
        return draft is not None and draft.op == "global_pool" and self.base(draft.sources[0]) == base

    def emit(self, op: str, sources: Sequence[int], before: int | None = None, **given: Any) -> int:
        """Write one layer and return its number.

        Raises
        ------
        UnreadableError
            Where the vocabulary has no such op or parameter value, or the sizes do not fit.
        """
        if len(self.drafts) >= MAX_LAYERS:
            raise InputError(f"the model makes more than {MAX_LAYERS} layers, the most that are supported")
        ndim = len(self.image)
        if self.masked and not self.masked.keys().isdisjoint(sources):
            raise UnreadableError("its mask leaves each query other keys")
        if op not in OPS:
            raise UnreadableError(f"no layer {op!r} exists")
        kind = OPS[op].kind
        try:
            params = layer_params(op, given, "the layer", ndim)
            size = self.map_of(sources[0])
            if kind != "merge":
                size = tuple(OPS[op].size(params, a, n) for a, n in enumerate(size))
            else:
                size = max((self.map_of(s) for s in sources), key=prod)
        except InputError as error:
            raise UnreadableError(str(error)) from None
        if min(size) < 1:
            raise UnreadableError(f"{op} leaves nothing of the map")
        is_global = kind == "global" or all(s >= 0 and self.drafts[s].is_global for s in sources)
        self.drafts.append(Draft(op, tuple(sources), params, self.path, size, is_global, before))
        return len(self.drafts) - 1

    def after(self, t: Tracked, op: str, dims: Dims, before: int | None = None, **given: Any) -> Tracked:
        """Write one layer that reads a tensor; layers without a name of their own in the model are written once."""
        key = (t.layer, op, repr(sorted(given.items()))) if op in _SHARED else None
        layer = self._cache.get(key) if key else None
        if layer is None:
            layer = self.emit(op, [t.layer], before, **given)
            if key:
                self._cache[key] = layer
        return Tracked(layer, self.map_of(layer), dims)

    def merge(self, op: str, parts: Sequence[Tracked], dims: Dims) -> Tracked:
        """Unite maps, spread to one size where some are one entry wide along an axis."""
        parts = list({p.layer: p for p in parts}.values())
        if len(parts) == 1:
            return replace(parts[0], dims=dims)
        size = tuple(max(p.map[a] for p in parts) for a in range(len(self.image)))
        layers = [self._spread(p, size).layer for p in parts]
        layer = self.emit(op, layers)
        return Tracked(layer, self.map_of(layer), dims)

    def _spread(self, t: Tracked, size: Size) -> Tracked:
        if t.map == size or (t.layer >= 0 and self.drafts[t.layer].is_global and max(t.map) == 1):
            return t
        if any(m not in (1, n) for m, n in zip(t.map, size, strict=True)):
            raise UnreadableError(
                f"it merges maps of {'×'.join(map(str, t.map))} and {'×'.join(map(str, size))} entries"
            )
        return self.after(t, "resize", t.dims, size=size)

    # what mixes entries

    def elementwise(self, values: Iterable[object], op: str = "add", shape: Shape | None = None) -> Any:
        """An operation entry by entry on tensors that broadcast; constants make a constant."""
        shape = self.shape if shape is None else shape
        given = [v for v in values if isinstance(v, Tracked)]
        if not given:
            return Constant(shape)
        parts = given
        if len(parts) > 1:
            parts = self.aligned(parts)
        elif parts[0].shape == shape:
            return parts[0]
        try:
            dims = common([p.dims for p in parts], shape)
        except UnreadableError:
            parts = reconciled(self, parts, shape)
            dims = common([p.dims for p in parts], shape)
        out = self.merge(op, parts, dims)
        if self.scores and len(parts) > 1:
            out = still_scores(out, parts, self.scores)
        if self.turned:
            self._also_turned(out, given, op, shape)
        return still_arranged(out, parts, self.arrangements) if self.arrangements and len(parts) > 1 else out

    def _also_turned(self, out: Tracked, values: Iterable[Tracked], op: str, shape: Shape) -> None:
        """What an operation makes of scores that are turned."""
        every = {(v.layer, v.dims): v for v in values}
        scores = every.keys() & self.turned.keys()
        if scores and (out.layer, out.dims) not in every:
            self.turned[out.layer, out.dims] = lambda: self.elementwise(
                [self.turned[key]() if key in scores else v for key, v in every.items()], op, shape
            )

    def aligned(self, parts: Sequence[Tracked]) -> list[Tracked]:
        """Bring maps to one size where one has an entry for each block of another: the entry repeated."""
        if all(p.map == parts[0].map for p in parts):
            return list(parts)
        size = tuple(max((p.map[a] for p in parts), default=1) for a in range(len(self.image)))
        out = []
        for p in parts:
            p = p if p.map == size else repeated_on_the_map(self, p)
            scale = [n // m if m > 1 and n % m == 0 else 1 for m, n in zip(p.map, size, strict=True)]
            grown = max(scale) > 1
            out.append(self.after(p, "upsample", lengthened(p.dims, scale), scale=scale) if grown else p)
        return out

    def join(self, values: Sequence[Any], d: int) -> Joined:
        """Put tensors one after another along a dim where no one map holds them all."""
        parts: list[Any] = []
        for v in values:
            if isinstance(v, Joined) and v.dim != d:
                raise UnreadableError("it joins sequences of maps along another dim")
            parts += v.parts if isinstance(v, Joined) else [v]
        self.holds_joined = True
        return Joined(parts, d)

    def reduce(self, t: Tracked, which: Iterable[int], op: str = "avg_pool", shrink: bool = True) -> Tracked:
        """Mix all entries along some dims, which become one entry long.

        Without `shrink` the map keeps its size, so that it can be merged with maps that keep their entries.
        """
        gone = {d % len(t.dims) for d in which}
        tokens = {n for d in gone for f in t.dims[d] for n in f.extra if n >= 0 and f.stride != NO_PLACE}
        if tokens:
            out = self.reduce(replace(t, dims=tuple(with_tokens(dim, ()) for dim in t.dims)), gone, op, shrink)
            more = [n for n in sorted(tokens) if not (out.layer >= 0 and self.pools(n, self.base(t.layer)))]
            return self.merge("add", [out, *(Tracked(n, self.map_of(n), ()) for n in more)], out.dims)
        factors = [f for d in gone for f in spatial(t.dims[d]) if f.size > 1]
        dims = tuple(() if d in gone else dim for d, dim in enumerate(t.dims))
        if not factors:
            return replace(t, dims=dims)
        rest = {f.axis for dim in dims for f in spatial(dim)}
        seen = [prod(f.size for f in factors if f.axis == a) for a in range(len(t.map))]
        if not rest:  # all that the tensor holds of every axis: along the parts that no dim carries the map is constant
            return self.after(t, "global_pool", all_alike(self, t, dims))
        gone_axes = {f.axis for f in factors}
        lowest = all(f.stride == 1 for f in factors) and len(gone_axes) == len(factors)
        if op == "space_to_depth" and lowest:
            return self.after(t, op, restrided(dims, seen), scale=seen)
        if shrink and lowest and in_blocks(dims, seen) and all(n % s == 0 for n, s in zip(t.map, seen, strict=True)):
            return self.after(t, op, restrided(dims, seen), kernel=seen, stride=seen)
        return replace(self.mix(t, factors), dims=dims)

    def reduction(self, t: Tracked, which: Iterable[int]) -> Tracked:
        """`reduce` for an operator that may leave out the dims of one entry: the node's shape decides."""
        gone = {d % len(t.dims) for d in which}
        out = self.reduce(t, gone)
        if len(self.shape) == len(t.dims):
            return out
        return replace(out, dims=tuple(dim for d, dim in enumerate(out.dims) if d not in gone))

    def mix(self, t: Tracked, factors: Iterable[Any]) -> Tracked:
        """Let each entry see all that differ from it in these factors only; the map keeps its size."""
        for step in one_per_axis(factors):
            window = [step[a].size if a in step else 1 for a in range(len(t.map))]
            dilation = [step[a].stride if a in step else 1 for a in range(len(t.map))]
            given: dict[str, Any] = {} if max(dilation) == 1 else {"dilation": dilation}
            t = self.after(t, "window_attention", t.dims, window=window, **given)
        return t

    def statistic(self, t: Tracked, which: Iterable[int]) -> Tracked:
        """Scale every entry by what some dims hold together: norms, softmax."""
        which = [d % len(t.dims) for d in which]
        # what one entry holds is in all of them then
        t = replace(
            t, dims=tuple(neutral(length(x)) if d in which and not spatial(x) else x for d, x in enumerate(t.dims))
        )
        if not any(spatial(t.dims[d]) for d in which):
            return t
        seen = self.reduce(t, which, shrink=False)
        dims = tuple(with_tokens(dim, (ALL_OF_IT,)) if d in which else dim for d, dim in enumerate(t.dims))
        if max(seen.map) > 1 or max(t.map) == 1:
            return replace(seen, dims=dims)
        return self.merge("multiply", [t, seen], dims)


def axis_values(axes: Sequence[int | None], values: Sequence[int], ndim: int, default: int) -> list[int]:
    """One value per axis of the network from one per dim of an operator."""
    out = [default] * ndim
    for axis, value in zip(axes, values, strict=True):
        if axis is not None:
            out[axis] = value
    return out


def image_tracker(shape: Shape, axes: Sequence[int] | None = None) -> tuple[Tracker, Tracked, int]:
    """Return a tracker, the image as a tensor, and its channels; `axes` says which dims are spatial."""
    dims = list(range(2, len(shape))) if axes is None else [a % len(shape) for a in axes]
    if not 1 <= len(dims) <= 3:
        raise InputError(f"the image has shape {'×'.join(map(str, shape))}; it needs 1, 2 or 3 spatial axes after N, C")
    size = tuple(shape[d] for d in dims)
    if min(shape) < 1:
        raise InputError(f"the image has shape {'×'.join(map(str, shape))}; every size must be at least 1")
    layout = tuple(whole_axis(dims.index(d), n) if d in dims else neutral(n) for d, n in enumerate(shape))
    others = [n for d, n in enumerate(shape) if d not in dims]
    return Tracker(size), Tracked(IMAGE_LAYER, size, layout), others[-1] if others else 1
