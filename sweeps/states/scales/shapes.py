"""Footprints of whole maps, wherever they lie: antichains of families, found by content, and what stages make of them.

Architectures have few of them: a stage is worked out once for each, and states only say which ones they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.scales.families import IDENTITY, Family, centre, compose, maximal
from rfscale.sweeps.states.scales.figures import map_figures

WORDS = 64  # that a shape takes beside its sets: the objects, and what is remembered of it
MAX_EXTENT = 1 << 26  # pixels of a set, and between entries: a limit that catches typos in kernels and strides


class Shape:
    """The footprints of a map, moved so that the first pixel of phase 0 … up - 1 is 0."""

    def __init__(self, families: tuple[Family, ...]) -> None:
        self.families = families

    @property
    def jump(self) -> Fraction:
        """Pixels between neighbouring entries."""
        return self.families[0].jump

    @cached_property
    def centre(self) -> Fraction:
        """The middle of its hulls, beside the entries' own places."""
        return centre(self.families)

    @cached_property
    def longest(self) -> int:
        """Pixels from the first to the last one of the longest set."""
        return max(bits.bit_length() for f in self.families for _, bits in f.sets)

    @property
    def words(self) -> int:
        """Words that it takes, about."""
        return WORDS + sum(f.up for f in self.families) * (self.longest // 64 + 16)


class MismatchError(Exception):
    """Maps that do not fit where they meet: the figure in which they differ, and its values."""

    def __init__(self, figure: str, values: tuple[Fraction, Fraction]) -> None:
        super().__init__(figure, values)
        self.figure, self.values = figure, values


class Shapes:
    """All shapes met so far, by number; 0 is the image itself."""

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim
        self.shapes: list[Shape] = []
        self.held = 0  # words
        self._number: dict[tuple[Family, ...], int] = {}
        self._parts: dict[tuple[Family, ...], int] = {}
        self._reaches: dict[int, int] = {}  # entries, by part
        self._after: dict[tuple[int, int], tuple[int, int]] = {}
        self._united: dict[tuple[int, int, int, bool], tuple[int, int]] = {}
        self._figures: dict[int, tuple[int, ...]] = {}
        self._numbered([IDENTITY])

    @property
    def nbytes(self) -> int:
        """Bytes of all that."""
        return 8 * self.held

    def part(self, families: tuple[Family, ...]) -> int:
        """Return the number of some paths, for `after`."""
        return self._parts.setdefault(families, len(self._parts))

    def after(self, shape: int, part: int, families: Sequence[Family]) -> tuple[int, int]:
        """Return the shape after the paths of number `part`, and by how many pixels it is moved."""
        key = shape, part
        if key not in self._after:
            inner = self.shapes[shape].families
            self._check_size(self.shapes[shape], part, families)
            self._after[key] = self._numbered([compose(outer, f) for outer in families for f in inner])
        return self._after[key]

    def united(self, one: int, other: int, by: int, aligned: bool) -> tuple[int, int]:
        """Return the union of a shape with another that is moved by some pixels, and by how many it is moved.

        Raises
        ------
        MismatchError
            Of jumps, or (where they must be aligned) of centres.
        """
        key = one, other, by, aligned
        if key not in self._united:
            a, b = self.shapes[one], self.shapes[other]
            if a.jump != b.jump:
                raise MismatchError("jump", (a.jump, b.jump))
            if aligned and a.centre != b.centre + by:
                raise MismatchError("centre", (a.centre, b.centre + by))
            self._united[key] = self._numbered([*a.families, *(f.moved(by) for f in b.families)])
        return self._united[key]

    def figures(self, shape: int) -> tuple[int, ...]:
        """Return the figures of a shape: those of the phase with the largest footprint (`FIGURES` of figures.py)."""
        if shape not in self._figures:
            self._figures[shape] = map_figures(self.shapes[shape].families, self.ndim)
        return self._figures[shape]

    def _numbered(self, families: Sequence[Family]) -> tuple[int, int]:
        kept = families if len(families) == 1 else maximal(families)
        low = min([first for f in kept for first, _ in f.sets])
        key = tuple([f.moved(-low) for f in kept])
        number = self._number.setdefault(key, len(self.shapes))
        if number == len(self.shapes):
            self.shapes.append(Shape(key))
            self.held += self.shapes[-1].words
        return number, low

    def _check_size(self, shape: Shape, part: int, families: Sequence[Family]) -> None:
        if part not in self._reaches:
            self._reaches[part] = max(abs(first) + bits.bit_length() for f in families for first, bits in f.sets)
        up, down, _ = shape.families[0]
        reached: dict[str, Fraction | int] = {
            "extents": shape.longest + self._reaches[part] * down // up,
            "jumps": shape.jump * families[0].jump,
        }
        for what, pixels in reached.items():
            if pixels > MAX_EXTENT:
                raise InputError(
                    f"{what} of more than {MAX_EXTENT} pixels; at most so many are supported in spaces with skips or "
                    "upsampling",
                    remedy="use smaller kernels, dilations or strides, or fewer repeats",
                )
