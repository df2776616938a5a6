"""The graph of costs of a space with cells of two inputs: what both maps are decides the costs of the next layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.costs import CostState
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, ChainLayer, Given, Wired
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.graph import MAX_COST, CostGraph


class PairState(NamedTuple):
    """Costs of the last map and of the one before it, and what a stage finds."""

    last: CostState
    earlier: CostState
    given: Given


class PairCostGraph(CostGraph):
    """As `CostGraph`, a state being that of the last map and of the one before it."""

    def _add(self, program: Program, nodes: dict[Any, int], most: dict[str, list[int]]) -> tuple[dict[Any, int], Any]:
        shape = (len(nodes), program.choices)
        follow = np.zeros(shape, np.int32)
        found: dict[Any, int] = {}
        weights = {name: np.zeros(shape, np.int64) for name in self.weights}
        after: dict[str, list[int]] = {name: [] for name in self.weights}
        assert program.pair_wirings is not None
        for (state, live), n in nodes.items():
            if isinstance(state, CostState):  # of the image
                state = PairState(state, state, Given())
            wirings = program.pair_wirings(int(program.variant[live]), state.given)
            effects = program.effects[program.variant[live]]
            for c, (wired, effect) in enumerate(zip(wirings, effects, strict=True)):
                end, costs = self._through_pair(program.stage, wired, state, effect.uses)
                key = (end, int(program.next_live[live, c]))
                node = follow[n, c] = found.setdefault(key, len(found))
                for name in weights:
                    total = most[name][n] + costs[name]
                    if total > MAX_COST:
                        raise InputError(
                            f"stage {program.stage!r} reaches {name} of {total:.4g}; at most 2^61 are supported"
                        )
                    weights[name][n, c] = costs[name]
                    if node == len(after[name]):
                        after[name].append(total)
                    after[name][node] = max(after[name][node], total)
        self.follow.append(follow)
        for name, table in weights.items():
            self.weights[name].append(table)
        return found, after

    def _through_pair(self, stage: str, wired: Wired, state: PairState, uses: int) -> tuple[PairState, dict[str, int]]:
        """State after the nodes of a choice, and their costs."""
        last, earlier, given = state
        states, costs = [last], {"params": 0, "macs": 0}
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
                costs["params"] += params
                costs["macs"] += macs
        return PairState(states[-1], states[wired.earlier or 0], wired.given(given, uses)), costs
