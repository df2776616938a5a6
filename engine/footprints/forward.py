"""One forward pass: the exact footprints of all entries of all layers, as unions of separable products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.plan import GlobalOps, Plan, Step, resolve
from rfscale.engine.footprints.unions import Term, unite
from rfscale.engine.network.axis_maps import AxisMap, whole_map
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.network import Network, Size

MAX_HELD = 1 << 30  # words of all sets of a trace: 8 GiB
MAX_KEPT = 1 << 20  # of a trace that is kept beside its network: 8 MiB

Terms = tuple[list[Term] | None, ...]
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
    terms : tuple of (list of Term or None)
        Per layer; None for an infinite footprint, or one whose union grew too many terms.
    """

    plan: Plan
    terms: Terms

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
    """The terms of every layer of a plan, and the words of all their sets."""
    network = plan.network
    image: list[Term] = [tuple(memory.image(n) for n in plan.input_size or (None,) * len(network.axes))]
    finite = plan.input_size is not None
    terms: list[list[Term] | None] = []
    held = 0
    for step in plan.steps:
        infinite = step.is_global and not finite
        if step.passes and not infinite:
            source = step.sources[0]
            terms.append(image if source < 0 else terms[source])
            continue
        branches = [image if s < 0 else terms[s] for s in step.sources]
        known = [b for b in branches if b is not None]
        if infinite or len(known) < len(branches):
            terms.append(None)
        elif step.maps is None:
            if step.is_global:
                known = [_broadcast(b, plan, step, s, memory) for b, s in zip(known, step.sources, strict=True)]
            terms.append(known[0] if len(known) == 1 else unite(known, memory.compare))
        else:
            try:
                made = apply_layer(known[0], step, step.maps, finite, memory)
                held += sum(len(f) * f.words for f in {id(f): f for term in made for f in term}.values())
                if held > MAX_HELD:
                    raise InputError(
                        f"the footprints of the layers up to here take more than {MAX_HELD * 8} bytes",
                        remedy=("analyse a smaller ", INPUT_SIZE, " or fewer layers"),
                    )
                if len(made) > 1 and step.maps[0].reads_all:  # one set per axis and term is left: many become alike
                    terms.append(unite([[term] for term in made], memory.compare))
                else:
                    terms.append(made)
            except InputError as error:
                raise error.within(f"layer {step.layer.name!r} ({step.layer.op})") from None
    return tuple(terms), held


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
