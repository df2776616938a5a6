"""Kernels of inverse design: from the labels of one level of the graph of states to those of the next.

A label is a way to reach a node with `m` maps chosen so far, the last one of value number `w`: its fit `f` so far (in
units of sweeps/answers/design/fit.py), its cost `c`, and the number `key` of the choices that lead there. Rows of
labels are sorted by node and m: ``ptr[node·(k + 1) + m]`` is where they start.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rfscale.engine.kernels.jit import jit

FAR = np.int64(1) << np.int64(62)

# Rows are copied number by number, and sorted here: slices and numpy's sort take three times as long to compile.


@jit
def _copy_row(source, i, target, j):
    """Write row i of a table to row j of another of as many columns."""
    for column in range(source.shape[1]):
        target[j, column] = source[i, column]


@jit
def _put(stack, depth, first, last, low, high):
    stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = first, last, low, high


@jit
def pair(a: Any, b: Any, fit: Any) -> Any:
    """Cost of the objects between two neighbouring chosen values, a < b, in the units of the fit.

    Coverage: max(0, below(b) - above(a)), the objects that neither covers. Tightness: the sum of |log2(value/size)|,
    each object with the nearer value; up to the break-even point (log2 a + log2 b)/2 that is a.
    """
    if not fit.nearest:
        return max(np.int64(0), fit.below[b] - fit.above[a])
    first, last = fit.below[a], fit.below[b]
    middle = fit.logs[a] + fit.logs[b]
    low, high = first, last
    while low < high:  # first bin at or above the break-even point
        half = (low + high) // 2
        if 2 * fit.bins[half] < middle:
            low = half + 1
        else:
            high = half
    near = (fit.moment[low] - fit.moment[first]) - fit.logs[a] * (fit.mass[low] - fit.mass[first])
    far = fit.logs[b] * (fit.mass[last] - fit.mass[low]) - (fit.moment[last] - fit.moment[low])
    return near + far


@jit
def least_to_go(fit: Any, usable: Any, k: Any) -> Any:
    """Least cost still to come by maps chosen and last value, over any greater usable values: [m, w]; [0, 0]: none yet.

    The best next value never falls as the last one grows (the differences of sweeps/answers/design/fit.py), so that
    halves of the values share the range of next values: n·log(n) steps.
    """
    n = len(fit.logs)
    out = np.zeros((k + 1, n), np.int64)
    stack = np.empty((128, 4), np.int64)
    for m in range(k - 1, 0, -1):
        after = fit.tail if m == k - 1 else out[m + 1]
        _put(stack, 0, 0, n, 0, n)
        depth = 1
        while depth:
            depth -= 1
            first, last, low, high = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            if first >= last:
                continue
            a = (first + last) // 2
            best, at = FAR, high
            for b in range(max(low, a + 1), high):
                if usable[b] and after[b] < FAR:
                    total = pair(a, b, fit) + after[b]
                    if total < best:
                        best, at = total, b
            out[m, a] = best
            _put(stack, depth, first, a, low, min(at + 1, high))
            _put(stack, depth + 1, a + 1, last, at if best < FAR else low, high)
            depth += 2
    least = FAR
    for b in range(n):
        if usable[b] and (k == 1 or out[1, b] < FAR):
            least = min(least, fit.head[b] + (out[1, b] if k > 1 else fit.tail[b]))
    for a in range(n):
        out[0, a] = least
    return out


@jit
def _better(i, j, w, f, c, key, rest, ahead, g, by_cost):
    """Whether label i is at least as good as label j whatever follows, ties going to the smaller key.

    `rest` is the tail of a label's value, `ahead` its pair with the node's own value g. All maps still to come have
    values of at least g. Where i's value is the smaller one, it loses most against j if none comes; where it is the
    larger one (and below g, so that it may be followed by all that may follow j), if the next one is g itself.
    """
    if w[i] == w[j]:
        gain = f[j] - f[i]
    elif w[i] < w[j]:
        gain = f[j] + rest[j] - f[i] - rest[i]
    elif w[i] < g:
        gain = f[j] + ahead[j] - f[i] - ahead[i]
    else:
        return False
    if gain < 0:
        return False
    if by_cost and c[i] > c[j]:
        return False
    return gain > 0 or c[i] < c[j] or (c[i] == c[j] and key[i] <= key[j])


@jit
def _sorted(first, second, third):
    """Order of rows by three keys, rows alike in all three as they stand: merging runs of 1, 2, 4 … rows."""
    n = first.shape[0]
    order, spare = np.arange(n), np.empty(n, np.int64)
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle, stop = min(start + width, n), min(start + 2 * width, n)
            a, b = start, middle
            for at in range(start, stop):
                take = b >= stop
                if not take and a < middle:
                    i, j = order[a], order[b]
                    take = first[i] < first[j] or (
                        first[i] == first[j]
                        and (second[i] < second[j] or (second[i] == second[j] and third[i] <= third[j]))
                    )
                if take:
                    spare[at] = order[a]
                    a += 1
                else:
                    spare[at] = order[b]
                    b += 1
        order, spare = spare, order
        width *= 2
    return order


@jit
def _kept(search, found, fit, g, keep, others):
    """Write to `keep` the labels of a node of value g that no n others with different keys are better than.

    Return how many; `others` is work space for n keys.
    """
    n, by_cost = search.n, search.by_cost
    rows = found.shape[0]
    w, f, c, key = (
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
    )
    rest, ahead, total = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        w[i], f[i], c[i], key[i] = found[i, 0], found[i, 1], found[i, 2], found[i, 3]
        if w[i] >= 0:
            rest[i] = fit.tail[w[i]]
            ahead[i] = pair(w[i], g, fit) if w[i] < g else 0
        total[i] = f[i] + rest[i]
    order = _sorted(c, total, key) if by_cost else _sorted(total, c, key)
    kept = 0
    for j in order:
        n_others = 0
        for at in range(kept):
            i = keep[at]
            if not _better(i, j, w, f, c, key, rest, ahead, g, by_cost):
                continue
            if key[i] == key[j]:
                n_others = n
            else:
                new = True
                for s in range(n_others):
                    new = new and others[s] != key[i]
                if new:
                    others[n_others] = key[i]
                    n_others += 1
            if n_others >= n:
                break
        if n_others < n:
            keep[kept] = j
            kept += 1
    return kept


@jit
def _place(front, n_front, c, f):
    """Place of a point in the front (cost rising, fit falling), or -1 if one of the front is as good in both."""
    low, high = 0, n_front
    while low < high:
        half = (low + high) // 2
        if front[half, 0] <= c:
            low = half + 1
        else:
            high = half
    return -1 if low and front[low - 1, 1] <= f else low


@jit
def _insert(front, n_front, at, row):
    """Put a point into the front, and take out those that it dominates."""
    start = at - 1 if at and front[at - 1, 0] == row[0] else at
    end = at
    while end < n_front and front[end, 1] >= row[1]:
        end += 1
    shift = 1 - (end - start)
    if shift > 0:
        for i in range(n_front - 1, end - 1, -1):
            _copy_row(front, i, front, i + shift)
    elif shift < 0:
        for i in range(end, n_front):
            _copy_row(front, i, front, i + shift)
    for column in range(row.shape[0]):
        front[start, column] = row[column]
    return n_front + shift


@jit
def _grown(table, needed):
    """Return the table, or a copy of at least twice the rows where it has fewer than are needed."""
    if needed <= table.shape[0]:
        return table
    out = np.empty((max(needed, 2 * table.shape[0]), table.shape[1]), np.int64)
    for i in range(table.shape[0]):
        _copy_row(table, i, out, i)
    return out


@jit
def _arriving(search, level, ptr, labels, v, m, front, n_front, found):
    """Write to `found` the labels with m maps that reach node v by its edges; return it and their number.

    Left out: labels whose cost at the end passes the limit, that cannot become complete, or that end no better than a
    point of the front, however well the maps still to come fit.
    """
    edges, low, to_end = level.edges, level.low, level.to_end[v]
    limit, choices, exact = search.limit, level.choices, search.exact
    count = 0
    for e in range(level.edge_ptr[v], level.edge_ptr[v + 1]):
        at = edges[e, 0] * (search.k + 1) + m
        found = _grown(found, count + ptr[at + 1] - ptr[at])
        for r in range(ptr[at], ptr[at + 1]):
            w, f, c = labels[r, 0], labels[r, 1], labels[r, 2] + edges[e, 2]
            to_go = low[m, max(w, 0)]
            if c + to_end > limit or to_go >= FAR:
                continue
            if n_front and _place(front, n_front, c + to_end, f + to_go) < 0:
                continue
            key = labels[r, 3] * choices + edges[e, 1]
            if not exact:
                key ^= (key >> 29) ^ (key << 17)
                key *= np.int64(0x1E3779B97F4A7C15)
            found[count, 0], found[count, 1], found[count, 2], found[count, 3] = w, f, c, key
            found[count, 4], found[count, 5], found[count, 6] = r, edges[e, 1], 0
            count += 1
    return found, count


@jit
def _choosing(search, level, fit, v, m, fewer, front, n_front, found, count):
    """Add to `found` the labels of node v with m - 1 maps (`fewer`), with the node's own map chosen as well.

    Complete ones go to the front where labels with all k maps do not go on. Return found, count, front, n_front.
    """
    g, to_end, low, complete = level.value[v], level.to_end[v], level.low[m, level.value[v]], m == search.k
    found = _grown(found, count + fewer.shape[0])
    point = np.empty(6, np.int64)
    for r in range(fewer.shape[0]):
        w, c = fewer[r, 0], fewer[r, 2] + to_end
        if w >= g or (not complete and low >= FAR):
            continue
        f = fewer[r, 1] + (fit.head[g] if m == 1 else pair(w, g, fit)) + (fit.tail[g] if complete else 0)
        to_front = complete and not search.carry
        if n_front or to_front:
            place = _place(front, n_front, c, f + (0 if complete else low))
            if place < 0:
                continue
            if to_front:
                front = _grown(front, n_front + 1)
                point[0], point[1], point[2] = c, f, level.number
                point[3], point[4], point[5] = fewer[r, 4], fewer[r, 5], v
                n_front = _insert(front, n_front, place, point)
                continue
        _copy_row(fewer, r, found, count)
        found[count, 0], found[count, 1], found[count, 6] = (-1 if complete else g), f, 1
        count += 1
    return found, count, front, n_front


@jit
def next_labels(search, level, fit, ptr, labels, front, n_front):
    """Labels of the next level: those that arrive at each node, with its own map chosen or not, less dominated ones.

    Parameters
    ----------
    search : Search; level : Step; fit : Fit
        Described in sweeps/answers/design.
    ptr, labels : int64 arrays
        Of the level before; columns w, f, c, key, row before, choice, chosen.
    front, n_front : int64 array (rows, 6), int
        Columns cost, fit, level, row before, choice, node.

    Returns
    -------
    ptr, labels, front, n_front; labels is empty with ptr[0] == -1 where they pass `search.most`
    """
    k, value, remaining = search.k, level.value, level.remaining
    out, size = np.empty((1024, 7), np.int64), np.int64(0)
    out_ptr = np.zeros(len(value) * (k + 1) + 1, np.int64)
    found = np.empty((1024, 7), np.int64)
    keep, others = np.empty(1024, np.int64), np.empty(search.n, np.int64)
    for v in range(len(value)):
        for m in range(k + 1):
            out_ptr[v * (k + 1) + m] = size
            if level.to_end[v] >= FAR or m + remaining + 1 < k:
                continue
            count = 0
            if m < k or search.carry:
                found, count = _arriving(search, level, ptr, labels, v, m, front, n_front, found)
            if m and level.usable[v]:
                fewer = out[out_ptr[v * (k + 1) + m - 1] : size]
                found, count, front, n_front = _choosing(search, level, fit, v, m, fewer, front, n_front, found, count)
            if not count or (remaining == 0 and m < k - 1):
                continue
            if len(keep) < count:
                keep = np.empty(2 * count, np.int64)
            kept = _kept(search, found[:count], fit, value[v], keep, others)
            if size + kept > search.most:
                out_ptr[0] = -1
                return out_ptr, out[:0], front, n_front
            out = _grown(out, size + kept)
            for i in range(kept):
                _copy_row(found, keep[i], out, size + i)
            size += kept
    out_ptr[-1] = size
    return out_ptr, out[:size], front, n_front
