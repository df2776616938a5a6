"""The largest extents that the stages of a space reach, and refusals of what int32 cannot hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rfscale.engine.errors import InputError
from rfscale.sweeps.spaces.graphs.wiring import on_axes
from rfscale.sweeps.states.compile import Program
from rfscale.sweeps.states.effects import EffectTable

if TYPE_CHECKING:
    from rfscale.sweeps.spaces.space import Space

INT32_MAX = 2**31 - 1


def largest_extents(space: Space, programs: list[Program]) -> list[int]:
    """Return the largest extent at each stage, on any axis; refuse those that int32 cannot hold.

    An extent grows by (kernel - 1)*dilation*jump, so that at each jump and live value only the largest matters.
    """
    out = []
    # of each variant: stages that are alike share theirs
    growths: dict[tuple[int, int], list[tuple[int, int]]] = {}
    known: dict[tuple[int, int, int, int], list[tuple[int, int, int]]] = {}
    for axis in range(1 if space.square else len(space.axes)):
        reached = {(1, 0): 1}  # (jump, live value) -> largest extent
        largest = []
        for program in programs:
            after: dict[tuple[int, int], int] = {}
            steps: dict[int, list[tuple[int, int, int]]] = {}
            for (jump, live), extent in reached.items():
                if live not in steps:
                    variant = int(program.variant[live])
                    if isinstance(program.effects, EffectTable):
                        pairs = program.effects.with_next(variant, program.next_live[live], program.n_live)
                        steps[live] = _largest((*effect.growth(axis), n) for effect, n in pairs)
                    else:
                        key_of = (id((program.effects or program.tries)[variant]), axis)
                        if key_of not in growths:
                            growths[key_of] = program.growths(variant, axis)
                        of_live = (*key_of, id(program.next_live), live)
                        if of_live not in known:
                            next_live = program.next_live[live].tolist()
                            ends = zip(growths[key_of], next_live, strict=True)
                            known[of_live] = _largest((*end, n) for end, n in ends)
                        steps[live] = known[of_live]
                for stride, growth, now in steps[live]:
                    key, reach = (jump * stride, now), extent + jump * growth
                    if after.get(key, 0) < reach:
                        after[key] = reach
            reached = after
            largest.append(max(reached.values()))
            _refuse_large(program.stage, largest[-1], max([j for j, _ in reached]))
        out.append(largest)
    return [max(column) for column in zip(*out, strict=True)]


def _largest(steps: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Of steps with stride, growth and live value, those of the largest growth."""
    most: dict[tuple[int, int], int] = {}
    for stride, growth, live in steps:
        most[stride, live] = max(growth, most.get((stride, live), growth))
    return [(stride, growth, live) for (stride, live), growth in most.items()]


def pair_extents(programs: Sequence[Program], universe: dict[str, tuple[int, int]]) -> list[int]:
    """Return a bound of the extents after each stage on any axis; refuse those that int32 cannot hold.

    Every effect grows by no more than the widest of its stage, at the largest jump. `universe` has first and last entry
    of the paths of each folded cell, by the name of its factors.
    """
    out, jump = [], 1
    earlier = last = (0, 0)
    for program in programs:
        uses, stride, low, high = 1, 1, 0, 0
        if program.folded is not None:
            use = program.folded.use
            (low, high), uses, stride = universe[use.prefix], program.folded.repeat, max(on_axes(use.cell.stride, 1))
        for effect in {e for row in program.effects for e in row}:
            uses, stride = max(uses, effect.uses), max(stride, *effect.stride)
            for first, bits in (placed for term in (*effect.earlier, *effect.last) for placed in term):
                low, high = min(low, first), max(high, first + bits.bit_length() - 1)
        for _ in range(uses):
            both = (
                min(earlier[0], last[0]),
                max(earlier[1], last[1] + jump),
            )  # an earlier map adapted: by one entry more
            earlier, last = last, (both[0] + jump * low, both[1] + jump * high)
            jump *= stride
        out.append(last[1] - last[0] + 1)
        _refuse_large(program.stage, out[-1], jump)
    return out


def _refuse_large(stage: str, extent: int, jump: int) -> None:
    for what, value in (("extent", extent), ("jump", jump)):
        if value > INT32_MAX:
            raise InputError(
                f"stage {stage!r} reaches {what}s of {value:.4g} pixels; at most {INT32_MAX} are supported. "
                "Use smaller kernels, dilations or strides, or fewer repeats"
            )
