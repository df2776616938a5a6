"""Channels one after another that were made by different layers: a cut of them reads the layers of what it cuts out.

An operator that moves channels, or reads several of them, makes a dim of another kind (`layout.mixed`), and so ends
this; what adds to, or scales, each channel by itself leaves it (`Tracker.elementwise`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.tensors.combined import Arrangement
from rfscale.engine.readers.tensors.layout import Dim, Factor, length, mixed, neutral, number_of, spatial, with_dim
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker

Narrow = Callable[[Tracker, Tracked, int, int, int], Any]


def arranged(k: Tracker, out: Tracked, values: Sequence[Any], d: int) -> Tracked:
    """A tensor that several others make along a dim without pixels, with a number that says which is where."""
    if out.dims[d] != mixed(length(out.dims[d])) or length(out.dims[d]) == 1:
        return out
    parts = [v for v in values if isinstance(v, Tracked)]
    if len({p.layer for p in parts}) < 2 or any(p.map != out.map or spatial(p.dims[d]) for p in parts):
        return out
    lengths = tuple(v.shape[d] for v in values)
    held = tuple((v.layer, v.dims[d]) if isinstance(v, Tracked) else None for v in values)
    k.arrangements.append(Arrangement(lengths, held, {out.layer}))
    return replace(
        out, dims=with_dim(out.dims, d, (Factor(length(out.dims[d]), stride=0, number=len(k.arrangements)),))
    )


def cut_out(k: Tracker, t: Tracked, d: int, start: int, stop: int, narrow: Narrow) -> Tracked | None:
    """Entries start to stop of such a dim, of the layers that made them; None where these are all, or not known."""
    number = number_of(t.dims[d])
    if not number:
        return None
    arrangement = k.arrangements[number - 1]
    if t.layer not in arrangement.layers:
        return None
    key = ("channels", number, t.layer, start, stop)
    found = k.pieces.get(key)
    if found is None:
        found = _of_parts(k, t, d, start, stop, arrangement, narrow)
        if found is None:
            return None
        found = k.pieces[key] = replace(_again(k, t.layer, found, arrangement, {}), dims=(found.dims[d],))
    return replace(found, dims=with_dim(t.dims, d, found.dims[0]))


def _of_parts(
    k: Tracker, t: Tracked, d: int, start: int, stop: int, arrangement: Arrangement, narrow: Narrow
) -> Tracked | None:
    """Entries start to stop of tensors one after another."""
    made: list[Tracked] = []
    offset = lost = 0
    for n, part in zip(arrangement.lengths, arrangement.parts, strict=True):
        first, last = max(start, offset) - offset, min(stop, offset + n) - offset
        offset += n
        if first >= last or part is None:
            lost += 1
            continue
        layer, dim = part
        made.append(narrow(k, Tracked(layer, k.map_of(layer), with_dim(t.dims, d, dim)), d, first, last))
    if not lost or not all(isinstance(p, Tracked) for p in made) or not made:
        return None
    kind: Dim = made[0].dims[d] if len(made) == 1 else mixed(stop - start)
    if len(made) > 1 and len({p.layer for p in made}) == 1 and all(p.dims[d] == neutral(p.shape[d]) for p in made):
        kind = neutral(stop - start)
    return arranged(k, k.merge("concat", made, with_dim(t.dims, d, kind)), made, d)


def _again(k: Tracker, layer: int, piece: Tracked, arrangement: Arrangement, done: dict[int, Tracked]) -> Tracked:
    """What was added to all channels, or scaled them, for the layers of some of them."""
    if layer == arrangement.first:
        return piece
    if layer not in done:
        draft = k.drafts[layer]
        sources = [
            _again(k, s, piece, arrangement, done) if s in arrangement.layers else Tracked(s, k.map_of(s), ())
            for s in draft.sources
        ]
        done[layer] = k.merge(draft.op, sources, piece.dims)
    return done[layer]
