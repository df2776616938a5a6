"""Which layer of one network stands for which of another: by name, by output, by order."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from rfscale.engine.network.network import Network

How = Literal["name", "output", "order", "only a", "only b"]


class Pair(NamedTuple):
    """Positions of two layers that stand for each other; None where a network has no such layer."""

    a: int | None
    b: int | None
    how: How


def aligned(a: Network, b: Network, ends: tuple[list[int], list[int]] = ([], [])) -> list[Pair]:
    """Return the layers of two networks in pairs, in the order of the first; what only the second has stands between.

    Outputs of one name are a pair, and the other outputs in their order, if both networks have as many; then layers of
    one name; then the layers at the positions `ends`, as outputs; then runs of layers of one op, kernel and stride.

    Examples
    --------
    >>> a = Network.sequential({"name": "c1", "kernel": 3}, {"name": "c2", "kernel": 5}, {"name": "out", "kernel": 1})
    >>> b = Network.sequential({"name": "c1", "kernel": 3}, {"name": "d2", "kernel": 5}, {"name": "head", "kernel": 1})
    >>> [tuple(pair) for pair in aligned(a, b)]
    [(0, 0, 'name'), (1, 1, 'order'), (2, 2, 'output')]
    """
    found: dict[int, tuple[int, How]] = {}
    _by_name(a, b, a.outputs, b.outputs, found)
    _one_by_one([a.index(name) for name in a.outputs], [b.index(name) for name in b.outputs], found)
    _by_name(a, b, [layer.name for layer in a.layers], [layer.name for layer in b.layers], found)
    _one_by_one(*ends, found)
    taken = {j for j, _ in found.values()}
    rest_a = [i for i in range(len(a)) if i not in found]
    rest_b = [i for i in range(len(b)) if i not in taken]
    for i, j in _in_order(a, b, rest_a, rest_b):
        found[i] = j, "order"
    taken = {j for j, _ in found.values()}
    pairs = [Pair(i, *found[i]) if i in found else Pair(i, None, "only a") for i in range(len(a))]
    return _with_the_others(pairs, [j for j in range(len(b)) if j not in taken])


def _by_name(
    a: Network, b: Network, in_a: Sequence[str], in_b: Sequence[str], found: dict[int, tuple[int, How]]
) -> None:
    """Add the pairs of one name, of those that are not in a pair yet."""
    taken, names = {j for j, _ in found.values()}, set(in_b)
    for name in in_a:
        i, j = a.index(name), b.index(name) if name in names else -1
        if j >= 0 and i not in found and j not in taken:
            found[i] = j, "name"


def _one_by_one(in_a: list[int], in_b: list[int], found: dict[int, tuple[int, How]]) -> None:
    """Add the pairs of ends that are not in a pair yet, in their order, if both networks have as many."""
    taken = {j for j, _ in found.values()}
    left = [i for i in in_a if i not in found], [j for j in in_b if j not in taken]
    if len(left[0]) == len(left[1]):
        found |= {i: (j, "output") for i, j in zip(*left, strict=True)}


def _in_order(a: Network, b: Network, rest_a: list[int], rest_b: list[int]) -> list[tuple[int, int]]:
    """Pairs of the layers of two lists that are the same, or as many in the place of others."""
    keys = [_key(a, i) for i in rest_a], [_key(b, j) for j in rest_b]
    pairs: list[tuple[int, int]] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        alike = tag == "replace" and [k[0] for k in keys[0][i:i_end]] == [k[0] for k in keys[1][j:j_end]]
        if tag == "equal" or alike:
            pairs += zip(rest_a[i:i_end], rest_b[j:j_end], strict=True)
    return pairs


def _key(network: Network, position: int) -> tuple[object, ...]:
    layer = network.layers[position]
    return layer.op, layer.params.get("kernel"), layer.params.get("stride"), layer.params.get("dilation")


def _with_the_others(pairs: list[Pair], others: list[int]) -> list[Pair]:
    """The pairs, and each layer that only the second network has after the pair of the layer before it."""
    place = {pair.b: k for k, pair in enumerate(pairs) if pair.b is not None}
    after: dict[int, list[Pair]] = {}
    for i in others:
        k = max((place[j] for j in range(i) if j in place), default=-1)
        after.setdefault(k, []).append(Pair(None, i, "only b"))
    out = after.get(-1, [])
    for k, pair in enumerate(pairs):
        out += [pair, *after.get(k, [])]
    return out
