"""Kernels of the levels of `rf.validate`: formulas carried along the choices of a stage, and equal states merged.

`rfscale.sweeps.validation.levels` says what `Nodes` and `EdgeSources` are.
"""

from __future__ import annotations

import numpy as np

from rfscale.engine.kernels.jit import inline, jit_with
from rfscale.sweeps.kernels.formula_recurrence import VERSION, advance_state, share, snap

# division by 0 is inf or nan, as numpy has it: the article's formulas meet it
jit = jit_with(error_model="numpy")

_ROUND = 16  # bits of S and P that may differ between states that merge: 1.5e-11 relative


@inline
def _key(value):
    """A number as an integer that is equal for values alike to some 2^-36, and -1 for nan."""
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


@jit
def advance_edges(
    low, high, sources, state, flags, tables, first_line, choices, pixels, shared, out, out_flags, version=VERSION
):
    """Carry the formulas of the rows low..high-1 along every choice of one stage; windows are alike on all axes.

    Parameters
    ----------
    low, high : int
    sources : EdgeSources
        Exact extent and jump of each row, which chains its choices stand for, and its row of `pixels` and `shared`.
    state : float64 array (n, 4); flags : int64 array (n, 1)
        S, P, w, u and the flags of each row.
    tables : Tables
    first_line : int
        The stage's first line in `tables.chains`.
    choices : int
    pixels, shared : int32 arrays (m, choices)
        Exact figures after each row's choices.
    out : float64 array (n, choices, 4); out_flags : int64 array (n, choices, 1)
        Written.
    version : int
        Of the functions that are inlined from another file.
    """
    chains, layers, power = tables.chains, tables.layers, tables.power
    extent, jump, variant, source = sources.extent, sources.jump, sources.variant, sources.source
    figures = np.empty((1, 1, 4), np.int64)
    value, flag = np.empty((1, 1, 4)), np.empty((1, 1, 1), np.int64)
    for row in range(low, high):
        first, x = first_line + variant[row] * choices, source[row]
        for line in range(first, first + choices):
            c = chains[line, 0]
            for i in range(4):
                value[0, 0, i] = state[row, i]
            flag[0, 0, 0], figures[0, 0, 0], figures[0, 0, 2] = flags[row, 0], extent[row], jump[row]
            for at in range(chains[line, 1], chains[line, 1] + chains[line, 2]):
                advance_state(value, flag, figures, 0, 0, 0, layers, at)
                figures[0, 0, 0] += (layers[at, 0] - 1) * layers[at, 2] * figures[0, 0, 2]
                figures[0, 0, 2] *= layers[at, 1]
            size = np.float64(pixels[x, c])
            area = size
            for _ in range(power - 1):
                area *= size
            snap(value, 0, 0, area, share(shared[x, c], size))
            for i in range(4):
                out[row, c, i] = value[0, 0, i]
            out_flags[row, c, 0] = flag[0, 0, 0]


@jit
def join(edges, nodes, used, table):
    """Merge edges that end in one state, exact and by the formulas, and return how many nodes there are now.

    Parameters
    ----------
    edges : Nodes
        State in the pool, live value, state of the formulas, architectures, and where each edge comes from.
    nodes : Nodes
        The nodes, with the edge by which each was first met. Written.
    used : int
        Nodes so far.
    table : int32 array
        Finds a node by content; a power of two, at least twice as long as there will be nodes; -1 is empty.
    """
    mask = np.uint64(table.shape[0] - 1)
    exact, live, state, flags = edges.exact, edges.live, edges.state, edges.flags
    for i in range(exact.shape[0]):
        slot = _hash(exact[i], live[i], flags[i, 0], state, i) & mask
        while True:
            n = table[np.int64(slot)]
            if n < 0:
                table[np.int64(slot)] = used
                nodes.exact[used], nodes.live[used], nodes.flags[used, 0] = exact[i], live[i], flags[i, 0]
                nodes.weight[used], nodes.row[used], nodes.choice[used] = edges.weight[i], edges.row[i], edges.choice[i]
                for column in range(4):
                    nodes.state[used, column] = state[i, column]
                used += 1
                break
            same = nodes.exact[n] == exact[i] and nodes.live[n] == live[i] and nodes.flags[n, 0] == flags[i, 0]
            for column in range(4):
                same = same and _key(nodes.state[n, column]) == _key(state[i, column])
            if same:
                nodes.weight[n] += edges.weight[i]
                break
            slot = (slot + np.uint64(1)) & mask
    return used


@jit
def rehash(nodes, used, size):
    """Return a table of `size` slots that finds the first `used` nodes."""
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    for n in range(used):
        slot = _hash(nodes.exact[n], nodes.live[n], nodes.flags[n, 0], nodes.state, n) & mask
        while table[np.int64(slot)] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[np.int64(slot)] = n
    return table
