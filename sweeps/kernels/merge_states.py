"""Kernels that merge states of chains, exact and by the formulas, as they come.

Kernels and the scalars they inline stand in one file: numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit

_ROUND = 16  # bits of S and P that may differ between states that merge: 1.5e-11 relative


# scalars -------------------------------------------------------------------------------------------------------------


@inline
def _key(value):
    if np.isnan(value):
        return np.int64(-1)
    return (np.float64(value).view(np.int64) + (np.int64(1) << (_ROUND - 1))) >> _ROUND


@inline
def _hash(exact, live, flags, state, i):
    code = np.uint64(exact) * np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ np.uint64(live * 16 + flags)) * np.uint64(0xC2B2AE3D27D4EB4F)
    for column in range(4):
        code ^= code >> np.uint64(29)
        code = (code ^ np.uint64(_key(state[i, column]))) * np.uint64(0x9E3779B97F4A7C15)
    return code ^ (code >> np.uint64(32))


# drivers -------------------------------------------------------------------------------------------------------------


@jit
def join(exact, live, state, flags, weight, row, choice, used, table, n_exact, n_live, n_state, n_flags, n_weight,
         n_row, n_choice):  # fmt: skip
    """Merge edges that end in one state, exact and by the formulas, and return how many nodes there are now.

    Parameters
    ----------
    exact, live, state, flags, weight, row, choice : arrays over edges
        State in the pool, live value, state of the formulas, architectures, and where the edge comes from.
    used : int
        Nodes so far.
    table : int32 array
        Finds a node by content; a power of two, at least twice as long as nodes will be many; -1 is empty.
    n_exact ... n_choice : arrays over nodes
        The nodes, with the edge that each was first met by. Written.
    """
    mask = np.uint64(table.shape[0] - 1)
    for i in range(exact.shape[0]):
        slot = _hash(exact[i], live[i], flags[i], state, i) & mask
        while True:
            n = table[np.int64(slot)]
            if n < 0:
                table[np.int64(slot)] = used
                n_exact[used], n_live[used], n_flags[used], n_weight[used] = exact[i], live[i], flags[i], weight[i]
                n_row[used], n_choice[used] = row[i], choice[i]
                n_state[used] = state[i]
                used += 1
                break
            same = n_exact[n] == exact[i] and n_live[n] == live[i] and n_flags[n] == flags[i]
            for column in range(4):
                same = same and _key(n_state[n, column]) == _key(state[i, column])
            if same:
                n_weight[n] += weight[i]
                break
            slot = (slot + np.uint64(1)) & mask
    return used


@jit
def rehash(exact, live, state, flags, used, size):
    """Return a table of `size` slots that finds the nodes."""
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    for n in range(used):
        slot = _hash(exact[n], live[n], flags[n], state, n) & mask
        while table[np.int64(slot)] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[np.int64(slot)] = n
    return table
