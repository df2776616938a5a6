"""Kernels on the last node of a cell: what each of its choices makes of each state of the nodes before it.

A set of paths is a mask over the sets that paths can be; the union of paths is OR.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit

_ONE = np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@inline
def _slot(mask, table, found, words):
    """Slot of a mask in a table of numbers + 1: of the mask itself, or the empty one where it belongs."""
    code = _MIX
    for w in range(words):
        code = (code ^ mask[w]) * _MIX
        code ^= code >> np.uint64(29)
    bits = np.uint64(table.shape[0] - 1)
    slot = code & bits
    while table[np.int64(slot)]:
        j, same = table[np.int64(slot)] - 1, True
        for w in range(words):
            if found[j, w] != mask[w]:
                same = False
                break
        if same:
            break
        slot = (slot + _ONE) & bits
    return np.int64(slot)


@inline
def _distinct_slots(row, states, base, edges, fixed, own, kind):
    """Write the distinct masks of the slots of a state, source × op, inputs first, and which one each slot has.

    Most ops add nothing to what the output has already: few are distinct.
    """
    ops, words = edges.shape[1], edges.shape[2]
    n = 0
    for i in range(fixed.shape[0] + states.shape[1]):
        for o in range(ops):
            for w in range(words):
                part = fixed[i, o, w] if i < fixed.shape[0] else edges[states[row, i - fixed.shape[0]], o, w]
                own[n, w] = base[row, w] | part
            j = 0
            while j < n:
                same = True
                for w in range(words):
                    if own[j, w] != own[n, w]:
                        same = False
                        break
                if same:
                    break
                j += 1
            kind[i * ops + o] = j
            if j == n:
                n += 1
    return n


@jit
def last_node(states, base, weight, edges, fixed, slots, times, limit):
    """Return the distinct masks after the last node of a cell, and how many choices lead to each.

    Choices of the same distinct masks are counted together, before any union is made and looked up: 8 times as fast.

    Parameters
    ----------
    states : int32 array (states, sources)
        Numbers of the maps that the node may read, beside the inputs.
    base : uint64 array (states, words)
        What the output has already.
    weight : int64 array (states,)
        Choices that lead to each state.
    edges : uint64 array (maps, ops, words); fixed : uint64 array (inputs, ops, words)
        What an op makes of a map, and of an input.
    slots : int64 array (choices, edges of the node)
        Source × op of each edge, inputs first.
    times : int64 array (choices,)
        How many choices each stands for.
    limit : int
        Distinct masks that there may be.

    Returns
    -------
    masks, counts, whether the limit was kept
    """
    words, reads = edges.shape[2], slots.shape[1]
    found, counts = np.empty((1024, words), np.uint64), np.zeros(1024, np.int64)
    table = np.zeros(4096, np.int64)
    n_slots = (fixed.shape[0] + states.shape[1]) * edges.shape[1]
    own, kind = np.empty((n_slots + 1, words), np.uint64), np.empty(n_slots, np.int64)
    mask, many = np.empty(words, np.uint64), np.zeros((n_slots, n_slots), np.int64)
    used = 0
    for row in range(states.shape[0]):
        n = _distinct_slots(row, states, base, edges, fixed, own, kind)
        if reads <= 2:
            for c in range(slots.shape[0]):
                a, b = kind[slots[c, 0]], kind[slots[c, reads - 1]]
                many[min(a, b), max(a, b)] += times[c]
        for c in range(n * n if reads <= 2 else slots.shape[0]):
            a, b = c // n, c % n
            new = times[c] if reads > 2 else many[a, b]
            if new == 0:
                continue
            if reads <= 2:
                many[a, b] = 0
                for w in range(words):
                    mask[w] = own[a, w] | own[b, w]
            else:
                for w in range(words):
                    mask[w] = base[row, w]
                for e in range(reads):
                    for w in range(words):
                        mask[w] |= own[kind[slots[c, e]], w]
            slot = _slot(mask, table, found, words)
            at = table[slot] - 1
            if at < 0:
                if used == limit:
                    return found[:used], counts[:used], False
                if used == found.shape[0]:
                    wider, longer = np.empty((2 * used, words), np.uint64), np.zeros(2 * used, np.int64)
                    wider[:used], longer[:used] = found, counts
                    found, counts = wider, longer
                at = used
                for w in range(words):
                    found[at, w] = mask[w]
                used += 1
                table[slot] = used
                if 2 * used > table.shape[0]:
                    table = np.zeros(4 * table.shape[0], np.int64)
                    for i in range(used):
                        table[_slot(found[i], table, found, words)] = i + 1
            counts[at] += weight[row] * new
    return found[:used].copy(), counts[:used].copy(), True


@jit
def last_choices(states, base, weight, edges, fixed, slots, times, wanted, begin, number, out):
    """Find choices by their number among those that lead to one mask: state by state, choice by choice.

    Parameters
    ----------
    states, base, weight, edges, fixed, slots, times
        As in `last_node`.
    wanted : uint64 array (masks, words)
    begin : int64 array (masks + 1,)
        Where the numbers of each mask begin.
    number : int64 array (n,)
        Of each mask, rising.
    out : int64 array (3, n)
        Written: state, choice of the node, and the number among those that both stand for.
    """
    words, reads = edges.shape[2], slots.shape[1]
    size = 16
    while size < 4 * wanted.shape[0]:
        size *= 2
    table = np.zeros(size, np.int64)
    for i in range(wanted.shape[0]):
        table[_slot(wanted[i], table, wanted, words)] = i + 1
    n_slots = (fixed.shape[0] + states.shape[1]) * edges.shape[1]
    own, kind = np.empty((n_slots + 1, words), np.uint64), np.empty(n_slots, np.int64)
    mask, known = np.empty(words, np.uint64), np.empty((n_slots, n_slots), np.int64)
    next_one, passed = begin[:-1].copy(), np.zeros(wanted.shape[0], np.int64)
    for row in range(states.shape[0]):
        n = _distinct_slots(row, states, base, edges, fixed, own, kind)
        known[:n, :n] = -2
        for c in range(slots.shape[0]):
            a, b = kind[slots[c, 0]], kind[slots[c, reads - 1]]
            i = known[a, b] if reads <= 2 else -2
            if i == -2:
                for w in range(words):
                    mask[w] = base[row, w]
                for e in range(reads):
                    for w in range(words):
                        mask[w] |= own[kind[slots[c, e]], w]
                i = table[_slot(mask, table, wanted, words)] - 1
                known[a, b] = i
            if i < 0:
                continue
            many = weight[row] * times[c]
            while next_one[i] < begin[i + 1] and number[next_one[i]] < passed[i] + many:
                m = next_one[i]
                out[0, m], out[1, m], out[2, m] = row, c, number[m] - passed[i]
                next_one[i] += 1
            passed[i] += many
