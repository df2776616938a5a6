"""One forward pass: the exact footprints of all entries of all layers, as unions of separable products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.plan import GlobalOps, Plan, Step, resolve
from rfscale.engine.footprints.solid_program import INFINITE, Program, SolidFamilies
from rfscale.engine.footprints.unions import Term, unite
from rfscale.engine.network.axis_maps import AxisMap, whole_map
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.network import Network, Size

MAX_HELD = 1 << 30  # words of all sets of a trace: 8 GiB
MAX_KEPT = 1 << 20  # of a trace that is kept beside its network: 8 MiB

_MISSING: list[Term] = []


class Terms(Sequence[list[Term] | None]):
    """The terms of every layer; None for an infinite footprint, or one whose union grew too many terms.

    Those of sets without holes are made of a program's numbers when they are asked for; the others are `made` before.

    Attributes
    ----------
    made : dict
        Terms by node of the program.
    nodes : list of int
        The node of each layer.
    solid : SolidFamilies
        What the program made.
    """

    def __init__(self, nodes: list[int], solid: SolidFamilies) -> None:
        self.made: dict[int, list[Term] | None] = {INFINITE: None}
        self.nodes, self.solid = nodes, solid
        self._wrapped: dict[tuple[int, ...], list[Term]] = {}
        self._families: dict[int, Family] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # of a Sequence: of a number, or of a slice
        if isinstance(index, slice):
            return [self.of(node) for node in self.nodes[index]]
        return self.of(self.nodes[index])

    def __iter__(self) -> Iterator[list[Term] | None]:
        return map(self.of, self.nodes)

    def of(self, node: int) -> list[Term] | None:
        """The terms of a node of the program; node 0 is the image."""
        terms = self.made.get(node, _MISSING)
        if terms is not _MISSING:
            return terms
        numbers = self.solid.of(node)
        found = self._wrapped.get(numbers)
        if found is None:
            found = self._wrapped[numbers] = [tuple([self._family(number) for number in numbers])]
        self.made[node] = found  # one list for all layers that move no pixel
        return found

    def _family(self, number: int) -> Family:
        family = self._families.get(number)
        if family is None:
            family = self._families[number] = Family(solid=self.solid.family(number))
        return family


_KEPT: Derived[Network, dict[tuple[Size | None, GlobalOps], Terms]] = Derived(lambda network: {})


class Route(Enum):
    """How the footprints of a layer are counted and drawn."""

    INFINITE = "infinite"  # downstream of a global op, without borders
    PRODUCT = "product"  # each axis by itself
    UNION = "union"  # several products, by masks of the terms that hold a pixel
    GRIDS = "grids"  # too many products: entry by entry, on bit grids


@dataclass(frozen=True)
class Trace:
    """Footprints of every layer of a plan.

    Attributes
    ----------
    plan : Plan
    terms : sequence of (list of Term or None)
        Per layer; None for an infinite footprint, or one whose union grew too many terms.
    """

    plan: Plan
    terms: Sequence[list[Term] | None]  # `Terms` of `trace`

    def route(self, index: int) -> Route:
        """How the footprints of a layer are counted and drawn."""
        if self.plan.steps[index].is_global and self.plan.input_size is None:
            return Route.INFINITE
        terms = self.terms[index]
        if terms is None:
            return Route.GRIDS
        return Route.PRODUCT if len(terms) == 1 else Route.UNION

    def products(self, index: int) -> list[Term]:
        """The terms of a layer whose footprints are a union of products."""
        terms = self.terms[index]
        assert terms is not None
        return terms


def trace(
    network: Network,
    input_size: int | Sequence[int] | None = None,
    global_ops: GlobalOps = "include",
    memory: Memory | None = None,
) -> Trace:
    """Return the footprints of all entries of all layers of a network.

    Parameters
    ----------
    network : Network
    input_size : int or sequence of int, optional
        Pixels per axis: finite mode, every map cut to its entries. Without it: interior mode, no borders.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field.
    memory : Memory, optional
        What is known from other networks.

    Raises
    ------
    InputError
        As `rfscale.engine.footprints.plan.resolve`; and where the sets of a map would take more than 2 GiB.
    """
    plan = resolve(network, input_size, global_ops, memory)
    return Trace(plan, _terms(plan, memory or Memory())[0])


def kept_trace(
    network: Network, input_size: int | Sequence[int] | None = None, global_ops: GlobalOps = "include"
) -> Trace:
    """`trace` for questions about one entry or layer, which come in numbers: the last one of a network is kept."""
    plan = resolve(network, input_size, global_ops)
    kept, key = _KEPT.of(network), (plan.input_size, global_ops)
    terms = kept.get(key)
    if terms is None:
        terms, held = _terms(plan, Memory())
        kept.clear()
        if held <= MAX_KEPT:
            kept[key] = terms
    return Trace(plan, terms)


def _terms(plan: Plan, memory: Memory) -> tuple[Terms, int]:
    """The terms of every layer of a plan, and the words of all their sets with holes."""
    if not plan.programs:
        plan.programs.append(Program(plan))
    program: Program = plan.programs[0]
    solid = program.run()
    terms, held = Terms(program.nodes, solid), 0
    if not solid.left_out:
        return terms, held
    for step, node in zip(plan.steps, program.nodes, strict=True):
        if node in terms.made or solid.has(node):
            continue
        try:
            made, words = _left_out(plan, step, terms, memory)
            held += words
            if held > MAX_HELD:
                raise InputError(
                    f"the footprints of the layers up to here take more than {MAX_HELD * 8} bytes",
                    remedy=("analyse a smaller ", INPUT_SIZE, " or fewer layers"),
                )
        except InputError as error:
            raise error.within(f"layer {step.layer.name!r} ({step.layer.op})") from None
        terms.made[node] = made
    return terms, held


def _left_out(plan: Plan, step: Step, terms: Terms, memory: Memory) -> tuple[list[Term] | None, int]:
    """The terms of a layer of sets with holes, or of several products, and the words of its new sets."""
    branches = [terms.of(0) if s < 0 else terms[s] for s in step.sources]
    known = [b for b in branches if b is not None]
    if len(known) < len(branches):
        return None, 0
    if step.maps is None:
        if step.is_global:
            known = [_broadcast(b, plan, step, s, memory) for b, s in zip(known, step.sources, strict=True)]
        return (known[0] if len(known) == 1 else unite(known, memory.compare)), 0
    made = apply_layer(known[0], step, step.maps, plan.input_size is not None, memory)
    words = _words(made)
    if len(made) > 1 and step.maps[0].reads_all:  # one set per axis and term is left: many become alike
        return unite([[term] for term in made], memory.compare), words
    return made, words


def _words(terms: list[Term]) -> int:
    """Words of all sets of a layer; axes may share theirs."""
    first = terms[0][0]
    if len(terms) == 1 and all(f is first for f in terms[0]):
        return len(first) * first.words
    return sum(len(f) * f.words for f in {id(f): f for term in terms for f in term}.values())


def _broadcast(terms: list[Term], plan: Plan, step: Step, source: int, memory: Memory) -> list[Term]:
    """Terms of a branch of a merge, spread over the merged map if the branch is one entry wide."""
    if not plan.is_broadcast(step, source):
        return terms
    return apply_layer(terms, step, (whole_map(1),) * len(plan.network.axes), True, memory)


def apply_layer(terms: list[Term], step: Step, maps: tuple[AxisMap, ...], finite: bool, memory: Memory) -> list[Term]:
    """Terms after one layer. Axes and terms that share a family and a map share the result."""
    out = []
    for term in terms:
        axes = []
        for axis, (family, axis_map) in enumerate(zip(term, maps, strict=True)):
            size = step.size[axis] if finite and step.size else None
            axes.append(memory.family(family, axis_map, size))
        out.append(tuple(axes))
    return out
