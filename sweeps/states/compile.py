"""Spaces compiled for the kernels: per stage and axis, the layers of every choice, as one trie.

In spaces with branches a choice is compiled to its effect instead, what it does to a footprint
(sweeps/states/effects.py).

Shared factors whose value a later stage still needs are *live*: their values, numbered row-major, go along with the
state until their last use. A stage's program has a variant for each combination of the live values that it reads
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.network.layer import IMAGE
from rfscale.sweeps.spaces.graphs.cell import CellUse
from rfscale.sweeps.spaces.graphs.wiring import Block, ChainLayer, Given, Parallel, Wired, Wiring
from rfscale.sweeps.spaces.stages import Ref, Stage, Value
from rfscale.sweeps.states.cell_effects import CellEffects
from rfscale.sweeps.states.cells.compile import Folded, PairCompiler, combinations
from rfscale.sweeps.states.cells.uses import Uses, uses_of
from rfscale.sweeps.states.effects import Effects, EffectTable

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.states.scales.effects import MapEffect

MAX_COMBINATIONS = 1 << 20  # of a stage's own factors and the shared ones that it reads
MAX_LIVE = 1 << 26  # combinations of a stage's factors and all shared ones whose values are still needed
MAX_STAGE_LAYERS = 1 << 24  # of all those combinations

AxisLayer = tuple[int, int, int]  # kernel, stride, dilation


class Trie(NamedTuple):
    """Layers of all choices of one stage on one axis, with common beginnings shared.

    Node i > 0 is the layer `kernel[i-1], stride[i-1], dilation[i-1]` on the output of node `parent[i-1]`; node 0 is
    what the stage reads. `leaf` is the node that each choice ends at.
    """

    parent: np.ndarray
    kernel: np.ndarray
    stride: np.ndarray
    dilation: np.ndarray
    leaf: np.ndarray


@dataclass(frozen=True)
class Program:
    """One stage, compiled.

    Attributes
    ----------
    choices : int
        Combinations of the factors that the stage introduces, row-major.
    variant : int64 array (live values before,)
        Which variant a live value selects.
    next_live : int64 array (live values before, choices)
        Live value after the stage.
    n_live : int
        Number of live values after the stage.
    tries : per variant, per axis; none in a space with branches
    layers : per variant, per choice: the layers themselves, for costs and formulas; none in a space with branches
    effects : per variant, per choice, in a space with branches
    effects_on_maps : the same in a space with skips or upsampling
    before : tuple of str
        Stages whose outputs are kept for this or a later stage, beside that of the stage before; with skips only.
    after : tuple of int
        What is kept after it: 0 is its own output, i that of before[i - 1].
    wirings : callable
        Gives the wirings of a variant, choice by choice, in a space with branches.
    uses : callable
        Gives the uses of a cell of a variant, choice by choice, where the stage is uses of one and maps have one scale.
    pair_wirings, folded, adapt, keep
        Of a space with cells of two inputs, or of many choices (sweeps/states/cells/compile.py): wirings, from what
        the stage finds; uses of such a cell, which have no effects here; what an earlier map of smaller jump passes
        through; whether the next stage reads the map before the output.
    """

    stage: str
    choices: int
    variant: np.ndarray
    next_live: np.ndarray
    n_live: int
    tries: tuple[tuple[Trie, ...], ...]
    layers: tuple[tuple[tuple[ChainLayer, ...], ...], ...]
    effects: Sequence[Sequence[Any]] = ()
    wirings: Callable[[int], Iterator[Wiring]] | None = None
    uses: Callable[[int], Iterator[Uses]] | None = None
    pair_wirings: Callable[[int, Given], Iterator[Wired]] | None = None
    folded: Folded | None = None
    adapt: str | None = None
    keep: bool = False
    effects_on_maps: Sequence[Sequence[MapEffect]] = ()
    before: tuple[str, ...] = ()
    after: tuple[int, ...] = ()

    @property
    def variants(self) -> int:
        """Number of variants."""
        return len(self.effects or self.effects_on_maps or self.tries)

    def growths(self, variant: int, axis: int) -> list[tuple[int, int]]:
        """Return stride, and growth of the extent in jumps of the source, of every choice of a variant."""
        if self.effects:
            ends_of = {effect: effect.growth(axis) for effect in set(self.effects[variant])}
            return [ends_of[effect] for effect in self.effects[variant]]
        trie = self.tries[variant][axis]
        ends = _growths(trie)
        return [ends[node] for node in trie.leaf.tolist()]

    def variant_rows(self, live: np.ndarray) -> Iterator[tuple[int, Any]]:
        """Yield the variants that nodes of some live values select, each with the positions of its nodes, rising."""
        if self.variants == 1:
            yield 0, slice(None)
            return
        variants = self.variant[live]
        order = np.argsort(variants, kind="stable")
        selected, first = np.unique(variants[order], return_index=True)
        yield from zip(selected.tolist(), np.split(order, first[1:]), strict=True)


def compile_space(space: Space) -> list[Program]:
    """Return the programs of all stages."""
    values = {f.name: f.values for f in space.factors}
    last_use = {name: i for i, stage in enumerate(space.stages) for name in stage.uses}
    live: list[str] = []
    out = []
    pairs = PairCompiler(space, values) if space.reads_pairs else None
    kept = _kept_maps(space.stages)
    done: dict[object, dict[str, Any]] = {}
    texts: dict[int, tuple[str, bool]] = {}  # of choices, by the number of their object, and whether they read factors
    tables: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # of stages without live values, by choices
    for i, stage in enumerate(space.stages):
        new = tuple([n for n in space.introduced[i] if n not in space.folded])
        reads = [n for n in live if n in stage.uses]
        after = [n for n in (*live, *new) if last_use[n] > i]
        own = {f.name: (j, f.values) for j, f in enumerate(stage.own)}  # stages that differ only in name are one
        known = texts.get(id(stage.choices))
        if known is None:
            blocks = repr(stage.choices)
            known = texts[id(stage.choices)] = blocks, space.branching or "Ref(" in blocks  # else none has a factor
        blocks = known[0]
        if known[1]:
            blocks = repr([[_unnamed(block, own) for block in choice] for choice in stage.choices or ()])
        key = (repr(_unnamed(stage.params, own)), blocks, repr(reads), len(own), len(new), stage.source)
        sizes = {n: len(values[n]) for n in (*live, *new)}
        choices = prod([sizes[n] for n in new])
        _refuse_many(stage.name, choices * prod([sizes[n] for n in reads]), prod(sizes.values()))
        if pairs is not None:
            done[key] = pairs.compile(i, reads, new)
        elif key not in done:
            done[key] = (_compile_effects if space.branching else _compile)(space, stage, reads, new, values)
        if live or after:
            variant, next_live = _live_tables(live, new, reads, after, sizes)
        else:
            if choices not in tables:
                tables[choices] = _live_tables(live, new, reads, after, sizes)
            variant, next_live = tables[choices]
        n_live = prod([sizes[n] for n in after])
        out.append(Program(stage.name, choices, variant, next_live, n_live, **done[key], **kept[i]))
        live = after
    return out


def _kept_maps(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return which outputs of stages are kept before each stage, and after it."""
    last_read = {name: i for i, stage in enumerate(stages) for name in stage.sources}
    if not last_read:
        return [{}] * len(stages)
    before, out = ([IMAGE] if IMAGE in last_read else []), []
    for i, stage in enumerate(stages):
        known = [stage.name, *before]
        after = [j for j, name in enumerate(known) if last_read.get(name, -1) > i]
        out.append({"before": tuple(before), "after": tuple(after)})
        before = [known[j] for j in after]
    return out


def _unnamed(block: Block, own: dict[str, Any]) -> Any:
    """A block with the stage's own factors by position and values, whatever their names."""
    if isinstance(block, dict | Mapping):  # of a dict Python knows at once
        return {k: own.get(v.factor, v) if isinstance(v, Ref) else v for k, v in block.items()}
    if isinstance(block, Parallel):
        branches = [[_unnamed(b, own) for b in branch] for branch in block.branches]
        return branches, block.merge, block.subsets, own.get(block.factor or "", block.factor), block.aligned
    return block


def _compile(
    space: Space, stage: Stage, reads: list[str], new: tuple[str, ...], values: dict[str, tuple[Value, ...]]
) -> dict[str, Any]:
    """Return the tries and the layers of a stage, per variant."""
    layers, tries = [], []
    total = 0
    for combo in product(*(values[n] for n in reads)):
        given = dict(zip(reads, combo, strict=True))
        row = []
        for c in combinations(new, values):
            row.append(tuple(stage.layers(given | c, len(space.axes))))
            total += len(row[-1])
            _refuse_layers(stage.name, total)
        layers.append(tuple(row))
        axes = range(1 if space.square else len(space.axes))
        tries.append(tuple(_trie([_on_axis(chain, a) for chain in row]) for a in axes))
    return {"tries": tuple(tries), "layers": tuple(layers)}


def _compile_effects(
    space: Space, stage: Stage, reads: list[str], new: tuple[str, ...], values: dict[str, tuple[Value, ...]]
) -> dict[str, Any]:
    """Return the effects and the wirings of a stage, per variant."""
    ndim = len(space.axes)
    axes = 1 if space.square else ndim

    def chosen_of(variant: int) -> Iterator[dict[str, Value]]:
        at = np.unravel_index(variant, [len(values[n]) for n in reads] or [1])
        given = {n: values[n][i] for n, i in zip(reads, at, strict=False)}
        return (given | c for c in combinations(new, values))

    def wirings(variant: int) -> Iterator[Wiring]:
        return (stage.wiring(chosen, ndim) for chosen in chosen_of(variant))

    cell = stage.cell
    if space.scaled:
        on_maps = _effects_on_maps(stage, reads, new, values, ndim, axes, wirings)
        return {"tries": (), "layers": (), "effects_on_maps": on_maps, "wirings": wirings}
    if cell is not None:
        effects = _cell_effects(stage, cell, reads, new, values, ndim, axes)
        return {
            "tries": (),
            "layers": (),
            "effects": effects,
            "wirings": wirings,
            "uses": uses_of(stage, ndim, chosen_of),
        }
    each = _each_effect(stage, prod(len(values[n]) for n in reads), wirings, Effects(stage.name, axes).effect)
    return {"tries": (), "layers": (), "effects": each, "wirings": wirings}


def _effects_on_maps(
    stage: Stage,
    reads: list[str],
    new: tuple[str, ...],
    values: dict[str, tuple[Value, ...]],
    ndim: int,
    axes: int,
    wirings: Callable[[int], Iterator[Wiring]],
) -> Sequence[Sequence[MapEffect]]:
    """Return the effects of a stage of a space with skips or upsampling, per variant and choice."""
    from rfscale.sweeps.states.scales.effects import MapEffects

    made = MapEffects(stage.name, stage.source, axes)
    if stage.cell is not None and not stage.upsamples(values):
        return _cell_effects(
            stage, stage.cell, reads, new, values, ndim, axes, lambda cell, n: made.of_cell(cell.reach[n])
        )
    return _each_effect(stage, prod(len(values[n]) for n in reads), wirings, made.effect)


def _each_effect(
    stage: Stage, variants: int, wirings: Callable[[int], Iterator[Wiring]], effect: Callable[[Wiring], Any]
) -> tuple[tuple[Any, ...], ...]:
    """Return the effects of a stage, one by one, per variant and choice."""
    rows, total = [], 0
    for variant in range(variants):
        row = []
        for wiring in wirings(variant):
            total += len(wiring)
            _refuse_layers(stage.name, total)
            row.append(effect(wiring))
        rows.append(tuple(row))
    return tuple(rows)


def _cell_effects(
    stage: Stage,
    use: CellUse,
    reads: list[str],
    new: tuple[str, ...],
    values: dict[str, tuple[Value, ...]],
    ndim: int,
    axes: int,
    effect: Callable[[CellEffects, int], Any] = CellEffects.effect,
) -> EffectTable:
    """Return the effects of a stage of uses of one cell, per variant and choice: all of them at once."""
    names = [*reads, *new]
    place_of = {name: i for i, name in enumerate(names)}

    def layers(block: Mapping[str, Any]) -> list[ChainLayer]:
        return stage.block_layers(block, {}, ndim)

    made = CellEffects(stage.name, use.cell, use.prefix, layers, place_of, axes)
    repeat = stage.params.get("repeat", 1)
    times: Any = values[repeat.factor] if isinstance(repeat, Ref) else (repeat,)
    uses = made.effects(max(times))
    if isinstance(repeat, Ref):
        axis = place_of[repeat.factor]
        shape = np.broadcast_shapes(*(u.shape for u in uses))
        grid = np.concatenate([np.broadcast_to(uses[t], shape) for t in times], axis)
    else:
        grid = uses[-1]
    numbers = np.broadcast_to(grid, [len(values[n]) for n in names]).reshape(
        prod(len(values[n]) for n in reads), prod(len(values[n]) for n in new)
    )
    occurs = np.flatnonzero(np.bincount(numbers.reshape(-1)))
    place = np.zeros(occurs[-1] + 1, np.int64)
    place[occurs] = np.arange(len(occurs))
    return EffectTable([effect(made, n) for n in occurs.tolist()], place[numbers])


def _refuse_layers(stage: str, layers: int) -> None:
    if layers > MAX_STAGE_LAYERS:
        raise InputError(
            f"the choices of stage {stage!r} have more than {MAX_STAGE_LAYERS} layers",
            remedy="give fewer repeats or values",
        )


def _refuse_many(stage: str, combinations: int, live: int) -> None:
    for number, limit, factors in (
        (combinations, MAX_COMBINATIONS, "its factors"),
        (live, MAX_LIVE, "its factors and the shared ones that later stages read"),
    ):
        if number > limit:
            raise InputError(
                f"stage {stage!r} has {number} combinations of the values of {factors}; at most {limit} are supported",
                remedy="give fewer values",
            )


def _live_tables(
    live: list[str], new: tuple[str, ...], reads: list[str], after: list[str], sizes: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return `variant` and `next_live` of a program."""
    n_live, choices = prod(sizes[n] for n in live), prod(sizes[n] for n in new)
    variant = np.zeros(n_live, np.int64)
    next_live = np.zeros((n_live, choices), np.int64)
    if not live and not after:
        return variant, next_live
    digits = np.unravel_index(np.arange(n_live * choices), [sizes[n] for n in (*live, *new)] or [1])
    digit = dict(zip((*live, *new), digits, strict=False))
    for name in after:
        next_live.reshape(-1)[:] = next_live.reshape(-1) * sizes[name] + digit[name]
    for name in reads:
        variant = variant * sizes[name] + digit[name].reshape(n_live, choices)[:, 0]
    return variant, next_live


def _on_axis(chain: tuple[ChainLayer, ...], axis: int) -> list[AxisLayer]:
    """Layers of a chain on one axis; those that change nothing are left out."""
    out = []
    for layer in chain:
        k, s = layer.kernel[axis], layer.stride[axis]
        if k > 1 or s > 1:
            out.append((k, s, layer.dilation[axis] if k > 1 else 1))
    return out


def _trie(chains: list[list[AxisLayer]]) -> Trie:
    nodes: dict[tuple[int, AxisLayer], int] = {}
    leaf = []
    for chain in chains:
        at = 0
        for layer in chain:
            at = nodes.setdefault((at, layer), len(nodes) + 1)
        leaf.append(at)
    rows = np.array([(p, *layer) for p, layer in nodes], np.int64).reshape(-1, 4).T
    parent, kernel, stride, dilation = (np.ascontiguousarray(r) for r in rows)
    return Trie(parent, kernel, stride, dilation, np.array(leaf, np.int64))


def _growths(trie: Trie) -> list[tuple[int, int]]:
    """Stride, and growth of the extent in jumps of the source, of every node of a trie."""
    at = [(1, 0)]
    for p, k, s, d in zip(*(c.tolist() for c in trie[:4]), strict=True):
        stride, growth = at[p]
        at.append((stride * s, growth + (k - 1) * d * stride))
    return at
