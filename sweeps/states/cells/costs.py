"""The graph of costs of a space with cells of two inputs: what both maps are decides the costs of the next layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.costs import CostState
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, ChainLayer, Given, Wired
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.graph import CostGraph


class PairState(NamedTuple):
    """Costs of the last map and of the one before it, and what a stage finds."""

    last: CostState
    earlier: CostState
    given: Given


class PairCostGraph(CostGraph):
    """As `CostGraph`, a state being that of the last map and of the one before it."""

    def _ends_of(self, program: Program) -> Callable[[Any, int], Iterator[tuple[Any, int, int]]]:
        pair_wirings = program.pair_wirings
        assert pair_wirings is not None

        def ends_of(state: Any, variant: int) -> Iterator[tuple[Any, int, int]]:
            if isinstance(state, CostState):  # of the image
                state = PairState(state, state, Given())
            wirings = pair_wirings(variant, state.given)
            for wired, effect in zip(wirings, program.effects[variant], strict=True):
                yield self._through_pair(program.stage, wired, state, effect.uses)

        return ends_of

    def _through_pair(self, stage: str, wired: Wired, state: PairState, uses: int) -> tuple[PairState, int, int]:
        """State after the nodes of a choice, and their costs."""
        last, earlier, given = state
        states, total_params, total_macs = [last], 0, 0
        for node in wired.nodes:
            if node == EARLIER:
                states.append(earlier)
                continue
            try:
                one, params, macs = self._rules.after(node.layer, [states[i] for i in node.inputs])
            except InputError as error:
                raise InputError(f"stage {stage!r}: {error}") from None
            states.append(one)
            if isinstance(node.layer, ChainLayer):
                total_params += params
                total_macs += macs
        return PairState(states[-1], states[wired.earlier or 0], wired.given(given, uses)), total_params, total_macs
