"""Sequences of pixels with extra tokens (class tokens, registers): what the tokens hold, cuts, and joins.

A token that was just joined holds nothing of the image; after attention it reads all that the pixels do. Otherwise,
such as after attention to something else, what it reads is not followed, and the analysis ends where it is taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeAlias

from rfscale.engine.readers.tensors.layout import (
    ALL_OF_IT,
    NOT_ALIKE,
    Dim,
    Factor,
    UnreadableError,
    is_alike,
    joined,
    length,
    mixed,
    neutral,
    number_of,
    spatial,
    together,
    with_dim,
    with_tokens,
)
from rfscale.engine.readers.tensors.operators.channel_parts import arranged
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

Runs: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]  # as `Factor.apart`


def narrow_tokens(k: Tracker, t: Tracked, d: int, start: int, stop: int, step: int) -> Tracked | Constant:
    """Entries start, start + step, … before stop of a sequence: all of its pixels, or extra tokens alone."""
    (f,) = t.dims[d]
    pixels = length(f.inner)
    if step == 1 and start <= f.lead and stop >= f.lead + pixels:
        lead, size = f.lead - start, stop - start
        apart = _runs(_each(f.apart)[start : f.size - pixels - (f.size - stop)])
        new = f.inner if size == pixels else (f._replace(size=size, lead=lead, apart=apart),)
        return replace(t, dims=with_dim(t.dims, d, joined(new)))
    if not (stop <= f.lead or start >= f.lead + pixels):
        raise UnreadableError("it cuts a sequence of pixels and extra tokens")
    size = -(-(stop - start) // step)
    layers = tokens_of(k, t, d)
    if not layers:
        return Constant((*t.shape[:d], size, *t.shape[d + 1 :]))
    if NOT_ALIKE in layers and f.apart:
        first = start if start < f.lead else start - pixels
        return _apart(k, t, d, _runs(_each(f.apart)[first : first + stop - start : step]))
    if NOT_ALIKE in layers:
        raise UnreadableError("it takes some extra tokens of a sequence, of which each may read other entries")
    dims = (*t.dims[:d], neutral(size), *t.dims[d + 1 :])
    if ALL_OF_IT in f.extra:
        return replace(k.reduce(t, [d]), dims=dims)
    return k.merge("add", [Tracked(n, k.map_of(n), ()) for n in layers], dims)


def _apart(k: Tracker, t: Tracked, d: int, runs: Runs) -> Tracked | Constant:
    """Extra tokens one after another, of which it is known what each reads."""
    parts: list[Tracked | Constant] = []
    for n, layers in runs:
        shape, dims = (*t.shape[:d], n, *t.shape[d + 1 :]), (*t.dims[:d], neutral(n), *t.dims[d + 1 :])
        tracked = [Tracked(layer, k.map_of(layer), ()) for layer in layers]
        parts.append(k.merge("add", tracked, dims) if tracked else Constant(shape))
    if len(parts) == 1:
        return parts[0]
    size = sum(n for n, _ in runs)
    out = k.merge("concat", [p for p in parts if isinstance(p, Tracked)], (*t.dims[:d], mixed(size), *t.dims[d + 1 :]))
    return arranged(k, out, parts, d)


def _each(runs: Runs) -> list[tuple[int, ...]]:
    """What each token reads."""
    return [layers for n, layers in runs for _ in range(n)]


def _runs(each: Sequence[tuple[int, ...]]) -> Runs:
    return tuple((len(list(alike)), layers) for layers, alike in groupby(each))


def _tokens_in(k: Tracker, value: Any, d: int) -> Runs | None:
    """What the entries of a tensor without pixels read, if that is known."""
    n = value.shape[d]
    if not isinstance(value, Tracked):
        return ((n, ()),)
    number = number_of(value.dims[d])
    if number and k.arrangements[number - 1].first == value.layer:
        arrangement = k.arrangements[number - 1]
        held = zip(arrangement.lengths, arrangement.parts, strict=True)
        return tuple((size, (part[0],) if part else ()) for size, part in held)
    return ((n, (value.layer,)),) if is_alike(value.dims[d]) else None


def tokens_of(k: Tracker, t: Tracked, d: int) -> tuple[int, ...]:
    """Layers that the extra tokens of a sequence read."""
    (f,) = t.dims[d]
    if ALL_OF_IT in f.extra:
        return (k.reduce(t, [d]).layer,)
    if f.extra and any(spatial(dim) for e, dim in enumerate(t.dims) if e != d):
        raise UnreadableError("its extra tokens are in windows of the map")
    return f.extra


def join_tokens(k: Tracker, values: Sequence[Any], parts: Sequence[Tracked], d: int) -> Tracked | None:
    """A sequence of all pixels with extra tokens before or after it; None where only some pixels are in it."""
    at = next(i for i, v in enumerate(values) if isinstance(v, Tracked) and spatial(v.dims[d]))
    t = values[at]
    others = [p for p in parts if p is not t]
    if any(p.layer < 0 or not k.drafts[p.layer].is_global or max(p.map) > 1 for p in others):
        raise UnreadableError("it joins pixels and entries of another map")
    if len(t.dims[d]) == 1 and not t.dims[d][0].inner and not others:
        return None  # constant rows beside one axis: padding
    lead = sum(v.shape[d] for v in values[:at])
    inner = t.dims[d]
    around = [None if v is t else _tokens_in(k, v, d) for v in values]
    held: list[tuple[int, ...]] = [(p.layer,) for p in others]
    held += [()] * any(not isinstance(v, Tracked) for v in values)
    if len(inner) == 1 and inner[0].inner:
        tokens, own = tokens_of(k, t, d), inner[0]
        held.append(tokens)
        if own.apart or NOT_ALIKE not in tokens:
            each = _each(own.apart) or [tokens] * (own.size - length(own.inner))
            around[at] = _runs(each)
        lead, inner = lead + inner[0].lead, inner[0].inner
    if any(f.inner for f in inner):
        raise UnreadableError("it joins a sequence inside another")
    axis = next(f.axis for f in inner)
    unlike = any(runs is None and v is not t for runs, v in zip(around, values, strict=True))
    extra = together(held if len(set(held)) == 1 and not unlike else [*held, (NOT_ALIKE,)])
    apart: Runs = ()
    if NOT_ALIKE in extra and all(runs is not None or v is t for runs, v in zip(around, values, strict=True)):
        apart = _runs([layers for runs in around for layers in _each(runs or ())])
    if sum(n for n, _ in apart) != k.shape[d] - length(inner):
        apart = ()
    return replace(t, dims=with_dim(t.dims, d, (Factor(k.shape[d], axis, 1, inner, lead, extra, apart=apart),)))


def after_reading(k: Tracker, dim: Dim, holder: Tracked, others: Iterable[Tracked]) -> Dim:
    """The dim of a sequence whose entries read other tensors, each reduced to what it is for them."""
    if not any(f.inner for f in dim):
        return dim
    read = [f.extra for f in dim]
    for t in others:
        if any(map(spatial, t.dims)) or max(t.map) > 1:
            read.append((NOT_ALIKE,))
        else:
            read.append((ALL_OF_IT,) if k.pools(t.layer, k.base(holder.layer)) else (t.layer,))
    return with_tokens(dim, together(read))
