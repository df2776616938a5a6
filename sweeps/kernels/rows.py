"""Kernels that write answers: walks through the tables state × choice -> state, and rows of figures copied out."""

from __future__ import annotations

import numba
import numpy as np

from rfscale.engine.kernels.jit import inline, jit_with

parallel = jit_with(parallel=True)

TASKS = 64  # pieces of a block: some more than there are threads


@inline
def _copy_rows(nodes, table, low, high, begin, end, out):
    """Write the rows low..high-1 of one figure, cut to architectures begin..end-1.

    Views that start at 0 let the compiler see that no index is negative: 3 times faster than indexing `out` itself.
    """
    choices = table.shape[1]
    for row in range(low, high):
        at = row * choices
        a, b = max(begin, at), min(end, at + choices)
        source = table[nodes[row], a - at : b - at]
        target = out[a - begin : b - begin]
        for c in range(b - a):
            target[c] = source[c]


@parallel
def walk(nodes, follow, begin, end):
    """Nodes of the architectures begin..end-1 of a stage, from those of the stage before.

    Parameters
    ----------
    nodes : int32 array
        Nodes of the stage before; architecture i has that of i // c.
    follow : int32 array (n, c)
        Next node by node and choice.

    Returns
    -------
    int32 array (end - begin,)
    """
    out = np.empty(end - begin, np.int32)
    rows = (end + follow.shape[1] - 1) // follow.shape[1]
    for task in numba.prange(TASKS):
        _copy_rows(nodes, follow, task * rows // TASKS, (task + 1) * rows // TASKS, begin, end, out)
    return out


@parallel
def copy_rows(nodes, pixels, extent, jump, shared, begin, end, out_pixels, out_extent, out_jump, out_shared):
    """Write the figures of architectures begin..end-1: each row of a table holds those after one node.

    Parameters
    ----------
    nodes : int32 array
        Architecture i has node i // c.
    pixels, extent, jump, shared : arrays (n, c)
    """
    rows = (end + pixels.shape[1] - 1) // pixels.shape[1]
    for task in numba.prange(TASKS):
        low, high = task * rows // TASKS, (task + 1) * rows // TASKS
        _copy_rows(nodes, pixels, low, high, begin, end, out_pixels)
        _copy_rows(nodes, extent, low, high, begin, end, out_extent)
        _copy_rows(nodes, jump, low, high, begin, end, out_jump)
        _copy_rows(nodes, shared, low, high, begin, end, out_shared)


@parallel
def add_rows(nodes, sums, weights, begin, end, out):
    """Write the accumulated costs of architectures begin..end-1: a sum so far, plus a row of the table of its node."""
    choices = weights.shape[1]
    rows = (end + choices - 1) // choices
    for task in numba.prange(TASKS):
        for row in range(task * rows // TASKS, (task + 1) * rows // TASKS):
            at = row * choices
            a, b = max(begin, at), min(end, at + choices)
            source = weights[nodes[row], a - at : b - at]
            target = out[a - begin : b - begin]
            base = sums[row]
            for c in range(b - a):
                target[c] = base + source[c]
