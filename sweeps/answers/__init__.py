"""Exact answers about all architectures of a space, without listing them: count, best, pareto, sample, design.

What an architecture can still become depends on its state alone, so that paths through the graph of states
(sweeps/answers/graph.py) stand for architectures: their numbers, the best of them, and uniform samples follow by
dynamic programming, for 10^24 of them as for 10^6.

Figures are ``pixels, extent, jump, shared, overlap`` (of one axis; with ``_y``, ``_x`` where the axes differ), ``area,
width, density``, and the costs ``params, macs`` of all layers up to a stage. A name alone means the last stage,
``s2.extent`` that of stage s2, ``every.density`` (in `where`) all stages. Factors go by their names.
"""
