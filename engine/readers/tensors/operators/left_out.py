"""Entries that a constant leaves out of a tensor: multiplied by zero, replaced by a number, or masked before softmax.

What is left out of a map holds nothing of the image. Scores of keys are beside those of queries, all at once (see
`broadcasts.keys`): what a mask leaves of them is kept as a relation between the entries of each axis until the scores
weigh values. Until then no layer may read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    NO_PLACE,
    Dim,
    Dims,
    Factor,
    UnreadableError,
    has_no_place,
    length,
    mixed,
    spatial,
    weights_of,
    with_dim,
    without_place,
)
from rfscale.engine.readers.tensors.operators.spatial_ops import inside
from rfscale.engine.readers.tensors.relations import Relation, related
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

NO_WEIGHT = -1e4  # a number added to a score from which on its weight is zero
OTHER_KEYS = "its mask leaves each query other keys"


def without_entries(k: Tracker, t: Tracked, gone: np.ndarray, low: float = 0) -> Any:
    """Return a tensor of which a constant takes the place of some entries, or takes them out by a zero.

    Parameters
    ----------
    gone : numpy array of bool
        It broadcasts to the shape of the tensor.
    low : float
        What takes the place of scores, or is added to them: 0, or a number so far below zero that softmax leaves none.
    """
    gone = gone[(0,) * max(0, gone.ndim - len(t.shape))]
    if not gone.any():
        return t
    if gone.all():
        return Constant(t.shape)
    if t.layer in k.masked or any(map(has_no_place, t.dims)):
        return _without_scores(k, t, gone, low)
    if any(map(weights_of, t.dims)):
        return _without_weights(k, t, gone)
    if not k.has_values:  # of a sequence of maps, each has its part of the constant
        return t
    kept, dims = _channels_apart(t, gone, [d for d, dim in enumerate(t.dims) if not spatial(dim)])
    out = t if kept.all() else inside(k, t, _on_the_map(t, kept))
    return replace(out, dims=dims)


def _channels_apart(t: Tracked, gone: np.ndarray, channels: Sequence[int]) -> tuple[np.ndarray, Dims]:
    """What a constant leaves of any channel, and the dims: marked where it leaves more of some channels."""
    kept: Any = ~gone.reshape((1,) * (len(t.shape) - gone.ndim) + gone.shape)
    dims = t.dims
    for d in channels:
        some = kept.any(d, keepdims=True)
        if not (kept == some).all():
            dims = with_dim(dims, d, mixed(length(dims[d]), some_gone=True))
        kept = some
    return kept, dims


def known_numbers(c: Any) -> np.ndarray | None:
    """What a constant or a number of Python is; None where it is not known, or is trained."""
    value = c.value if isinstance(c, Constant) and not c.varies else c
    return np.asarray(value) if isinstance(value, int | float | np.ndarray | np.generic) else None


def scaled(c: Any, by: Any) -> Any:
    """A constant times a number other than zero, where both are known; else None."""
    value = known_numbers(c)
    if value is None or value.dtype.kind not in "biuf" or not isinstance(by, int | float) or by == 0:
        return None
    return Constant(value.shape, value.astype(float) * by)


def added(k: Tracker, total: Any, terms: Sequence[Any]) -> Any:
    """A sum of a tensor and others: a constant of minus infinity leaves nothing of it, one far below zero no score."""
    for c in terms:
        value = known_numbers(c) if isinstance(c, Constant) else None
        if isinstance(total, Tracked) and value is not None and value.dtype.kind in "iuf":
            nothing, no_weight = np.isneginf(value), weightless(total, value)
            low = -np.inf if (nothing == no_weight).all() else NO_WEIGHT
            total = _masked(k, total, value <= NO_WEIGHT, no_weight, nothing, low)
    return total


def weightless(t: Tracked, value: np.ndarray) -> np.ndarray:
    """Which scores have no weight where a constant is added to them: what is far below another key of its query.

    What is added to all keys of a query alike changes nothing, however far below zero it is.
    """
    value = np.asarray(value, float)
    axis = _axis_of_keys(t, value)
    return np.isneginf(value) if axis is None else far_below(value, axis)


def far_below(value: np.ndarray, axis: int) -> np.ndarray:
    """Which numbers are so far below the largest along an axis that softmax gives them no weight."""
    top = value.max(axis, keepdims=True)
    return np.isneginf(value) | ((value <= top + NO_WEIGHT) & (value < top))


def _axis_of_keys(t: Tracked, value: np.ndarray) -> int | None:
    """The axis of an array along which the keys are that a tensor's scores have; None where it has one entry there."""
    found = [d - len(t.dims) for d, dim in enumerate(t.dims) if has_no_place(dim)]
    if len(found) != 1 or value.ndim < -found[0] or value.shape[found[0]] == 1:
        return None
    return found[0]


def _masked(k: Tracker, t: Tracked, far: np.ndarray, no_weight: np.ndarray, nothing: np.ndarray, low: float) -> Any:
    """A tensor with numbers far below zero: scores of no weight, and of any other tensor entries that hold nothing."""
    if t.layer in k.masked or any(map(has_no_place, t.dims)):
        return without_entries(k, t, no_weight, low)
    if t.layer in k.products and far.any() and not far.all():
        raise UnreadableError("its mask leaves out some keys")
    out = without_entries(k, t, nothing)
    if isinstance(out, Tracked) and far.any() and k.has_values:
        full = np.broadcast_to(far[(0,) * max(0, far.ndim - len(t.dims))], t.shape)
        if any((full != full.take([0], d)).any() for d, dim in enumerate(t.dims) if spatial(dim)):
            out = replace(out, layer=k.emit("pointwise", [t.layer]) if out.layer == t.layer else out.layer)
            k.low.add(out.layer)
    return out


def multiplied(k: Tracker, total: Any, factors: Sequence[Any]) -> Any:
    """A product of a tensor and others: a constant of zeros and one other number is a mask."""
    for c in factors:
        value = known_numbers(c) if isinstance(c, Constant) else None
        if isinstance(total, Tracked) and value is not None:
            zero, is_score = value == 0, any(has_no_place(dim) or weights_of(dim) for dim in total.dims)
            if zero.any() and (is_score or len(others := value[~zero]) == 0 or (others == others[0]).all()):
                total = without_entries(k, total, zero)
    return total


def chosen(k: Tracker, condition: Any, yes: Any, no: Any) -> Any:
    """One tensor or number where a condition holds, and another elsewhere."""
    known = condition.value if isinstance(condition, Constant) and not condition.varies else None
    if known is None:
        return k.elementwise([condition, yes, no])
    known = np.asarray(known, bool)
    kept = []
    for side, other, gone in ((yes, no, ~known), (no, yes, known)):
        if isinstance(side, Tracked) and gone.any():
            side = _replaced(k, k.elementwise([side]), gone, None if isinstance(other, Tracked) else other)
        kept.append(side)
    return k.elementwise(kept)


def _replaced(k: Tracker, t: Tracked, gone: np.ndarray, other: Any) -> Any:
    """A tensor of which something else takes the place of some entries: a constant or number, or another tensor (None).

    A number takes the place of a score, and the score has weight; but no number far below zero.
    """
    value = other.value if isinstance(other, Constant) else other
    value = None if value is None or np.ndim(value) > gone.ndim else np.broadcast_to(value, gone.shape)
    nothing = value is not None and not value[gone].any() and not getattr(other, "varies", False)
    if value is not None and (value[gone] <= NO_WEIGHT).all():
        none = gone & np.isneginf(value)
        axis = _axis_of_keys(t, gone)
        all_alike = gone.all(axis, keepdims=True) if axis is not None else gone  # then softmax has nothing else
        low = -np.inf if np.isneginf(value[gone]).all() else NO_WEIGHT
        return _masked(k, t, gone, none | (gone & ~all_alike), gone, low)
    if any(map(weights_of, t.dims)) and not nothing and not gone.all():
        raise UnreadableError("it replaces some weights of keys")
    if not any(map(has_no_place, t.dims)) or gone.all():
        return without_entries(k, t, gone)
    if value is None or not (np.abs(value[gone]) < -NO_WEIGHT).all():
        raise UnreadableError("it replaces some scores")
    out = _without_scores(k, t, gone, 0)
    return out if nothing else with_weight(k, out)


def _factors(dims: Dims, kept: np.ndarray) -> tuple[list[Factor], np.ndarray]:
    """The parts of the axes that some dims carry, and what is kept, with a dim for each of them."""
    if any(f.inner for dim in dims for f in dim):
        raise UnreadableError("it leaves out entries of a sequence with extra tokens")
    full = np.broadcast_to(kept, [length(dim) if spatial(dim) else 1 for dim in dims])
    parts = [f for dim in dims if spatial(dim) for f in dim]
    full = full.reshape([f.size for f in parts])
    for at, f in reversed(list(enumerate(parts))):
        if f.axis == NEUTRAL:
            if (full != full.any(at, keepdims=True)).any():
                raise UnreadableError("it leaves out some of the entries that a view repeats")
            full = np.asarray(full.any(at))
    return [f for f in parts if f.axis != NEUTRAL], full


def _on_the_map(t: Tracked, kept: np.ndarray) -> np.ndarray:
    """Which entries of the map are kept."""
    parts, full = _factors(t.dims, kept)
    order = sorted(range(len(parts)), key=lambda i: (parts[i].axis, -parts[i].stride))
    size = [1] * len(t.map)
    for f in parts:
        size[f.axis] *= f.size
    if any(n not in (1, m) for n, m in zip(size, t.map, strict=True)):
        raise UnreadableError("it leaves out entries of a part of a map")
    return np.broadcast_to(full.transpose(order).reshape(size), t.map)


# scores ---------------------------------------------------------------------------------------------------------------


class Scores(NamedTuple):
    """Scores of the entries of a map by those of others: each query beside all keys at once.

    Attributes
    ----------
    query, key : Tracked
        As the scores read them.
    keys : Dim
        How the entries that are read at once lie on the axes.
    layer : int
        That holds the scores: what another one makes of them may have other queries.
    beside : tuple of Tracked
        What was added to all scores of a query, or scales them.
    """

    query: Tracked
    key: Tracked
    keys: Dim
    layer: int
    beside: tuple[Tracked, ...] = ()


class Masked(NamedTuple):
    """Scores of which a mask leaves some.

    Attributes
    ----------
    scores : Scores
    relations : tuple of Relation
        Which entries of each axis the queries at each entry read.
    low : float
        What the others are: 0 where they are weights; before softmax minus infinity, or `NO_WEIGHT` or less.
    own : Tracked, optional
        What the weights read, where softmax was before the mask. The relations, none where they are not known, are then
        of the values alone.
    """

    scores: Scores
    relations: tuple[Relation, ...]
    low: float
    own: Tracked | None = None


def _without_scores(k: Tracker, t: Tracked, gone: np.ndarray, low: float) -> Tracked:
    """Scores of which some have no weight."""
    turned = k.turned.get((t.layer, t.dims))
    try:
        out = _of_queries(k, t, gone, low)
    except UnreadableError:
        if turned is None:
            raise
        return _of_queries(k, turned(), gone, low)
    if turned is not None:
        k.turned[out.layer, out.dims] = lambda: _of_queries(k, turned(), gone, low)
    return out


def _of_queries(k: Tracker, t: Tracked, gone: np.ndarray, low: float) -> Tracked:
    numbers = [(d, dim[0].number) for d, dim in enumerate(t.dims) if len(dim) == 1 and dim[0].stride == NO_PLACE]
    if t.layer in k.masked or len(numbers) != 1 or not numbers[0][1]:
        raise UnreadableError(OTHER_KEYS)
    ((d, number),) = numbers
    scores = k.scores[number - 1]
    kept, dims = _channels_apart(t, gone, [e for e, dim in enumerate(t.dims) if e != d and not spatial(dim)])
    relations = _relations(t, d, scores.keys, kept)
    if all(r is None for r in relations):
        return replace(t, dims=dims)
    if t.layer != scores.layer or any(part.map != t.map for part in (scores.query, scores.key, *scores.beside)):
        raise UnreadableError(OTHER_KEYS)
    masked = Masked(scores, tuple(relations), low)
    read = _read(k, masked, [scores.key], dims)
    out = k.after(read, "pointwise", dims)  # a layer that no other tensor has
    k.masked[out.layer] = masked
    return out


def _without_weights(k: Tracker, t: Tracked, gone: np.ndarray) -> Tracked:
    """Weights, as softmax makes them of all scores of a query, of which some become zero."""
    (d,) = [d for d, dim in enumerate(t.dims) if weights_of(dim)]
    if not np.broadcast_to(~gone, t.shape).any(d).all():
        raise UnreadableError("it takes all weights of some queries")
    kept, dims = _channels_apart(t, gone, [e for e, dim in enumerate(t.dims) if e != d and not spatial(dim)])
    scores = k.scores[weights_of(t.dims[d]) - 1]
    relations: list[Relation] = []
    if scores.key.map == t.map:
        with suppress(UnreadableError):  # the weights may read all that the values do
            relations = _relations(t, d, scores.keys, kept)
    layer = k.emit("pointwise", [t.layer])
    k.masked[layer] = Masked(scores, tuple(relations), 0, t)
    return Tracked(layer, t.map, dims)


def with_weight(k: Tracker, t: Tracked) -> Tracked:
    """Masked scores in whose place are numbers that have weight: their keys are not read, but the values there are."""
    if t.layer not in k.masked:
        return t
    if k.masked[t.layer].own is not None:
        raise UnreadableError("it takes softmax of masked weights")
    if any(r is not None and not r.any(1).all() for r in k.masked[t.layer].relations):
        raise UnreadableError("it replaces all scores of some queries")
    dims = tuple(without_place(length(dim)) if has_no_place(dim) else dim for dim in t.dims)
    out = Tracked(k.emit("pointwise", k.drafts[t.layer].sources), t.map, dims)
    turned = k.turned.get((t.layer, t.dims))
    if turned is not None:
        k.turned[out.layer, out.dims] = lambda: with_weight(k, turned())
    return out


def _relations(t: Tracked, d: int, keys: Dim, kept: Any) -> list[Relation]:
    """Which entries of each axis the query at an entry reads: None for those of its window, or of the whole axis."""
    parts, full = _factors(with_dim(t.dims, d, keys), kept)
    before = sum(1 for dim in t.dims[:d] for f in spatial(dim))
    of_keys = range(before, before + len(spatial(keys)))
    own = {(parts[i].axis, parts[i].stride) for i in of_keys}
    found: list[Relation] = []
    product: Any = np.ones((), bool)
    for axis, n in enumerate(t.map):
        here = [i for i, f in enumerate(parts) if f.axis == axis]
        rest = tuple(i for i in range(len(parts)) if i not in here)
        some = full.any(rest, keepdims=True)
        product = product & some
        if not any(i in of_keys for i in here):
            found.append(None)
            continue
        relation = np.zeros((n, n), bool)
        places = np.indices([parts[i].size for i in here])
        steps = {i: p * parts[i].stride for p, i in zip(places, here, strict=True)}
        at = sum((steps[i] for i in here if i not in of_keys), start=np.array(0))
        to = sum((steps[i] for i in here if i in of_keys or (axis, parts[i].stride) not in own), start=np.array(0))
        if at.max() + 1 != n:
            raise UnreadableError(OTHER_KEYS)
        relation[at.ravel(), to.ravel()] = some.reshape(places.shape[1:]).ravel()
        found.append(None if some.all() else relation)
    if not np.array_equal(np.broadcast_to(product, full.shape), full):
        raise UnreadableError(OTHER_KEYS)
    return found


def weighed(k: Tracker, w: Tracked, labels: str, others: Sequence[tuple[Tracked, str]], output: str) -> Tracked:
    """What masked scores make of values: sums over keys of which each query reads those that the mask leaves it."""
    masked: Masked = k.masked[w.layer]
    scores = masked.scores
    summed = [x for x in labels if x not in output]
    of_keys = w.dims[labels.index(summed[0])] if len(summed) == 1 else ()
    if masked.low or len(others) > 1 or spatial(of_keys) or length(of_keys) != length(scores.keys):
        raise UnreadableError(OTHER_KEYS)
    read: list[Tracked] = [scores.key]
    dims = {x: dim for x, dim in zip(labels, w.dims, strict=True) if x != summed[0]}
    for v, own in others:
        at = {x: dim for x, dim in zip(own, v.dims, strict=True) if spatial(dim)}
        alike = all(dim == (scores.keys if x == summed[0] else dims.get(x)) for x, dim in at.items())
        if summed[0] not in at or not alike:
            raise UnreadableError(OTHER_KEYS)
        dims = {**{x: dim for x, dim in zip(own, v.dims, strict=True) if x != summed[0]}, **dims}
        read.append(v)
    if any(t.map != w.map for t in read):
        raise UnreadableError(OTHER_KEYS)
    return _read(k, masked, read, tuple(dims[x] for x in output))


def _read(k: Tracker, masked: Masked, values: Sequence[Tracked], dims: Dims) -> Tracked:
    """What each query and the entries of maps of which a mask leaves it some make together."""
    scores = masked.scores
    if masked.own is not None:
        values = [v for v in values if k.base(v.layer) != k.base(scores.key.layer)]
        if not values:
            return replace(masked.own, dims=dims)
        if not masked.relations:
            raise UnreadableError(OTHER_KEYS)
    seen = k.merge("add", values, dims)
    for axis, relation in enumerate(masked.relations):
        whole = [f for f in scores.keys if f.axis == axis]
        seen = k.mix(seen, whole) if relation is None else related(k, seen, axis, relation)
    if masked.own is not None:
        return k.merge("add", [masked.own, seen], dims)
    at_itself = all(r is None or r.diagonal().all() for r in masked.relations)
    known = at_itself and scores.query.layer in {t.layer for t in values}
    of_queries = [*([] if known else [scores.query]), *scores.beside]
    have_keys: list[Any] = [
        np.ones(n, bool) if r is None else r.any(1) for r, n in zip(masked.relations, seen.map, strict=True)
    ]
    if of_queries and not all(some.all() for some in have_keys):  # a query of no key makes nothing
        of_queries = [inside(k, k.merge("add", of_queries, dims), reduce(np.logical_and.outer, have_keys))]
    return k.merge("add", [*of_queries, seen], dims)
