"""Kernels on the states of branching spaces: antichains of products of placed sets, coded as masks of down-sets.

The products that can occur at a level are its *elements*, in components that never meet in one state, each sorted
by falling pixels. A state is a component and a mask over its elements: bit b stands for element first[c] + b, and is
set if one of the state's terms contains that element. So a union is OR, and equal masks are equal antichains.
`inside` holds, for each element, the mask of the elements that it contains, itself included: as a larger set comes
first, the lowest bit of a mask is a term, and taking its `inside` away leaves the rest.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, lowest_bit, source_version

helper = jit  # of what kernels call, those of other files too, and Python does not
VERSION = source_version(__file__, globals())  # of the functions that other files inline

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)  # as a component: no path
_UPPER, _LOWER = np.uint64(0xFFFFFFFF00000000), np.uint64(0xFFFFFFFF)


# scalars
# -----------------------------------------------------------------------------------------------------------------


@inline
def terms_of(mask, first, inside, rest, terms):
    """Write the elements that are the terms of a mask; return how many. `rest` is scratch."""
    words = mask.shape[0]
    for w in range(words):
        rest[w] = mask[w]
    n = 0
    for w in range(words):
        while rest[w]:
            element = first + 64 * w + np.int64(lowest_bit(rest[w]))
            terms[n] = element
            n += 1
            for v in range(w, words):
                rest[v] &= ~inside[element, v]
    return n


# drivers: levels
# -----------------------------------------------------------------------------------------------------------------


@helper
def rehashed(hashes, used, size):
    """Slots of `size`, each with the upper half of a hash and the number of its state: 0 is empty."""
    table = np.zeros(size, np.uint64)
    bits = np.uint64(size - 1)
    for i in range(used):
        slot = hashes[i] & bits
        while table[np.int64(slot)]:
            slot = (slot + _ONE) & bits
        table[np.int64(slot)] = (hashes[i] & _UPPER) | np.uint64(i + 1)
    return table


@helper
def longer(rows, size):
    """The same rows, and room for more. Copied in a loop: a slice takes 1.5 s to compile."""
    out = np.empty((size, *rows.shape[1:]), rows.dtype)
    old, new = rows.reshape(-1), out.reshape(-1)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return out


@jit
def _hashed(mask):
    """Hash of a row: the words of a mask, and its component last."""
    code = (mask[mask.shape[0] - 1] + _ONE) * _MIX
    for w in range(mask.shape[0] - 1):
        code = (code ^ mask[w]) * _MIX
        code ^= code >> np.uint64(29)
    return code


@inline
def turned_end(row, effect, origin, ends_before, earlier, later, ends):
    """The end of an effect by the stages the other way round, where that row is known; -1 where it is not."""
    if origin.shape[1] and earlier[effect] >= 0:
        by, turned = later[origin[1, row]], np.int64(ends_before[origin[0, row], earlier[effect]])
        if by >= 0 and 0 <= turned < row:
            return ends[turned, by]
    return np.int32(-1)


@jit
def _place(table, found, mask, code):
    """Slot of a table that has a row or is free for it, and the number of the row: -1 if it is free."""
    bits = np.uint64(table.shape[0] - 1)
    slot = code & bits
    while table[np.int64(slot)]:
        entry = table[np.int64(slot)]
        if (entry ^ code) & _UPPER == _ZERO:
            at, same = np.int64(entry & _LOWER) - 1, True
            for w in range(mask.shape[0]):
                if found[at, w] != mask[w]:
                    same = False
                    break
            if same:
                return np.int64(slot), at
        slot = (slot + _ONE) & bits
    return np.int64(slot), np.int64(-1)


@jit
def _unite(terms, n, after, after_component, parent, path, needed, moved, made):
    """Write what steps make of a state of n terms, those that are `needed`: masks, their component last."""
    words = after.shape[2]
    for p in range(after.shape[0]):
        for w in range(words):
            moved[p, w] = _ZERO
        for i in range(n):
            for w in range(words):
                moved[p, w] |= after[p, terms[i], w]
    for step in range(parent.shape[0]):
        if needed[step]:
            up, p = parent[step], path[step]
            made[step, words] = made[up, words] if up >= 0 else _FULL
            if p >= 0 and n:
                made[step, words] = np.uint64(after_component[p, terms[0]])
            for w in range(words):
                made[step, w] = (made[up, w] if up >= 0 else _ZERO) | (moved[p, w] if p >= 0 else _ZERO)


@jit
def advance(
    masks, component, state, variant, first, inside, after, after_component, parent, path, end, wanted,
    origin, ends_before, earlier, later, limit,
):  # fmt: skip
    """Apply every effect of a stage to every state; states that are equal by content are one.

    Parameters
    ----------
    masks : uint64 array (states, words); component : int32 array (states,)
        States before.
    state : int32 array (n,); variant : int64 array (n,)
        State of each node, and which effects it needs.
    first : int64 array (components,)
        First element of each component before.
    inside : uint64 array (elements, words)
    after : uint64 array (paths, elements, words after); after_component : int32 array (paths, elements)
        For each path of the stage and element before, the down-set and the component of their sum.
    parent, path, end : int64 arrays (steps,)
        Step i unites the result of step parent[i] (-1: nothing) with the terms moved by path[i]; end[i] is the effect
        that is reached so, or -1. A path of -1 adds nothing: no path leads through.
    wanted : bool array (variants, effects)
    origin : int32 array (2, n)
        Node and effect of the stage before that led to each node first, or no columns: then nothing is exchanged.
    ends_before : int32 array (nodes of the level before, effects of the stage before)
        Where they led.
    earlier : int64 array (effects,); later : int64 array (effects of the stage before,)
        The number of each effect in the other stage, -1 if it has none or does not commute (docs/theory.md, 14.8).
    limit : int
        States that there may be after the stage.

    Returns
    -------
    Masks and components of the states after; ends, int32 array (n, effects), -1 where not wanted; origin, int32 array
    (2, states), of the states after; whether the limit was kept.
    """
    words, steps, effects = after.shape[2], parent.shape[0], wanted.shape[1]
    found = np.empty((max(1, min(limit, 1024)), words + 1), np.uint64)  # the last word is the component
    hashes, source = np.empty(found.shape[0], np.uint64), np.empty((found.shape[0], 2), np.int32)
    table = np.zeros(4096, np.uint64)
    used = 0
    ends = np.full((state.shape[0], effects), -1, np.int32)
    rest, terms = np.empty(masks.shape[1], np.uint64), np.empty(64 * masks.shape[1], np.int64)
    moved, made = np.empty((after.shape[0], words), np.uint64), np.zeros((steps + 1, words + 1), np.uint64)
    codes, warm, needed = np.empty(effects, np.uint64), np.empty(effects, np.uint64), np.zeros(steps, np.bool_)
    open_, at_step = np.empty(effects, np.int64), np.empty(effects, np.int64)
    for step in range(steps):
        if end[step] >= 0:
            at_step[end[step]] = step
    for row in range(state.shape[0]):
        n_open = 0
        for effect in range(effects):
            if wanted[variant[row], effect]:
                ends[row, effect] = turned_end(row, effect, origin, ends_before, earlier, later, ends)
                if ends[row, effect] < 0:
                    open_[n_open] = effect
                    n_open += 1
        if not n_open:
            continue
        n, before = 0, np.int64(state[row])
        if component[before] >= 0:
            n = terms_of(masks[before], first[component[before]], inside, rest, terms)
        needed[:] = n_open == effects
        for i in range(n_open):
            step = at_step[open_[i]]
            while step >= 0 and not needed[step]:
                needed[step], step = True, parent[step]
        _unite(terms, n, after, after_component, parent, path, needed, moved, made)
        bits = np.uint64(table.shape[0] - 1)
        for i in range(n_open):
            codes[i] = _hashed(made[at_step[open_[i]]])
            # the table is larger than the cache: reads that do not wait for each other take half the time in all
            warm[i] = table[np.int64(codes[i] & bits)]
        for i in range(n_open):
            if warm[i] and (warm[i] ^ codes[i]) & _UPPER == _ZERO:
                warm[i] = found[np.int64(warm[i] & _LOWER) - 1, words]
        for i in range(n_open):
            mask = made[at_step[open_[i]]]
            slot, at = _place(table, found, mask, codes[i])
            if at < 0:
                at = used
                if used == limit:
                    return found[:used, :words], component[:0], ends, source.T, False
                if used == found.shape[0]:
                    room = min(2 * used, limit)
                    found, hashes, source = longer(found, room), longer(hashes, room), longer(source, room)
                found[at], hashes[at] = mask, codes[i]
                source[at, 0], source[at, 1] = row, open_[i]
                table[slot] = (codes[i] & _UPPER) | np.uint64(at + 1)
                used += 1
                if 2 * used > table.shape[0]:
                    table = rehashed(hashes, used, 4 * table.shape[0])
            ends[row, open_[i]] = at
    place = found[:used, words].astype(np.int64).astype(np.int32)
    return found[:used, :words].copy(), place, ends, source[:used].T.copy(), True


# drivers: figures
# -----------------------------------------------------------------------------------------------------------------


@helper
def _grouped(masks, length, words, groups, counts, slots):
    """Write the distinct masks, not 0, of some pixels and how many pixels have each; return their number."""
    size = 4
    while size < 2 * length:
        size *= 2
    for i in range(size):
        slots[i] = -1
    n, bits = 0, np.uint64(size - 1)
    for x in range(length):
        code, some = _MIX, _ZERO
        for w in range(words):
            some |= masks[x, w]
            code = (code ^ masks[x, w]) * _MIX
        if some == _ZERO:
            continue
        slot = (code ^ (code >> np.uint64(32))) & bits
        while True:
            j = slots[np.int64(slot)]
            if j < 0:
                slots[np.int64(slot)] = n
                for w in range(words):
                    groups[n, w] = masks[x, w]
                counts[n] = 1
                n += 1
                break
            same = True
            for w in range(words):
                if groups[j, w] != masks[x, w]:
                    same = False
                    break
            if same:
                counts[j] += 1
                break
            slot = (slot + _ONE) & bits
    return n


@helper
def _size(ndim, words, first, first_counts, n_first, second, second_counts, n_second, last, last_counts, n_last):
    """Entries of a union of products: one of each axis, the masks of which have a bit in common (docs/theory.md, 3.4).

    Of two axes, the first and the last count.
    """
    total = np.int64(0)
    if ndim == 1:
        for k in range(n_last):
            total += last_counts[k]
        return total
    for i in range(n_first):
        for j in range(n_second if ndim == 3 else 1):
            part = np.int64(0)
            for k in range(n_last):
                common = _ZERO
                for w in range(words):
                    if ndim == 3:
                        common |= first[i, w] & second[j, w] & last[k, w]
                    else:
                        common |= first[i, w] & last[k, w]
                if common:
                    part += last_counts[k]
            total += part * first_counts[i] * (second_counts[j] if ndim == 3 else 1)
    return total


@helper
def _written(sets, terms, n_terms, start, extent, low, length, words, pixel):
    """Write the terms that each pixel of an axis is in, as a mask."""
    for x in range(length):
        for w in range(words):
            pixel[x, w] = _ZERO
    for i in range(n_terms):
        e, bit, at = terms[i], _ONE << np.uint64(i & 63), i >> 6
        shift = start[e] - low
        for w in range((extent[e] + 63) >> 6):
            left = sets[e, w]
            while left:
                pixel[shift + 64 * w + np.int64(lowest_bit(left)), at] |= bit
                left &= left - _ONE


@jit
def union_figures(begin, end, masks, component, first, inside, start, extent, jump, sets, ndim, out):
    """Figures of states whose terms are products of sets: one of each axis, or one set for all.

    Parameters
    ----------
    begin, end : int
        States to work out, begin..end-1: a range for each thread.
    masks : uint64 array (n, words); component : int32 array (n,); first : int64 array; inside : uint64 array
        As in `advance`; component -1 is the state without a path, whose figures are all 0.
    start, extent, jump : int64 arrays (axes, elements)
        First pixel on a grid of the component, length of the hull, and jump; one axis where it stands for all.
    sets : uint64 array (axes, elements, words of the largest)
        Pixels, from the first one on.
    ndim : int
    out : int64 array (2 + 5 * axes, n)
        Written: area and terms; then for each axis pixels that the next entry along it has as well, extent, pixels of
        the union of all terms there, jump, longest gap of that.
    """
    words, axes = masks.shape[1], start.shape[0]
    longest = np.int64(1)  # of a union, whose terms may be far apart
    for a in range(axes):
        for e in range(extent.shape[1]):
            longest = max(longest, start[a, e] + extent[a, e])
    size = 4
    while size < 4 * longest:
        size *= 2
    rest, terms = np.empty(words, np.uint64), np.empty(64 * words, np.int64)
    pixel, moved = np.empty((axes, longest, words), np.uint64), np.empty((2 * longest, words), np.uint64)
    groups, counts = np.empty((axes, longest, words), np.uint64), np.empty((axes, longest), np.int64)
    others, other_counts = np.empty((2 * longest, words), np.uint64), np.empty(2 * longest, np.int64)
    slots, lengths, n_groups = np.empty(size, np.int64), np.empty(axes, np.int64), np.empty(axes, np.int64)
    for row in range(begin, end):
        for i in range(out.shape[0]):
            out[i, row] = 0
        if component[row] < 0:
            continue
        n_terms = terms_of(masks[row], first[component[row]], inside, rest, terms)
        used = (n_terms + 63) >> 6
        for a in range(axes):
            low, high = start[a, terms[0]], start[a, terms[0]] + extent[a, terms[0]]
            for i in range(1, n_terms):
                low = min(low, start[a, terms[i]])
                high = max(high, start[a, terms[i]] + extent[a, terms[i]])
            lengths[a] = high - low
            _written(sets[a], terms, n_terms, start[a], extent[a], low, lengths[a], used, pixel[a])
            n_groups[a] = _grouped(pixel[a], lengths[a], used, groups[a], counts[a], slots)
        b, c = 1 % axes, 2 % axes
        area = _size(ndim, used, groups[b], counts[b], n_groups[b], groups[c], counts[c], n_groups[c],
                     groups[0], counts[0], n_groups[0])  # fmt: skip
        out[0, row], out[1, row] = area, n_terms if ndim > 1 else 1
        for a in range(axes):
            length, step, at = lengths[a], jump[a, terms[0]], 2 + 5 * a
            if step < length:
                for x in range(length + step):
                    for w in range(used):
                        own = pixel[a, x, w] if x < length else _ZERO
                        moved[x, w] = own | (pixel[a, x - step, w] if x >= step else _ZERO)
                n_others = _grouped(moved, length + step, used, others, other_counts, slots)
                b, c = (a + 1) % axes, (a + 2) % axes
                both = _size(ndim, used, groups[b], counts[b], n_groups[b], groups[c], counts[c], n_groups[c],
                             others, other_counts, n_others)  # fmt: skip
                out[at, row] = 2 * area - both
            gap, longest_gap, pixels = np.int64(0), np.int64(0), np.int64(0)
            for x in range(length):
                some = _ZERO
                for w in range(used):
                    some |= pixel[a, x, w]
                if some:
                    pixels += 1
                    gap = 0
                else:
                    gap += 1
                    longest_gap = max(longest_gap, gap)
            out[at + 1, row], out[at + 2, row], out[at + 3, row], out[at + 4, row] = (
                length, pixels, step, longest_gap)  # fmt: skip
