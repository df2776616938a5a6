"""A space compiled: programs, largest extents, and the graphs of axes and costs, each made once and kept.

Blocks, questions and validation of one space share its `CompiledSpace`. It is kept beside the space, not in it: when
the space goes, it goes. Equal spaces share one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.costs import CostRules
from rfscale.sweeps.states.compile import Program, compile_space
from rfscale.sweeps.states.extents import largest_extents, pair_extents
from rfscale.sweeps.states.graph import LOCK, AxisGraph, CostGraph
from rfscale.sweeps.states.pool import Pool
from rfscale.sweeps.variables import by_axis

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

MORE_MEMORY = "ask from Python with more memory="  # a remedy: count, best, pareto, sample and design take it
KEPT_BYTES = 1 << 28  # of the graphs of all spaces together; beyond, those of the oldest are made again when needed


class CompiledSpace:
    """What every run over a space and every question about it start from. It holds no reference to the space.

    Attributes
    ----------
    programs : list of Program
    extents : list of int
        The largest extent at each stage, on any axis.
    axes : tuple of AxisGraph
        One where the space is square or branches, else one for each axis; their levels are built when they are asked
        for.

    Raises
    ------
    InputError
        If extents or jumps would overflow; the message names the stage.
    """

    def __init__(self, space: Space) -> None:
        self.name = space.name
        self.programs = compile_space(space)
        self.axes: tuple[AxisGraph, ...]
        self._coarse: dict[tuple[str, ...], tuple[AxisGraph, ...]] = {}  # by what they tell, fewest states first
        if space.reads_pairs:
            self.extents, self.axes, self._coarse = _pair_graphs(space, self.programs)
        elif space.scaled:
            from rfscale.sweeps.states.live import merged_live
            from rfscale.sweeps.states.scales.graph import ScaleGraph

            self.extents = []
            self.axes = (
                ScaleGraph(merged_live(self.programs), len(space.axes), 1 if space.square else len(space.axes)),
            )
        elif space.branching:
            from rfscale.sweeps.states import axis_sets, hulls
            from rfscale.sweeps.states.live import merged_live

            merged, differing = merged_live(self.programs), () if space.square else space.axes
            on_axes = [axis_sets.projected(self.programs, a) for a in range(max(1, len(differing)))]
            self.extents = largest_extents(space, merged)
            self._coarse[by_axis(hulls.FIGURES, differing)] = tuple(hulls.HullGraph(p, 0) for p in on_axes)
            sets = tuple(map(axis_sets.AxisSetGraph, on_axes))
            if len(space.axes) > 1:
                self._coarse[by_axis(axis_sets.FIGURES, differing)] = sets
            self.axes = (union_graph(space, merged, self.extents),) if len(space.axes) > 1 else sets
        else:
            self.extents = largest_extents(space, self.programs)
            self.axes = tuple(AxisGraph(self.programs, a) for a in range(1 if space.square else len(space.axes)))
        self._rules, self._ndim = CostRules.of(space), len(space.axes)
        if space.scaled and space.input_size is not None:  # maps that meet need one size: figures alone do not show it
            CostGraph(self._rules._replace(channels=None), self.programs)
        self._costs: CostGraph | None = None

    @property
    def costs(self) -> CostGraph:
        """The graph of params and macs; an `InputError` where the space has no channels."""
        if self._rules.channels is None:
            raise InputError(
                f"space {self.name!r} has no channels, so there are no costs; add for example "
                "channels: {base: 64, growth: 2}"
            )
        with LOCK:
            if self._costs is None:
                if any(program.pair_wirings or program.folded for program in self.programs):
                    from rfscale.sweeps.states.cells.costs import PairCostGraph

                    self._costs = PairCostGraph(self._rules, self.programs, self._ndim)
                else:
                    self._costs = CostGraph(self._rules, self.programs)
            return self._costs

    def coarsest(self, figures: Collection[str], memory: int) -> tuple[AxisGraph, ...]:
        """Return the graphs that tell some figures, built whole, with the fewest states that do.

        Where a space branches, extents and jumps need hulls only, and pixels and gaps of an axis one set each; these
        are taken unless the states of the plane are there already.
        """
        if len(self.axes[0].levels) < len(self.programs):
            for known, graphs in self._coarse.items():
                if set(figures) <= set(known):
                    for graph in graphs:
                        self._build_whole(graph, len(self.programs), memory)
                    return graphs
        self.build_all(memory)
        return self.axes

    def build(self, axis: int, stages: int, memory: int) -> int:
        """Build the levels of the first `stages` stages of an axis; return how many of them fit `memory` bytes."""
        return self._build(self.axes[axis], stages, memory)

    def _build(self, graph: AxisGraph, stages: int, memory: int) -> int:
        with LOCK:
            before = graph.nbytes
            built = graph.build(stages, memory)
            _keep_within_limit(graph.nbytes - before)
        return built

    def build_all(self, memory: int, stages: int | None = None) -> None:
        """Build all levels of all axes, or the first `stages`; an `InputError` where `memory` bytes are too few."""
        stages = len(self.programs) if stages is None else stages
        for graph in self.axes:
            self._build_whole(graph, stages, memory)

    def _build_whole(self, graph: AxisGraph, stages: int, memory: int) -> None:
        built = self._build(graph, stages, memory)
        if built < stages:
            coarser = self._coarser(graph)
            raise InputError(
                f"the states of stage {self.programs[built].stage!r} need more than {memory / 1e9:.3g} GB",
                remedy=f"{coarser}leave stages or values of factors out, or {MORE_MEMORY}",
            )

    def _coarser(self, graph: AxisGraph) -> str:
        """A remedy: what may be asked of fewer states than a graph has."""
        known = list(self._coarse)
        fewer = next((i for i, graphs in enumerate(self._coarse.values()) if graph in graphs), len(known))
        sets = any(name.startswith("max_gap") for figures in known[:fewer] for name in figures)
        more = "or also for pixels and max_gap, which need one set per axis, " if sets else ""
        return f"ask for extent and jump only, which need no sets, {more}" if fewer else ""

    def new_pool(self, axis: int) -> Pool:
        """Return a pool of its own for the states of an axis: numbered in the order in which its owner meets them."""
        return Pool(self.axes[axis].pool.steps)

    @property
    def nbytes(self) -> int:
        """Bytes of the graphs of the axes as far as they are built."""
        return sum(graph.nbytes for graph in {*self.axes, *(g for graphs in self._coarse.values() for g in graphs)})


def _pair_graphs(
    space: Space, programs: list[Program]
) -> tuple[list[int], tuple[AxisGraph, ...], dict[tuple[str, ...], tuple[AxisGraph, ...]]]:
    """Return extents, graphs of sets and of hulls of a space with cells of two inputs or of many choices."""
    from rfscale.sweeps.states import hulls
    from rfscale.sweeps.states.cells.graph import CellGraph
    from rfscale.sweeps.states.cells.hull_graph import HullCellGraph
    from rfscale.sweeps.states.live import merged_live

    merged, ndim, differing = merged_live(programs), len(space.axes), () if space.square else space.axes
    axes = max(1, len(differing))
    whole = HullCellGraph(merged, ndim, axes, range(axes))
    ends = {p.folded.use.prefix: whole.distinct(p.folded).universe.ends for p in merged if p.folded is not None}
    extents = pair_extents(merged, ends)
    _refuse_areas(programs, extents, ndim)
    coarse: dict[tuple[str, ...], tuple[AxisGraph, ...]] = {}
    for a, axis in enumerate(differing):  # hulls of one axis are fewer
        coarse[by_axis(hulls.FIGURES, (axis,))] = (HullCellGraph(merged, ndim, axes, (a,)),)
    coarse[by_axis(hulls.FIGURES, differing)] = (whole,)
    return extents, (CellGraph(merged, ndim, axes),), coarse


def union_graph(space: Space, programs: list[Program], extents: list[int]) -> AxisGraph:
    """Return the graph of a space with branches; an `InputError` where areas would overflow."""
    from rfscale.sweeps.states.unions import UnionGraph  # its kernels only where a space branches

    ndim = len(space.axes)
    _refuse_areas(programs, extents, ndim)
    return UnionGraph(programs, ndim)


def _refuse_areas(programs: list[Program], extents: list[int], ndim: int) -> None:
    for program, extent in zip(programs, extents, strict=True):
        if extent**ndim >= 2**62:
            raise InputError(
                f"stage {program.stage!r} reaches areas of {float(extent**ndim):.4g} pixels; at most 2^62 fit",
                remedy="use smaller kernels, dilations or strides",
            )


_compiled: WeakKeyDictionary[Space, CompiledSpace] = WeakKeyDictionary()


def compiled(space: Space) -> CompiledSpace:
    """Return what a space compiles to, made when it is first asked for."""
    with LOCK:
        if space not in _compiled:
            _compiled[space] = CompiledSpace(space)
        return _compiled[space]


_unseen = [0]  # bytes of graphs since the last look at all spaces


def _keep_within_limit(more: int) -> None:
    """Drop the oldest compiled spaces until the graphs of the others fit; who works with one goes on with it.

    `more` are bytes that came since. They are counted together until that is worth a look at all spaces.
    """
    _unseen[0] += more
    if not more or _unseen[0] < KEPT_BYTES >> 8:
        return
    _unseen[0] = total = 0
    for space, one in reversed(list(_compiled.items())):
        total += one.nbytes
        if total > KEPT_BYTES:
            del _compiled[space]
