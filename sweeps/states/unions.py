"""The graph of states of a space with branches: antichains of placed sets (docs/theory.md, section 14).

It is the graph of an axis (sweeps/states/graph.py) with other states; where no stage branches, each has one term.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rfscale.engine.footprints.figures import share
from rfscale.sweeps.kernels import unions as kernels
from rfscale.sweeps.kernels.row_figures import MAX_WORDS, row_figures
from rfscale.sweeps.machine import in_threads
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import numbered_rows
from rfscale.sweeps.states.elements import Elements, root, steps_of, successors
from rfscale.sweeps.states.exchange import NO_EXCHANGE, joined_with_exchange
from rfscale.sweeps.states.graph import WORD_BYTES, Level
from rfscale.sweeps.states.state_graph import StateGraph

FIGURES, AXIS_FIGURES = 2, 5  # of a state, and of each axis: as the kernels write them
STATE_WORDS = 5  # that a state takes beside its mask, while a level is made: hash, component, origin, places of a table


class States:
    """The states of all levels so far: masks over the elements of the level, and the component of each.

    Parameters
    ----------
    axes : int
        Those of layers that differ; 1 where all are alike.
    """

    def __init__(self, axes: int) -> None:
        self.figure_words = FIGURES + AXIS_FIGURES * axes
        self.elements = [root(axes)]
        self.masks = [np.ones((1, 1), np.uint64)]
        self.component = [np.zeros(1, np.int32)]
        self.exchange = NO_EXCHANGE

    @property
    def nbytes(self) -> int:
        """Bytes of the masks, elements and figures."""
        masks = sum(m.nbytes + 8 * self.figure_words * len(m) for m in self.masks)
        return masks + sum(x.nbytes for x in self.elements) + self.exchange.nbytes

    @property
    def held(self) -> int:
        """Words of all that."""
        return self.nbytes // WORD_BYTES


class UnionGraph(StateGraph):
    """Graph of the states of a space with branches, one for all axes; built stage by stage as far as it is asked for.

    Parameters
    ----------
    programs : sequence of Program
    ndim : int
        Axes of the networks.
    """

    def __init__(self, programs: Sequence[Program], ndim: int) -> None:
        self.ndim = ndim
        super().__init__(programs)

    def _new_pool(self) -> States:
        return States(axes_of(self.programs))

    def _next(self, program: Program, before: Level, limit: int) -> Level | None:
        states: States = self.pool
        steps = steps_of(program.effects)
        after = successors(states.elements[-1], steps, program.stage)
        words = after.down.shape[2]
        most = (limit - states.held - after.down.size) // (words + STATE_WORDS + states.figure_words)
        if most < 1:
            return None
        advance: Any = kernels.advance
        elements: Elements = states.elements[-1]
        effects, chosen = numbered_rows(program.effects)
        masks, component, ends, origin, fits = advance(
            states.masks[-1], states.component[-1], before.state, program.variant[before.live], elements.first,
            elements.inside, after.down, after.component, steps.parent, steps.path, steps.end, steps.wanted,
            *states.exchange.with_stage(effects), min(most, 2**31 - 2),
        )  # fmt: skip
        if not fits:
            return None
        states.elements.append(after.elements)
        states.masks.append(masks)
        states.component.append(component)
        level, states.exchange = joined_with_exchange(program, before, effects, chosen, ends, origin)
        return level

    def _work_out(self, stage: int) -> dict[str, np.ndarray]:
        """Figures of the states of a level."""
        states: States = self.pool
        return state_figures(
            states.elements[stage + 1], states.masks[stage + 1], states.component[stage + 1], self.ndim
        )


def axes_of(programs: Sequence[Program]) -> int:
    """Return how many axes of the layers of a space differ; 1 where all are alike."""
    return len(next(effect for row in programs[0].effects for effect in row).stride)


def state_figures(elements: Elements, masks: np.ndarray, component: np.ndarray, ndim: int) -> dict[str, np.ndarray]:
    """Return the figures of states of one level; those of an axis have a column for each, where axes differ."""
    start, extent, jump, sets = elements.tables()
    out = np.empty((FIGURES + AXIS_FIGURES * len(start), len(masks)), np.int64)
    narrow = ndim < 3 and int((start + extent).max()) <= 64 * MAX_WORDS
    kernel: Any = row_figures if narrow else kernels.union_figures
    given = masks, component, elements.first, elements.inside, start, extent, jump, sets, ndim, out
    in_threads(lambda low, high: kernel(low, high, *given), 0, len(masks), 64)
    area, terms, *by_axis = out
    shared, *others = (np.stack(by_axis[i::AXIS_FIGURES], axis=-1) for i in range(AXIS_FIGURES))
    whole = dict(zip(("extent", "pixels", "jump", "max_gap"), others, strict=True))
    axes = {"overlap": share(shared, area[:, None]), **{k: v.astype(np.int32) for k, v in whole.items()}}
    if len(start) == 1:
        axes = {name: values[:, 0] for name, values in axes.items()}
    return {"area": area, "terms": terms.astype(np.int32), **axes}


def figures_along(programs: Sequence[Program], digits: np.ndarray, ndim: int) -> dict[str, np.ndarray]:
    """Return the figures of architectures given by the choices of every stage: an int array (architectures, stages).

    Each goes its own way through states of its own; no graph is built.
    """
    n = len(digits)
    elements, masks, component = root(axes_of(programs)), np.ones((1, 1), np.uint64), np.zeros(1, np.int32)
    state, live = np.zeros(n, np.int32), np.zeros(n, np.int64)
    for stage, program in enumerate(programs):
        variant, choice = program.variant[live], digits[:, stage]
        effects = [program.effects[v][c] for v, c in zip(variant.tolist(), choice.tolist(), strict=True)]
        distinct = list(dict.fromkeys(effects))
        number = {effect: i for i, effect in enumerate(distinct)}
        steps = steps_of([[effect] for effect in distinct])
        after = successors(elements, steps, program.stage)
        advance: Any = kernels.advance
        masks, component, ends, _, _ = advance(
            masks, component, state, np.array([number[e] for e in effects], np.int64), elements.first, elements.inside,
            after.down, after.component, steps.parent, steps.path, steps.end, steps.wanted,
            *NO_EXCHANGE.with_stage(number), 2**31 - 2,
        )  # fmt: skip
        elements, state, live = after.elements, ends.max(axis=1), program.next_live[live, choice]
    figures = state_figures(elements, masks, component, ndim)
    return {name: values[state] for name, values in figures.items()}
