"""Entries of a dim picked by their numbers, and written: what stays, and what is put in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors.combined import common
from rfscale.engine.readers.tensors.layout import (
    Dim,
    UnreadableError,
    cut_without_place,
    has_no_place,
    length,
    mixed,
    one_of,
    picked,
    regroup,
    spatial,
    whole_axis,
    with_dim,
    without_place,
)
from rfscale.engine.readers.tensors.operators.extra_tokens import tokens_of
from rfscale.engine.readers.tensors.operators.moves import flip, repeat_entry, repeated, spread_apart
from rfscale.engine.readers.tensors.operators.spatial_ops import narrow, pad_dim
from rfscale.engine.readers.tensors.tracking import IMAGE_LAYER, Constant, Shape, Tracked, Tracker

MAX_STEP = 64  # each entry between those that are written is a part of its own
MAX_RUNS = 64  # slices that a table is taken apart into


# slices --------------------------------------------------------------------------------------------------------------


def write_slice(k: Tracker, base: Any, new: Any, d: int, start: int, stop: int, step: int = 1) -> Any:
    """Return `base` with its entries start, start + step, … before stop along one dim replaced by `new`."""
    shape = tuple(base.shape)
    part = len(range(start, stop, step))
    if part == 0:
        return base
    inside = with_length(shape, d, part)
    if isinstance(new, Tracked):
        new = k.elementwise([new], shape=inside)
    if not isinstance(base, Tracked) and not isinstance(new, Tracked):
        return Constant(shape)
    if part == shape[d]:
        return new if isinstance(new, Tracked) else Constant(shape)
    if not any(isinstance(t, Tracked) and lies_along(k, t, d) for t in (base, new)):  # channels: they have one map
        held = [replace(t, dims=with_dim(t.dims, d, ())) for t in (base, new) if isinstance(t, Tracked)]
        alone = part == 1 and not isinstance(base, Tracked)
        out = _with_mixed(k.elementwise(held, "concat", shape), d, start if alone else None)
        if any(isinstance(t, Tracked) and has_no_place(t.dims[d]) for t in (base, new)):
            out = replace(out, dims=with_dim(out.dims, d, _written_without_place(k, base, new, d, start, part)))
        return out
    if isinstance(base, Tracked) and isinstance(new, Tracked) and _all_pixels(base, d) == (start, stop, step):
        return _beside_tokens(k, base, new, d)
    parts = list(_kept(k, base, d, start, stop, step)) if isinstance(base, Tracked) else []
    if isinstance(new, Tracked):
        parts.append(placed(k, _on_the_axis_of(k, base, new, d), d, start, step, shape[d]))
    return k.merge("concat", parts, common([p.dims for p in parts], shape))


def _written_without_place(k: Tracker, base: Any, new: Any, d: int, start: int, part: int) -> Dim:
    """The dim of scores of which those of pixels became others made of them: tokens beside may be cut off as before."""
    n = base.shape[d]
    scores = [t.dims[d] for t in (base, new) if isinstance(t, Tracked) and has_no_place(t.dims[d])]
    same = len(scores) == 2 and scores[1] == cut_without_place(scores[0], start, start + part)
    return scores[0] if same and base.layer in merged_layers(k, new.layer) else without_place(n)


def _all_pixels(t: Tracked, d: int) -> tuple[int, int, int] | None:
    """First entry, end and step of the pixels of a sequence that holds extra tokens, too; None for any other dim."""
    if len(t.dims[d]) != 1 or not t.dims[d][0].inner:
        return None
    f = t.dims[d][0]
    return f.lead, f.lead + length(f.inner), 1


def _beside_tokens(k: Tracker, base: Tracked, new: Tracked, d: int) -> Tracked:
    """The pixels of a sequence replaced by what was made of them; its extra tokens stay."""
    (f,) = base.dims[d]
    if new.dims[d] != f.inner or base.layer not in merged_layers(k, new.layer):
        raise UnreadableError("it writes pixels beside tokens that they were not made of")
    return replace(new, dims=with_dim(new.dims, d, (f._replace(extra=tokens_of(k, base, d)),)))


def merged_layers(k: Tracker, layer: int) -> set[int]:
    """Return a layer, and those that it holds entry by entry."""
    found, rest = {layer}, [layer]
    while rest:
        last = rest.pop()
        if last != IMAGE_LAYER and OPS[k.drafts[last].op].kind == "merge":
            more = set(k.drafts[last].sources) - found
            found |= more
            rest += more
    return found


def _with_mixed(value: Any, d: int, only: int | None = None) -> Any:
    """A tensor of which some entries of a dim without pixels were written; nothing is at others than `only`."""
    if not isinstance(value, Tracked) or spatial(value.dims[d]):
        return value
    n = length(value.dims[d])
    return replace(value, dims=with_dim(value.dims, d, mixed(n) if only is None else one_of(n, only)))


def _on_the_axis_of(k: Tracker, base: Any, new: Tracked, d: int) -> Tracked:
    """One entry that was selected has lost its axis: it is that of the entries around it, repeated where it is long."""
    if spatial(new.dims[d]) or not isinstance(base, Tracked) or not spatial(base.dims[d]):
        return new
    axis = base.dims[d][0].axis
    if axis in {f.axis for dim in new.dims for f in spatial(dim)} or new.map[axis] != 1:
        raise UnreadableError("it writes entries of another axis")
    n = new.shape[d]
    dims = with_dim(new.dims, d, whole_axis(axis, n))
    if n == 1:
        return replace(new, dims=dims)
    return k.after(new, "resize", dims, size=[n if a == axis else m for a, m in enumerate(new.map)])


def lies_along(k: Tracker, t: Tracked, d: int) -> bool:
    """Whether a dim is, or may be, one of the spatial axes."""
    if spatial(t.dims[d]):
        return True
    held = {f.axis for dim in t.dims for f in spatial(dim)}
    return d >= len(t.dims) - len(t.map) and len(held) < len(t.map)


def with_length(shape: Shape, d: int, n: int) -> Shape:
    """The shape with another number of entries along one dim."""
    return (*shape[:d], n, *shape[d + 1 :])


def placed(k: Tracker, t: Tracked, d: int, start: int, step: int, size: int) -> Tracked:
    """Entries put at start, start + step, … of a dim of `size` entries; nothing is at the others."""
    t = spread_apart(k, t, d, step)
    return pad_dim(k, t, d, start, size - start - t.shape[d])


def _kept(k: Tracker, base: Tracked, d: int, start: int, stop: int, step: int) -> Iterator[Tracked]:
    """Parts of a tensor that a write leaves, at their places."""
    size = base.shape[d]
    last = start + (len(range(start, stop, step)) - 1) * step
    if step > MAX_STEP:
        raise UnreadableError(f"it writes every {step}th entry")
    for first, end, by in [(0, start, 1), *((start + r, last, step) for r in range(1, step)), (last + 1, size, 1)]:
        if first < end:
            yield placed(k, narrow(k, base, d, first, end, by), d, first, by, size)


# tables --------------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """Entries start, start + step, … of a table."""

    start: int
    entries: int
    step: int


def runs(table: Sequence[int]) -> list[Run]:
    """Take a table apart into rows of equal steps.

    >>> runs([4, 5, 6, 0, 2, 4, 9])
    [Run(start=4, entries=3, step=1), Run(start=0, entries=3, step=2), Run(start=9, entries=1, step=1)]
    """
    found: list[Run] = []
    at = 0
    while at < len(table):
        end = at + 1
        step = table[end] - table[at] if end < len(table) else 1
        while end < len(table) and table[end] - table[end - 1] == step:
            end += 1
        if end - at == 2 and end < len(table) and table[end] - table[end - 1] != step and step not in (0, 1, -1):
            end, step = at + 1, 1  # the second entry belongs rather to what follows
        found.append(Run(table[at], end - at, step if end - at > 1 else 1))
        at = end
    return found


def numbered(table: Iterable[int], t: Tracked, d: int) -> list[int]:
    """The numbers of a table counted from the first entry of a dim."""
    n = length(t.dims[d])
    return [int(i) % n for i in table]


def take(k: Tracker, t: Tracked, d: int, table: Sequence[int]) -> Tracked:
    """Return the entries of a dim that a table names, in its order."""
    table = numbered(table, t, d)
    if not spatial(t.dims[d]):
        return replace(t, dims=with_dim(t.dims, d, picked(t.dims[d], table)))
    times = _times(table)
    if times > 1:
        out = take(k, t, d, table[::times])
        return replace(out, dims=with_dim(out.dims, d, repeated(out.dims[d], times)))
    parts = _few(table)
    if len(parts) == 1:
        return _run(k, t, d, parts[0])
    pieces, at = [], 0
    for run in parts:
        pieces.append(placed(k, _run(k, t, d, run), d, at, 1, len(table)))
        at += run.entries
    return k.merge("concat", pieces, common([p.dims for p in pieces], with_length(t.shape, d, len(table))))


def _times(table: Sequence[int]) -> int:
    """How many times each entry of a table stands there one after another."""
    times = next((i for i, x in enumerate(table) if x != table[0]), len(table))
    alike = len(table) % times == 0 and all(table[i] == table[i - i % times] for i in range(len(table)))
    return times if alike and times < len(table) else 1


def _few(table: Sequence[int]) -> list[Run]:
    found = runs(table)
    if len(found) > MAX_RUNS:
        raise UnreadableError(f"a table of its entries is made of {len(found)} slices, more than {MAX_RUNS}")
    return found


def _run(k: Tracker, t: Tracked, d: int, run: Run) -> Tracked:
    n, start, step = length(t.dims[d]), run.start, run.step
    if step == 0:
        return repeat_entry(k, narrow(k, t, d, start, start + 1), d, run.entries)
    if step < 0:
        t, start, step = flip(k, t, d), n - 1 - start, -step
    out: Tracked = narrow(k, t, d, start, start + step * (run.entries - 1) + 1, step)
    return out


def put(k: Tracker, base: Any, d: int, table: Sequence[int], new: Any, adds: bool = False) -> Any:
    """Return `base` with the entries of a dim that a table names replaced by `new`, or with `new` added to them."""
    n = base.shape[d]
    table = [i % n for i in table]
    if isinstance(new, Tracked):
        new = k.elementwise([new], shape=with_length(tuple(base.shape), d, len(table)))
    along = any(isinstance(t, Tracked) and lies_along(k, t, d) for t in (base, new))
    if adds or not along:
        held = [base] if adds or len(set(table)) < n else []
        if isinstance(new, Tracked):
            held.append(_spread(k, new, d, table, n) if along else replace(new, dims=with_dim(new.dims, d, ())))
        held = [h if h is not base or along or adds else _any_entry(h, d) for h in held]
        out = k.elementwise(held, "add" if adds else "concat", tuple(base.shape))
        return out if along or adds else _with_mixed(out, d)
    if len(set(table)) < len(table):
        raise UnreadableError("it writes several times to one entry")
    at = 0
    for run in _few(table):
        piece = narrow(k, new, d, at, at + run.entries) if isinstance(new, Tracked) else new
        at += run.entries
        start, step = run.start, run.step
        if step < 0:
            start, step = start + step * (run.entries - 1), -step
            piece = flip(k, piece, d) if isinstance(piece, Tracked) else piece
        base = write_slice(k, base, piece, d, start, start + step * (run.entries - 1) + 1, step)
    return base


def _any_entry(value: Any, d: int) -> Any:
    """A tensor whose channels have one map, for any of them."""
    if isinstance(value, Tracked):
        return replace(value, dims=with_dim(value.dims, d, ()))
    return Constant(with_length(value.shape, d, 1))


def _spread(k: Tracker, new: Tracked, d: int, table: Sequence[int], n: int) -> Any:
    """Entries at the places of a table, several to one place added up."""
    times = _times(table)
    if times > 1:  # blocks of one length, each to one place
        new, table = _summed(k, new, d, times), table[::times]
    pieces, at = [], 0
    for run in _few(table):
        piece = narrow(k, new, d, at, at + run.entries)
        at += run.entries
        start, step = run.start, run.step
        if step == 0:
            piece, step = _summed(k, piece, d, run.entries), 1
        if step < 0:
            piece, start, step = flip(k, piece, d), start + step * (run.entries - 1), -step
        pieces.append(placed(k, piece, d, start, step, n))
    return k.merge("add", pieces, common([p.dims for p in pieces], with_length(new.shape, d, n)))


def _summed(k: Tracker, t: Tracked, d: int, times: int) -> Tracked:
    """Each `times` entries of a dim added up."""
    shape = t.shape
    blocks = replace(t, dims=regroup(t.dims, (*shape[:d], shape[d] // times, times, *shape[d + 1 :])))
    out = k.reduction(blocks, [d + 1])
    return replace(out, dims=with_dim(out.dims, d + 1)) if len(out.dims) > len(shape) else out


# tables with a place for each entry of a map --------------------------------------------------------------------------


def gather(k: Tracker, t: Tracked, d: int, index: Any, shape: Shape, reason: str) -> Tracked:
    """The entries of a dim that a constant names, one table for all the other dims, of which it may cut the end.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    reason : str
        Why the analysis ends where the image decides which entries.
    """
    return take(k, cut_to(k, t, d, shape), d, column(index, d, reason))


def cut_to(k: Tracker, t: Tracked, d: int, shape: Shape) -> Tracked:
    """The first entries of all dims but one, as many as a shape has."""
    for e, n in enumerate(shape):
        if e != d and n < length(t.dims[e]):
            t = narrow(k, t, e, 0, n)
    return t


def scatter(k: Tracker, base: Any, d: int, index: Any, new: Any, reason: str, adds: bool = False) -> Any:
    """Return `base` with entries of a dim written, or added to, where a constant says, alike for all other dims."""
    whole = all(n == m for e, (n, m) in enumerate(zip(index.shape, base.shape, strict=True)) if e != d)
    if not whole:
        raise UnreadableError("it writes a part of a map by a table")
    return put(k, base, d, column(index, d, reason), new, adds)


def column(index: Any, d: int, reason: str) -> list[int]:
    """The table that an index is along one dim, the same wherever else."""
    if not isinstance(index, Constant) or index.value is None:
        raise UnreadableError(reason)
    rows = np.moveaxis(np.asarray(index.value), d, -1).reshape(-1, index.shape[d])
    if (rows != rows[0]).any():
        raise UnreadableError("it picks entries one by one, not by rows and columns")
    table: list[int] = rows[0].tolist()
    return table
