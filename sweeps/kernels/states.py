"""Kernels on the states of chains: a 1-D pixel set and the jump between neighbouring entries.

A pool is a set of columns, one entry per state: `jump`; `extent` and `pixels` of the set; `shared`, the pixels it has
in common with itself moved by the jump; `start`, the place of its bits in `words`, or -1 for a solid set; `hashes`; and
`known`, the state after each of the graph's layers where it was met, else -1, and in two more columns the state that it
was first made of, and by which layer, where the kernel made it.
Bit b of word w is pixel 64*w + b; the first pixel is 0. `table` finds a state by content (open addressing, -1 empty).

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit, popcount

DONE, PAST_LIMIT = -2, -1  # of `expand`
_ONE = np.uint64(1)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)


# scalars
# -----------------------------------------------------------------------------------------------------------------


@inline
def _or_shifted(words, at, n_words, shift):
    """OR a set with itself moved up by `shift`, in place: from the top word down, so that reads come before writes."""
    q = shift >> 6
    s = np.uint64(shift & 63)
    if s == 0:
        for w in range(n_words - 1, q - 1, -1):
            words[at + w] |= words[at + w - q]
        return
    t = np.uint64(64) - s
    for w in range(n_words - 1, q, -1):
        words[at + w] |= (words[at + w - q] << s) | (words[at + w - q - 1] >> t)
    if n_words > q:
        words[at + q] |= words[at] << s


@inline
def _add_window(source, at, solid, extent, kernel, gap, out, out_at, out_words):
    """Write X ⊕ {0, gap, 2·gap, ...}, `kernel` terms, and return its pixels; X is one run of `extent` if `solid`."""
    have = (extent + 63) >> 6
    if solid:
        for w in range(have):
            out[out_at + w] = _FULL
        if extent & 63:
            out[out_at + have - 1] = (_ONE << np.uint64(extent & 63)) - _ONE
    else:
        for w in range(have):
            out[out_at + w] = source[at + w]
    for w in range(have, out_words):
        out[out_at + w] = np.uint64(0)
    terms = 1
    while terms < kernel:  # doubling: log2(kernel) passes
        more = min(terms, kernel - terms)
        _or_shifted(out, out_at, out_words, more * gap)
        terms += more
    pixels = np.int64(0)
    for w in range(out_words):
        pixels += np.int64(popcount(out[out_at + w]))
    return pixels


@inline
def _shared(words, at, solid, extent, jump):
    """Pixels |X ∩ (X + jump)| of a set of some extent: extent - jump if it is solid, none from jump = extent on."""
    if jump >= extent:
        return np.int64(0)
    if solid:
        return extent - jump
    n_words = (extent + 63) >> 6
    q = jump >> 6
    s = np.uint64(jump & 63)
    total = np.int64(0)
    if s == 0:
        for w in range(q, n_words):
            total += np.int64(popcount(words[at + w] & words[at + w - q]))
        return total
    t = np.uint64(64) - s
    total = np.int64(popcount(words[at + q] & (words[at] << s)))
    for w in range(q + 1, n_words):
        total += np.int64(popcount(words[at + w] & ((words[at + w - q] << s) | (words[at + w - q - 1] >> t))))
    return total


@inline
def _mix(state, word):
    state = (state ^ word) * _MIX
    return state ^ (state >> np.uint64(29))


@inline
def _hash(words, at, solid, extent, jump):
    state = _mix(_mix(_MIX, np.uint64(extent)), np.uint64(jump))
    if not solid:
        for w in range((extent + 63) >> 6):
            state = _mix(state, words[at + w])
    return state


@inline
def _same(words, a, b, extent):
    for w in range((extent + 63) >> 6):  # noqa: SIM110
        if words[a + w] != words[b + w]:
            return False
    return True


# drivers: the pool
# -----------------------------------------------------------------------------------------------------------


@jit
def expand(
    jump, extent, pixels, shared, start, hashes, known, words, table, used, ends, place_of, unhashed,
    parent, kernel, stride, dilation, step_of, exchanged, state_words, limit,
):  # fmt: skip
    """Apply the layers of a trie to states; an output that equals a state of the pool is that state.

    A window of k taps, stride s and dilation d makes of a set X at jump J the set X ⊕ {0, dJ, ..., (k-1)dJ} at jump sJ.
    Where the pool lacks room, the caller makes some and calls again. Were arrays replaced by larger ones here, numba
    would count references for every set: 5 times slower.

    Parameters
    ----------
    jump, extent, pixels, shared, start, hashes, known, words, table
        The pool.
    used : int64 array (2,)
        States and words in use; changed in place.
    ends : int32 array (t + 1, n)
        The state at each trie node; the first row, that of node 0, has the states to start from. Written.
    place_of : int64 array (2,)
        Trie node before the next one, and place in its row, to go on from; changed in place.
    unhashed : bool
        Whether the table is empty, and finds none of the states yet.
    parent, kernel, stride, dilation : int64 arrays (t,)
        Trie node i > 0 of the layers is a layer on the output of node parent[i - 1]; node 0 is the source itself.
    step_of : int64 array (t,)
        Which of the graph's distinct layers each one is: the column of `known`.
    exchanged : int32 array (layers, layers, 2)
        Two other layers that do together what these two do, the first one first: -1 where there are none.
    state_words : int
        Words that a state takes in the other columns.
    limit : int
        Words that the pool may hold in all, those of the other columns included.

    Returns
    -------
    int
        DONE; or words that the pool needs, 0 where it needs room for a state, or PAST_LIMIT.
    """
    mask = np.uint64(table.shape[0] - 1)
    if unhashed:
        for i in range(used[0]):
            slot = hashes[i] & mask
            while table[np.int64(slot)] >= 0:
                slot = (slot + _ONE) & mask
            table[np.int64(slot)] = i
    steps = known.shape[1] - 2  # none where nothing is remembered
    for node in range(place_of[0], parent.shape[0]):
        k, step = kernel[node], step_of[node]
        for row in range(place_of[1], ends.shape[1]):
            i = np.int64(ends[parent[node], row])
            if steps > 0:
                after = known[
                    i, step
                ]  # a state meets a layer in many places: 2 to 4 times faster on ResNet-like spaces
                # layers exchanged lead to the same state, which mostly is known: 1.3 times faster
                if after < 0 and known[i, steps] >= 0 and exchanged.shape[0] > 0:
                    first, last = exchanged[known[i, steps + 1], step, 0], exchanged[known[i, steps + 1], step, 1]
                    before = known[known[i, steps], first] if first >= 0 else np.int32(-1)
                    if before >= 0:
                        after = known[before, last]
                if after >= 0:
                    ends[node + 1, row] = known[i, step] = after
                    continue
            gap, solid, at = jump[i] * dilation[node], start[i] < 0, used[1]
            next_jump, wide = jump[i] * stride[node], extent[i] + (k - 1) * gap
            count, n_words, place = wide, (wide + 63) >> 6, np.int64(-1)
            if not (solid and (k == 1 or gap <= extent[i])):
                if at + n_words > words.shape[0]:
                    place_of[0], place_of[1] = node, row
                    return at + n_words
                count = _add_window(words, start[i], solid, extent[i], k, gap, words, at, n_words)
                if count < wide:
                    place = at
            code = _hash(words, at, place < 0, wide, next_jump)
            slot, found = code & mask, np.int64(-1)
            while table[np.int64(slot)] >= 0:  # in a function of its own, this search makes the kernel 1.2 times slower
                j = np.int64(table[np.int64(slot)])
                alike = hashes[j] == code and extent[j] == wide and jump[j] == next_jump and pixels[j] == count
                if alike and (place < 0 or _same(words, start[j], at, wide)):
                    found = j
                    break
                slot = (slot + _ONE) & mask
            if found < 0:
                found = used[0]
                if at + (n_words if place >= 0 else 0) + (found + 1) * state_words > limit:
                    return np.int64(PAST_LIMIT)
                if found == jump.shape[0] or 2 * (found + 1) > table.shape[0]:
                    place_of[0], place_of[1] = node, row
                    return np.int64(0)
                jump[found], extent[found], pixels[found], start[found] = next_jump, wide, count, place
                hashes[found], table[np.int64(slot)] = code, found
                shared[found] = _shared(words, at, place < 0, wide, next_jump)
                used[0] = found + 1
                if steps > 0:
                    known[found, steps], known[found, steps + 1] = i, step
                if place >= 0:
                    used[1] = at + n_words
            ends[node + 1, row] = found
            if steps > 0:
                known[i, step] = found
        place_of[1] = 0
    return np.int64(DONE)


@jit
def renumber(keys, size):
    """Number the distinct keys (each below `size`) in order of appearance: numbers, and the key of each number."""
    number_of = np.full(size, -1, np.int32)
    flat = keys.reshape(-1)
    numbers = np.empty(flat.shape[0], np.int32)
    distinct = np.empty(flat.shape[0], np.int64)
    n = 0
    for i in range(flat.shape[0]):
        key = flat[i]
        if number_of[key] < 0:
            number_of[key] = n
            distinct[n] = key
            n += 1
        numbers[i] = number_of[key]
    return numbers, distinct[:n]


# drivers: enumeration
# --------------------------------------------------------------------------------------------------------


@inline
def _fill_trie(base, first, size, at_source, parent, kernel, stride, dilation, meta, scratch, width):
    """Work out the states of one stage's trie, in slots base + 1 ...; node 0 is slot `at_source`.

    extent' = extent + (k-1)·d·jump and jump' = s·jump; a solid set stays solid while d·jump <= extent.
    """
    for node in range(size):
        up = parent[first + node]
        src = at_source if up == 0 else base + up
        slot = base + node + 1
        k = kernel[first + node]
        length = meta[src, 0]
        gap = meta[src, 2] * dilation[first + node]
        solid = meta[src, 3] == 1
        wide = length + (k - 1) * gap
        meta[slot, 0] = wide
        meta[slot, 2] = meta[src, 2] * stride[first + node]
        if solid and (k == 1 or gap <= length):
            meta[slot, 1] = wide
            meta[slot, 3] = 1
        else:
            out_at = slot * width
            count = _add_window(scratch, src * width, solid, length, k, gap, scratch, out_at, (wide + 63) >> 6)
            meta[slot, 1] = count
            meta[slot, 3] = 1 if count == wide else 0
        meta[slot, 4] = _shared(scratch, slot * width, meta[slot, 3] == 1, wide, meta[slot, 2])


@jit
def enumerate_range(
    jump, extent, pixels, shared, start, words, sources, live, stages, tries, variant, next_live, leaf,
    parent, kernel, stride, dilation, width, begin, low, high, out_pixels, out_extent, out_jump, out_shared,
):  # fmt: skip
    """Figures of all architectures of some stages after each source, depth first: nothing is merged.

    Architecture i of low..high-1 has source i // R and the choices of i % R, where R is the product of the stages'
    choices, the last stage fastest.

    Parameters
    ----------
    jump ... words
        The pool.
    sources, live : int32 arrays
        State and live value of each source.
    stages : int64 array (n, 4)
        Per stage: number of choices, offset in `variant`, offset in `next_live`, first of its slots.
    tries : int64 array (m, 3)
        Per variant of a stage: offset of its layers, number of layers, offset in `leaf`.
    variant : int64 array
        Variant by stage and live value.
    next_live : int64 array
        Live value after a stage, by live value and choice.
    leaf : int64 array
        Trie node of each choice.
    parent, kernel, stride, dilation : int64 arrays
        The layers of all tries.
    width : int
        Words of the widest set.
    begin : int
        The architecture of the first place of the answer.
    low, high : int
    out_pixels, out_extent, out_jump, out_shared : arrays
    """
    depth = stages.shape[0]
    per_source = np.int64(1)
    for level in range(depth):
        per_source *= stages[level, 0]
    slots = stages[depth - 1, 3]
    for level in range(tries.shape[0]):
        slots = max(slots, stages[depth - 1, 3] + tries[level, 1] + 1)
    at, stop = low, high
    scratch = np.empty(slots * width, np.uint64)
    meta = np.empty((slots, 5), np.int64)  # extent, pixels, jump, solid, shared
    digits = np.zeros(depth, np.int64)
    alive = np.zeros(depth + 1, np.int64)
    inputs = np.zeros(depth + 1, np.int64)  # slot that each stage reads
    dirty = 0  # the first stage to work out again
    row = np.int64(-1)
    while at < stop:
        if at // per_source != row:
            row = at // per_source
            rest = at - row * per_source
            for level in range(depth - 1, -1, -1):
                digits[level] = rest % stages[level, 0]
                rest //= stages[level, 0]
            state = np.int64(sources[row])
            meta[0, 0], meta[0, 1], meta[0, 2] = extent[state], pixels[state], jump[state]
            meta[0, 4] = shared[state]
            meta[0, 3] = 1 if start[state] < 0 else 0
            if start[state] >= 0:
                for w in range((extent[state] + 63) >> 6):
                    scratch[w] = words[start[state] + w]
            alive[0] = np.int64(live[row])
            dirty = 0
        for level in range(dirty, depth):
            v = variant[stages[level, 1] + alive[level]]
            base = stages[level, 3]
            _fill_trie(
                base,
                tries[v, 0],
                tries[v, 1],
                inputs[level],
                parent,
                kernel,
                stride,
                dilation,
                meta,
                scratch,
                width,
            )
            if level < depth - 1:
                c = digits[level]
                node = leaf[tries[v, 2] + c]
                inputs[level + 1] = inputs[level] if node == 0 else base + node
                alive[level + 1] = next_live[stages[level, 2] + alive[level] * stages[level, 0] + c]
        last = depth - 1
        v = variant[stages[last, 1] + alive[last]]
        here = min(stages[last, 0] - digits[last], stop - at)
        for i in range(here):
            node = leaf[tries[v, 2] + digits[last] + i]
            slot = inputs[last] if node == 0 else stages[last, 3] + node
            o = at - begin + i
            out_extent[o] = meta[slot, 0]
            out_pixels[o] = meta[slot, 1]
            out_jump[o] = meta[slot, 2]
            out_shared[o] = meta[slot, 4]
        at += here
        digits[last] = 0
        level = last - 1
        while level >= 0:
            digits[level] += 1
            if digits[level] < stages[level, 0]:
                break
            digits[level] = 0
            level -= 1
        if level >= 0:
            # only the digit of this stage changed: its trie stands, and it hands on another leaf
            v = variant[stages[level, 1] + alive[level]]
            c = digits[level]
            node = leaf[tries[v, 2] + c]
            inputs[level + 1] = inputs[level] if node == 0 else stages[level, 3] + node
            alive[level + 1] = next_live[stages[level, 2] + alive[level] * stages[level, 0] + c]
            dirty = level + 1
