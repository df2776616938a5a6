"""Cells of all graphs up to isomorphism, as in NAS-Bench-101."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations, product

import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.sweeps import Space
from rfscale.sweeps.spaces.cells.nasbench101 import OPS, nasbench101
from rfscale.sweeps.spaces.graphs.any_graphs import any_graphs
from tests.oracles.branching_sets import Architecture

FIGURES = ("area", "extent", "max_gap", "jump", "terms")


def read(label):
    """Ops and edges of a label."""
    parts = [part.split(":") for part in label.split()]
    edges = frozenset((int(i), to) for to, (_, reads) in enumerate(parts, start=1) for i in reads)
    return tuple(op for op, _ in parts[:-1]), edges


def least(ops, edges):
    """The smallest of all orders of the nodes of a graph."""
    n, found = len(ops), []
    for order in permutations(range(1, n + 1)):
        at = (0, *order, n + 1)
        moved = sorted(zip(order, ops, strict=True))
        found.append((n, tuple(op for _, op in moved), tuple(sorted((at[a], at[b]) for a, b in edges))))
    return min(found)


def brute_force(nodes, most, ops):
    out = set()
    for n in range(nodes + 1):
        pairs = list(combinations(range(n + 2), 2))
        for size in range(1, most + 1):
            for edges in combinations(pairs, size):
                reads, is_read = {b for _, b in edges}, {a for a, _ in edges}
                if reads == set(range(1, n + 2)) and is_read == set(range(n + 1)):
                    out.update(least(chosen, edges) for chosen in product(ops, repeat=n))
    return out


@pytest.mark.parametrize(
    ("nodes", "edges", "ops"), [(0, 1, "a"), (2, 9, "ab"), (3, 5, "ab"), (3, 10, "abc"), (4, 5, "a")]
)
def test_all_graphs_once(nodes, edges, ops):
    labels = any_graphs(nodes, edges, tuple(ops)).labels
    assert len(set(labels)) == len(labels)
    found = Counter(least(*read(label)) for label in labels)
    assert set(found) == brute_force(nodes, edges, ops)
    assert max(found.values()) == 1
    assert all(len(read(label)[1]) <= edges for label in labels)


def test_the_published_number():
    assert len(any_graphs(5, 9, tuple(OPS)).labels) == 423_624


def space_of(ops=("conv3", "dil", "pool3"), output="concat", **more):
    spec = nasbench101(nodes=3, edges=5, cells=2)
    spec["ops"]["dil"] = {"kernel": 3, "dilation": 4}
    spec["cells"]["cell"] |= {"nodes": {"most": 3, "of": "any", "op": list(ops)}, "output": output}
    return {**spec, **more}


@pytest.mark.parametrize("output", ["concat", "add"])
def test_figures_of_a_whole_space(output):
    spec = space_of(output=output)
    space = Space.from_dict(spec)
    assert space.size > 200
    last = rf.sweep(space)["s3"].to_dataset()
    numbers = Counter()
    for i in range(space.size):
        found = Architecture(spec, space.labels(i)).figures()
        assert [getattr(found, name) for name in FIGURES] == [last[name].values[i] for name in FIGURES]
        numbers[found.extent, found.terms] += 1
        if i % 25 == 0:
            profile = rf.profile(space.network(i)).isel(layer=-1)
            assert (found.area, found.extent, found.terms) == (profile.area, profile.extent[0], profile.terms)
    counted = rf.count(space, ("extent", "terms")).to_series()
    assert {key: n for key, n in counted.items() if n} == dict(numbers)


def test_network_of_a_label():
    space = Space.from_dict(nasbench101(cells=1))
    layers = space.network({"cell_graph": "conv3:0 pool3:01 out:012"}).layers
    cell = [(x.op, x.inputs) for x in layers if x.name.startswith("s1")]
    assert cell == [
        ("conv", ("stem",)),
        ("add", ("stem", "s1.1")),
        ("max_pool", ("s1.2",)),
        ("concat", ("s1.1", "s1.3")),
        ("add", ("s1.4", "stem")),
    ]
    assert space.index({"cell_graph": "out:0"}) == 0


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"nodes": {"most": 3}}, "nodes of cell 'cell' is .*; it must be such as {most: 5, of: any, op"),
        ({"nodes": {"most": 7, "of": "any", "op": ["conv3"]}}, "most of nodes of cell 'cell' is 7"),
        ({"nodes": {"most": 2, "of": "any", "op": ["conv9"]}}, "op of cell 'cell' is 'conv9'; did you mean 'conv3'"),
        ({"nodes": {"most": 2, "of": "any", "op": ["conv3", "conv3"]}}, "an op may stand once"),
        (
            {"nodes": {"most": 2, "of": "any", "op": ["none"]}},
            "op of nodes of cell 'cell' has 'none', which is no path",
        ),
        ({"edges": {"most": 0}}, "most of edges of cell 'cell' is 0"),
        ({"edges": 3}, "edges of cell 'cell' is 3; beside nodes of any others it is such as {most: 9}"),
        ({"output": "n1"}, "output of cell 'cell' is 'n1'; beside nodes of any others: concat or add"),
        ({"stride": 2}, "cell 'cell' has 'stride', and nodes that read any others"),
        ({"inputs": ["a", "b"]}, "cell 'cell' has two inputs, and nodes that read any others"),
        (
            {"nodes": {"most": 6, "of": "any", "op": OPS}, "edges": {"most": 12}},
            "cell 'cell': there are more than 1048576 graphs of at most 6 nodes and 12 edges with 3 ops",
        ),
    ],
)
def test_what_is_no_cell_of_all_graphs(cell, message):
    spec = nasbench101()
    spec["ops"]["none"] = "none"
    spec["cells"]["cell"] |= cell
    with pytest.raises(InputError, match=message):
        Space.from_dict(spec)
