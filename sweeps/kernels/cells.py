"""Kernels on the last node of a cell: what each of its choices makes of each state of the nodes before it.

A set of paths is a mask over the sets that paths can be; the union of paths is OR.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit

_ONE = np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
FEW_MASKS = 64  # so many are quicker compared than all choices of a state made


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
def _distinct_slots(row, states, base, edges, fixed, price, own, first, kind):
    """Write the distinct masks and prices of the slots of a state, source × op, inputs first, and which each slot has.

    Most ops add nothing to what the output has already: few are distinct. `first` has a slot of each.
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
                same = price[first[j]] == price[i * ops + o]
                for w in range(words):
                    if own[j, w] != own[n, w]:
                        same = False
                        break
                if same:
                    break
                j += 1
            kind[i * ops + o] = j
            if j == n:
                first[n] = i * ops + o
                n += 1
    return n


@inline
def _kinds(e, row, sources, base, edges, fixed, price, op_times, parts, kinds, many):
    """Write the distinct masks and prices that an edge can add to a row, and how many choices each is; their number."""
    source, words, n = sources[row, e], edges.shape[2], 0
    for o in range(edges.shape[1]):
        if op_times[e, o] == 0:
            continue
        cost = price[min(source, fixed.shape[0]), o]
        for w in range(words):
            part = fixed[source, o, w] if source < fixed.shape[0] else edges[source - fixed.shape[0], o, w]
            parts[e, n, w] = base[row, w] | part
        j = 0
        while j < n:
            same = kinds[e, j] == cost
            for w in range(words):
                if parts[e, j, w] != parts[e, n, w]:
                    same = False
                    break
            if same:
                break
            j += 1
        if j == n:
            kinds[e, n], many[e, n] = cost, 0
            n += 1
        many[e, j] += op_times[e, o]
    return n


@jit
def last_node(sources, base, weight, costs, edges, fixed, op_times, price, prices, least, limit):
    """Return the distinct masks after the last node of a cell, with costs, and how many choices lead to each.

    A row has the maps that the node reads, and what the output has; of an edge, ops that add the same are counted
    together before any union is made and looked up.

    Parameters
    ----------
    sources : int64 array (rows, edges of the node)
        Input, or number of a map + inputs.
    base : uint64 array (rows, words)
        What the output has already.
    weight : int64 array (rows,)
        Choices that lead to each row.
    costs : int64 array (rows, costs)
    edges : uint64 array (maps, ops, words); fixed : uint64 array (inputs, ops, words)
        What an op makes of a map, and of an input.
    op_times : int64 array (edges of the node, ops)
        How many choices an op is.
    price : int64 array (inputs + 1, ops); prices : int64 array (different prices, costs)
        What an op costs on an edge from each input, and from a node.
    least : int
        1 or -1: of each mask, only the choices of the least, or largest, first cost. 0: each cost by itself.
    limit : int
        Distinct masks that there may be.

    Returns
    -------
    masks and costs (the last words), counts, whether the limit was kept
    """
    ops, words, reads, more = edges.shape[1], edges.shape[2], sources.shape[1], costs.shape[1]
    keyed = words if least else words + more
    found, counts = np.empty((1024, words + more), np.uint64), np.zeros(1024, np.int64)
    table = np.zeros(4096, np.int64)
    parts, kinds = np.empty((reads, ops + 1, words), np.uint64), np.empty((reads, ops), np.int64)
    many, mask = np.empty((reads, ops), np.int64), np.empty(words + more, np.uint64)
    n, at_kind = np.zeros(reads, np.int64), np.zeros(reads, np.int64)
    used = 0
    for row in range(sources.shape[0]):
        for e in range(reads):
            n[e] = _kinds(e, row, sources, base, edges, fixed, price, op_times, parts, kinds, many)
            at_kind[e] = 0
        while at_kind[0] < n[0]:
            new = weight[row]
            for w in range(words):
                mask[w] = base[row, w]
            for m in range(more):
                mask[words + m] = np.uint64(costs[row, m])
            for e in range(reads):
                j = at_kind[e]
                new *= many[e, j]
                for w in range(words):
                    mask[w] |= parts[e, j, w]
                for m in range(more):
                    mask[words + m] += np.uint64(prices[kinds[e, j], m])
            e = reads - 1  # the next combination
            at_kind[e] += 1
            while e and at_kind[e] == n[e]:
                at_kind[e] = 0
                e -= 1
                at_kind[e] += 1
            slot = _slot(mask, table, found, keyed)
            at = table[slot] - 1
            if at < 0:
                if used == limit:
                    return found[:used], counts[:used], False
                if used == found.shape[0]:
                    wider, longer = np.empty((2 * used, words + more), np.uint64), np.zeros(2 * used, np.int64)
                    wider[:used], longer[:used] = found, counts
                    found, counts = wider, longer
                at = used
                for w in range(words + more):
                    found[at, w] = mask[w]
                used += 1
                table[slot] = used
                if 2 * used > table.shape[0]:
                    table = np.zeros(4 * table.shape[0], np.int64)
                    for j in range(used):
                        table[_slot(found[j], table, found, keyed)] = j + 1
            if least and found[at, words] != mask[words]:
                if least * (np.int64(mask[words]) - np.int64(found[at, words])) > 0:
                    continue
                for m in range(more):
                    found[at, words + m] = mask[words + m]
                counts[at] = 0
            counts[at] += new
    return found[:used].copy(), counts[:used].copy(), True


@jit
def undominated_rows(group, values, weight, k):
    """Return which rows of a group are not as large in every column as k choices of others, weight of each its choices.

    Rows stand by group, in lexicographic order.
    """
    keep = np.zeros(group.shape[0], np.bool_)
    kept = np.empty(group.shape[0], np.int64)
    n = 0
    for i in range(group.shape[0]):
        if i and group[i] != group[i - 1]:
            n = 0
        better = 0
        for j in range(n - 1, -1, -1):
            worse = True
            for c in range(values.shape[1]):
                if values[kept[j], c] > values[i, c]:
                    worse = False
                    break
            if worse:
                better += min(weight[kept[j]], k)
                if better >= k:
                    break
        if better < k:
            keep[i] = True
            kept[n] = i
            n += 1
    return keep


@inline
def _may_lead(row, base, costs, wanted, next_one, begin):
    """Whether what a state has is part of some wanted mask of which choices are still to find, and costs no more."""
    words = base.shape[1]
    for i in range(wanted.shape[0]):
        if next_one[i] == begin[i + 1]:
            continue
        within = True
        for w in range(words):
            if base[row, w] & ~wanted[i, w]:
                within = False
                break
        for m in range(costs.shape[1]):
            if costs[row, m] > np.int64(wanted[i, words + m]):
                within = False
                break
        if within:
            return True
    return False


@jit
def last_choices(states, base, weight, costs, edges, fixed, slots, times, price, prices, wanted, begin, number, out):
    """Find choices by their number among those that lead to one mask: state by state, choice by choice.

    Parameters
    ----------
    states : int32 array (states, maps)
        Numbers of the maps that the node may read, beside the inputs.
    base, weight, costs, edges, fixed
        As in `last_node`, by state.
    slots : int64 array (choices, edges of the node)
        Source × op of each edge, inputs first.
    times : int64 array (choices,)
        How many choices each stands for.
    price : int64 array (sources × ops,); prices : int64 array (different prices, costs)
    wanted : uint64 array (masks, words + costs)
    begin : int64 array (masks + 1,)
        Where the numbers of each mask begin.
    number : int64 array (n,)
        Of each mask, rising.
    out : int64 array (3, n)
        Written: state, choice of the node, and the number among those that both stand for.
    """
    words, reads, more = edges.shape[2], slots.shape[1], costs.shape[1]
    size = 16
    while size < 4 * wanted.shape[0]:
        size *= 2
    table = np.zeros(size, np.int64)
    for i in range(wanted.shape[0]):
        table[_slot(wanted[i], table, wanted, words + more)] = i + 1
    n_slots = price.shape[0]
    own, kind, first = (
        np.empty((n_slots + 1, words), np.uint64),
        np.empty(n_slots, np.int64),
        np.zeros(n_slots, np.int64),
    )
    mask, known = np.empty(words + more, np.uint64), np.empty(n_slots * n_slots, np.int64)
    next_one, passed, left = begin[:-1].copy(), np.zeros(wanted.shape[0], np.int64), number.shape[0]
    for row in range(states.shape[0]):
        if left == 0:
            break
        if wanted.shape[0] <= FEW_MASKS and not _may_lead(row, base, costs, wanted, next_one, begin):
            continue
        n = _distinct_slots(row, states, base, edges, fixed, price, own, first, kind)
        known[: n * n] = -2
        for c in range(slots.shape[0]):
            pair = kind[slots[c, 0]] * n + kind[slots[c, reads - 1]]
            i = known[pair] if reads <= 2 else -2
            if i == -2:
                for w in range(words):
                    mask[w] = base[row, w]
                for e in range(reads):
                    for w in range(words):
                        mask[w] |= own[kind[slots[c, e]], w]
                for m in range(more):
                    total = costs[row, m]
                    for e in range(reads):
                        total += prices[price[slots[c, e]], m]
                    mask[words + m] = np.uint64(total)
                i = table[_slot(mask, table, wanted, words + more)] - 1
                known[pair] = i
            if i < 0:
                continue
            many = weight[row] * times[c]
            while next_one[i] < begin[i + 1] and number[next_one[i]] < passed[i] + many:
                m = next_one[i]
                out[0, m], out[1, m], out[2, m] = row, c, number[m] - passed[i]
                next_one[i] += 1
                left -= 1
            passed[i] += many
