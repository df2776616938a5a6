"""The graph of costs of a space with cells of two inputs: what both maps are decides the costs of the next layers.

Of a cell of many choices, ops are priced one by one: what an op costs must not depend on the other choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.costs import CostRules, CostState
from rfscale.sweeps.spaces.graphs.cell import Cell
from rfscale.sweeps.spaces.graphs.wiring import EARLIER, ChainLayer, Given, Wired, Wirer
from rfscale.sweeps.states.cells.compile import Folded
from rfscale.sweeps.states.cells.steps import steps_of_cell
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.graph import MAX_COST, CostGraph


class PairState(NamedTuple):
    """Costs of the last map and of the one before it, and what a stage finds."""

    last: CostState
    earlier: CostState
    given: Given


Costs = tuple[int, int]  # params and macs


class PairCostGraph(CostGraph):
    """As `CostGraph`, a state being that of the last map and of the one before it.

    Attributes
    ----------
    prices : dict of str to dict
        Of each cell of many choices, by the name of its factors: (params, macs) of each op on an edge from each input
        and from a node, over all its uses. Weights of its stages are what all its choices have in common.
    """

    def __init__(self, rules: CostRules, programs: Sequence[Program], ndim: int) -> None:
        self.prices: dict[str, dict[str, tuple[Costs, ...]]] = {}
        self._ndim = ndim
        super().__init__(rules, programs)

    def _add(
        self, program: Program, nodes: dict[tuple[Any, int], int], most: dict[str, list[int]]
    ) -> tuple[dict[tuple[Any, int], int], dict[str, list[int]]]:
        if program.folded is None:
            return super()._add(program, nodes, most)
        folded, states = program.folded, {_pair(state) for state, _ in nodes}
        if len(states) > 1:
            raise InputError(
                f"stage {program.stage!r} has cells of {folded.use.size:.4g} choices on maps of different channels, "
                "sizes or kinds; their costs need one",
                remedy="give the stages before them one choice of channels and strides, or leave channels out",
            )
        state, fixed = self._through_folded(folded, states.pop())
        found: dict[tuple[Any, int], int] = {}
        follow = np.zeros((len(nodes), 1), np.int32)
        after: dict[str, list[int]] = {name: [] for name in self.weights}
        widest = dict(zip(("params", "macs"), self._most(folded), strict=True))
        for (_, live), n in nodes.items():
            key = (state, int(program.next_live[live, 0]))
            end = follow[n, 0] = found.setdefault(key, len(found))
            for name in self.weights:
                total = most[name][n] + fixed[name == "macs"]
                if total + widest[name] > MAX_COST:
                    raise InputError(
                        f"stage {program.stage!r} reaches {name} of {total + widest[name]:.4g}; at most 2^61 are "
                        "supported"
                    )
                after[name] += [0] * (end == len(after[name]))
                after[name][end] = max(after[name][end], total + (widest[name] if folded.last else 0))
        self.follow.append(follow)
        for name, weights in self.weights.items():
            weights.append(np.full((len(nodes), 1), fixed[name == "macs"], np.int64))
        return found, after

    def _through_folded(self, folded: Folded, state: PairState) -> tuple[PairState, Costs]:
        """State after all uses of a cell in a stage, and what all its choices cost; its ops are priced."""
        use, stage = folded.use, folded.stage
        cell, params, macs = use.cell, 0, 0
        assert isinstance(cell, Cell)
        prices = self.prices.setdefault(use.prefix, {})
        for _ in range(folded.repeat):
            last, earlier, given = state
            read = [(last, 1)] if len(cell.inputs) == 1 else [(earlier, given.ratio), (last, 1)]
            if len(cell.inputs) == 2 and given.maps < 2:
                read[0] = last, 1
            inputs, own = [], {}
            for name, (one, ratio) in zip(cell.inputs, read, strict=True):
                ready, (more_params, more_macs) = self._wired(folded, one, partial(cell.prepared, at=0, ratio=ratio))
                params, macs = params + more_params, macs + more_macs
                inputs.append(ready)
                own[name] = more_params, more_macs
            _refuse_unused(stage.name, cell, own)
            node, priced = self._priced(folded, inputs)
            for name, costs in priced.items():
                before = prices.get(name, ((0, 0),) * len(costs))
                prices[name] = tuple((a + c, b + d) for (a, b), (c, d) in zip(before, costs, strict=True))
            how = "concat" if cell.concat else "add"
            end = node if len(cell.output) == 1 else self._rules.merge([node] * len(cell.output), how)
            state = PairState(end, last, Given(True, True, cell.stride, min(2, given.maps + 1)))
        return state, (params, macs)

    def _priced(self, folded: Folded, inputs: Sequence[CostState]) -> tuple[CostState, dict[str, tuple[Costs, ...]]]:
        """State of all nodes of a cell, and what each op costs from each input and from a node."""
        cell = folded.use.cell
        assert isinstance(cell, Cell)
        found: dict[CostState, str] = {}
        out: dict[str, list[Costs]] = {}
        for name in cell.op_names():
            for one in inputs:
                after, costs = self._wired(folded, one, partial(cell.op, name=name, at=0, stride=cell.stride))
                found.setdefault(after, name)
                out.setdefault(name, []).append(costs)
        node = next(iter(found))
        for name in cell.op_names():
            after, costs = self._wired(folded, node, partial(cell.op, name=name, at=0, stride=1))
            found.setdefault(after, name)
            out[name].append(costs)
        if len(found) > 1:
            (one, a), (other, b) = list(found.items())[:2]
            raise InputError(
                f"stage {folded.stage.name!r}: in cell {cell.name!r}, of {folded.use.size:.4g} choices, op {a!r} leads "
                f"to {_shape(one)}, and op {b!r} to {_shape(other)}; its costs need ops that lead to the same",
                remedy="give the cell project: true, so that its inputs have the channels of its convolutions",
            )
        return node, {name: tuple(costs) for name, costs in out.items()}

    def _wired(self, folded: Folded, state: CostState, wire: Callable[[Wirer], int | None]) -> tuple[CostState, Costs]:
        """State and costs after what is wired onto a map."""
        stage = folded.stage
        wirer = Wirer(stage.name, lambda block: stage.block_layers(block, {}, self._ndim), {})
        end = wire(wirer)
        states, params, macs = [state], 0, 0
        for node in wirer.nodes:
            try:
                one, more_params, more_macs = self._rules.after(node.layer, [states[i] for i in node.inputs])
            except InputError as error:
                raise InputError(f"stage {stage.name!r}: {error}") from None
            states.append(one)
            params, macs = params + more_params, macs + more_macs
        return states[end or 0], (params, macs)

    def _most(self, folded: Folded) -> Costs:
        """No choice of a cell costs more, over its uses so far."""
        cell = folded.use.cell
        assert isinstance(cell, Cell)
        edges = sum(len(step.ops) for step in steps_of_cell(cell))
        costs = [c for of_op in self.prices[folded.use.prefix].values() for c in of_op]
        return edges * max(c[0] for c in costs), edges * max(c[1] for c in costs)

    def _ends_of(self, program: Program) -> Callable[[Any, int], Iterator[tuple[Any, int, int]]]:
        pair_wirings = program.pair_wirings
        assert pair_wirings is not None

        def ends_of(state: Any, variant: int) -> Iterator[tuple[Any, int, int]]:
            state = _pair(state)
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


def _pair(state: CostState | PairState) -> PairState:
    """A state; that of the image as one of two maps."""
    return PairState(state, state, Given()) if isinstance(state, CostState) else state


def _shape(state: CostState) -> str:
    size = f" of {'x'.join(map(str, state.size))} entries" if state.size else ""
    return f"{state.channels} channels{size}"


def costs_along(rules: CostRules, networks: Iterable[Mapping[str, Wired]]) -> dict[str, np.ndarray]:
    """Return params and macs of architectures, given by the nodes of their stages."""
    params, macs = [], []
    for wirings in networks:
        last = earlier = rules.start
        total = [0, 0]
        for nodes, kept, _ in wirings.values():
            states = [last]
            for node in nodes:
                if node == EARLIER:
                    states.append(earlier)
                    continue
                one, *more = rules.after(node.layer, [states[i] for i in node.inputs])
                total = [a + b for a, b in zip(total, more, strict=True)]
                states.append(one)
            earlier, last = states[kept or 0], states[-1]
        params.append(total[0])
        macs.append(total[1])
    return {"params": np.array(params, np.int64), "macs": np.array(macs, np.int64)}


def _always(cell: Cell) -> set[str]:
    """Nodes and inputs that are part of every choice of a cell."""
    always = set(cell.output)
    for step in reversed(steps_of_cell(cell)):
        if step.name in always:
            always.update(set(step.subsets[0]).intersection(*step.subsets))
    return always


def _refuse_unused(stage: str, cell: Cell, inputs: Mapping[str, Costs]) -> None:
    """Refuse cells with layers that some choices do not have: what leads nowhere costs nothing."""
    always = _always(cell)
    parts = [f"op {name!r}, which is no path" for name in cell.op_names() if cell.ops[name] is None]
    parts += [f"node {s.name!r}, which its output need not read" for s in steps_of_cell(cell) if s.name not in always]
    parts += [
        f"input {i!r}, which nodes need not read" for i, costs in inputs.items() if any(costs) and i not in always
    ]
    if parts:
        raise InputError(
            f"stage {stage!r}: cell {cell.name!r}, of more than 2^20 choices, has {parts[0]}; its costs need layers "
            "that are in every network",
            remedy="leave it out, or let the output concatenate all nodes; or leave channels out of the space",
        )
