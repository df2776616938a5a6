"""What chance decides on the way back with the signs kept: slopes, taps that are chosen, factors of gates.

A slope of mean a and mean square b is a ± √(b - a²): after independent slopes of these two moments the expected square
of the gradient is exact, whatever else they are like. docs/theory.md, 13.4.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import torch

from rfscale.engine.fields.squares.moments import Moments
from rfscale.engine.fields.squares.recorded import Node

DIAGONAL = frozenset(
    """view _unsafe_view reshape permute transpose t flatten unsqueeze squeeze clone contiguous alias _to_copy to cat
    slice select split split_with_sizes chunk unbind narrow constant_pad_nd roll flip movedim swapaxes lift_fresh
    _reshape_alias native_dropout dropout""".split()
)  # each value of the input goes to one of the output at most


class Chance:
    """Draws of one pass back, always the same ones for the same number.

    Parameters
    ----------
    number : int
    """

    def __init__(self, number: int) -> None:
        self._generator = torch.Generator().manual_seed(number + 1)
        self.shares: dict[int, Any] = {}  # of softmaxes, by id

    def signs(self, like: Any) -> Any:
        """1 or -1 for each value."""
        values = like.numel()
        bytes_ = torch.randint(0, 256, (-(-values // 8),), generator=self._generator)
        return _eight_signs(like.dtype)[bytes_].flatten()[:values].reshape(like.shape)

    def uniform(self, like: Any) -> Any:
        """Numbers from 0 to 1."""
        return torch.empty_like(like).uniform_(generator=self._generator)

    def values(self, known: Moments, shape: tuple[int, ...], dtype: Any) -> Any:
        """Normal values of known moments."""
        normal = torch.empty(shape, dtype=dtype).normal_(generator=self._generator)
        return known.mean.to(dtype) + known.variance.clamp_min(0).sqrt().to(dtype) * normal


@cache
def _eight_signs(dtype: Any) -> Any:
    """The signs that the bits of a byte stand for: a third of the time of one random number each."""
    return torch.tensor(list(product((1.0, -1.0), repeat=8)), dtype=dtype)


def with_chance(nodes: list[Node], is_chance: Any, is_scale: Any) -> tuple[bool, set[int]]:
    """Return whether chance decides anything, and the nodes on each value after which no more than one sum follows.

    Nothing can add up what such a node makes vary: its variance goes back by the squares of the weights, without draws.

    Parameters
    ----------
    nodes : list of Node
    is_chance : callable
        Of a node: whether chance decides what it passes back.
    is_scale : callable
        Of a node: whether it is a factor of each value.
    """
    sums: dict[int, int] = {-1: 0}  # by node: sums of several values on all ways to the image; 2: more, or chance
    last = set()
    any_chance = False
    for position, node in enumerate(nodes):
        sources = list(dict.fromkeys(r.node for r in node.refs()))
        before = 2 if any(s < -1 for s in sources) else min(2, sum(sums[s] for s in sources))
        chance = is_chance(node)
        any_chance = any_chance or chance
        if chance:
            if before < 2 and len(sources) == 1:
                last.add(position)
            sums[position] = 2
        else:
            alone = len(node.refs()) == 1 and (node.name in DIAGONAL or is_scale(node))
            sums[position] = before if alone else min(2, before + 1)
    return any_chance, last
