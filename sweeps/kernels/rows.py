"""Kernels that write answers: walks through the tables state × choice -> state, and rows of figures copied out."""

from __future__ import annotations

import numba
import numpy as np

parallel = numba.njit(cache=True, nogil=True, parallel=True)


@parallel
def walk(nodes, first, follow, begin, end):
    """Nodes of the architectures begin..end-1 of a stage, from those of the stage before.

    Parameters
    ----------
    nodes : int32 array
        Nodes of the architectures first, first + 1, ... of the stage before.
    follow : int32 array (n, c)
        Next node by node and choice.

    Returns
    -------
    int32 array (end - begin,)
    """
    choices = follow.shape[1]
    out = np.empty(end - begin, np.int32)
    low, high = begin // choices, (end + choices - 1) // choices
    for row in numba.prange(high - low):
        at = (low + row) * choices
        node = nodes[low + row - first]
        for c in range(max(begin, at) - at, min(end, at + choices) - at):
            out[at + c - begin] = follow[node, c]
    return out


@parallel
def walk_sums(nodes, sums, first, weights, begin, end):
    """Accumulated costs of the architectures begin..end-1 of a stage, from those of the stage before."""
    choices = weights.shape[1]
    out = np.empty(end - begin, np.int64)
    low, high = begin // choices, (end + choices - 1) // choices
    for row in numba.prange(high - low):
        at = (low + row) * choices
        node = nodes[low + row - first]
        base = sums[low + row - first]
        for c in range(max(begin, at) - at, min(end, at + choices) - at):
            out[at + c - begin] = base + weights[node, c]
    return out


@parallel
def copy_rows(nodes, pixels, extent, jump, shared, begin, end, out_pixels, out_extent, out_jump, out_shared):
    """Write the figures of architectures begin..end-1: each row of a table holds those behind one node.

    Parameters
    ----------
    nodes : int32 array
        Nodes of the rows begin // c, ..., (end - 1) // c.
    pixels, extent, jump, shared : arrays (n, c)
    """
    choices = pixels.shape[1]
    low, high = begin // choices, (end + choices - 1) // choices
    for row in numba.prange(high - low):
        at = (low + row) * choices
        node = nodes[row]
        a, b = max(begin, at) - at, min(end, at + choices) - at
        o = at - begin
        for c in range(a, b):
            out_pixels[o + c] = pixels[node, c]
        for c in range(a, b):
            out_extent[o + c] = extent[node, c]
        for c in range(a, b):
            out_jump[o + c] = jump[node, c]
        for c in range(a, b):
            out_shared[o + c] = shared[node, c]


@parallel
def add_rows(nodes, sums, weights, begin, end, out):
    """Write the accumulated costs of architectures begin..end-1: a sum so far, plus a row of the table of its node."""
    choices = weights.shape[1]
    low, high = begin // choices, (end + choices - 1) // choices
    for row in numba.prange(high - low):
        at = (low + row) * choices
        node = nodes[row]
        base = sums[row]
        for c in range(max(begin, at) - at, min(end, at + choices) - at):
            out[at + c - begin] = base + weights[node, c]
