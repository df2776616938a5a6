"""Uses of a cell by the choices of a stage: costs work each out once, however often and wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from rfscale.sweeps.spaces.costs import CostState
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, Wiring
from rfscale.sweeps.spaces.stages import Ref, Stage, Value

NumberedWiring = list[tuple[int, ChainLayer | str, tuple[int, ...]]]  # number and layer of nodes, and what each reads


class Uses(NamedTuple):
    """Uses of a cell by one choice of a stage, one after another.

    Attributes
    ----------
    cell : Cell or AnyCell
    labels : tuple
        What is chosen in it.
    times : int
    wiring : callable
        Gives the wiring of each use.
    """

    cell: Any
    labels: tuple[Any, ...]
    times: int
    wiring: Callable[[], Wiring]


def uses_of(
    stage: Stage, ndim: int, chosen_of: Callable[[int], Iterator[dict[str, Value]]]
) -> Callable[[int], Iterator[Uses]]:
    """Return what gives the uses of a stage's cell, per variant and choice."""
    use = stage.cell
    assert use is not None
    names, repeat = [name for name, _ in use.factors], stage.params.get("repeat", 1)
    known: dict[int, tuple[Any, list[ChainLayer]]] = {}  # layers of the cell's own blocks, and the block: it stays

    def layers(block: Mapping[str, Any]) -> list[ChainLayer]:
        if id(block) not in known:
            if id(block) not in own:
                return stage.block_layers(block, {}, ndim)
            known[id(block)] = block, stage.block_layers(block, {}, ndim)
        return known[id(block)][1]

    own = {id(block) for op in use.cell.ops.values() for block in op or ()}

    def uses(variant: int) -> Iterator[Uses]:
        for chosen in chosen_of(variant):
            times: Any = chosen[repeat.factor] if isinstance(repeat, Ref) else repeat
            yield Uses(use.cell, tuple([chosen[n] for n in names]), times, partial(stage.use, chosen, layers))

    return uses


def numbered_wiring(wiring: Wiring, layers: dict[ChainLayer | str, int]) -> NumberedWiring:
    """Return nodes with the numbers of their layers; new ones are added."""
    return [(layers.setdefault(layer, len(layers)), layer, inputs) for layer, inputs, _ in wiring]


class UseCosts:
    """What a graph of costs knows of the uses of cells, while it is built.

    Attributes
    ----------
    known : dict
        State after a use, its params and macs: by cell (its `id`: programs keep them all), labels and state before.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[int, Any, CostState], tuple[CostState, int, int]] = {}
        self._layers: dict[ChainLayer | str, int] = {}
        self._nodes: dict[tuple[int, Any], NumberedWiring] = {}
        self._after: dict[CostState, tuple[dict[tuple[Any, ...], int], list[tuple[CostState, int, int]]]] = {}

    def nodes(self, use: Uses) -> NumberedWiring:
        """Return the nodes of a use."""
        key = id(use.cell), use.labels
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = numbered_wiring(use.wiring(), self._layers)
        return found

    def after(self, state: CostState) -> tuple[dict[tuple[Any, ...], int], list[tuple[CostState, int, int]]]:
        """Return the nodes that uses have after a state, found so far, and the costs of each."""
        return self._after.setdefault(state, ({}, [(state, 0, 0)]))
