"""Footprints of whole maps, wherever they lie: antichains of paths, found by content, and what stages make of them.

Architectures have few of them: a stage is worked out once for each, and states only say which ones they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property, lru_cache

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.scales.families import IDENTITY, Path, centres, compose, jumps, maximal
from rfscale.sweeps.states.scales.figures import map_figures

Offset = tuple[int, ...]  # pixels on each axis, or on all
KEPT = 1 << 12  # compositions of families that are remembered
WORDS = 64  # that a shape takes beside its sets: the objects, and what is remembered of it
MAX_EXTENT = 1 << 26  # pixels of a set, and between entries: a limit that catches typos in kernels and strides


class Shape:
    """The footprints of a map, moved so that the first pixel of phase 0 … up - 1 is 0 on every axis."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths

    @cached_property
    def jump(self) -> tuple[Fraction, ...]:
        """Pixels between neighbouring entries."""
        return jumps(self.paths[0])

    @cached_property
    def centre(self) -> tuple[Fraction, ...]:
        """The middle of its hulls, beside the entries' own places."""
        return centres(self.paths)

    @cached_property
    def longest(self) -> int:
        """Pixels from the first to the last one of the longest set."""
        return max(bits.bit_length() for path in self.paths for f in path for _, bits in f.sets)

    @property
    def words(self) -> int:
        """Words that it takes, about."""
        return WORDS + sum(f.up for path in self.paths for f in path) * (self.longest // 64 + 16)


class MismatchError(Exception):
    """Maps that do not fit where they meet: the figure in which they differ, and its values by axis."""

    def __init__(self, figure: str, values: tuple[tuple[Fraction, ...], tuple[Fraction, ...]]) -> None:
        super().__init__(figure, values)
        self.figure, self.values = figure, values


class Shapes:
    """All shapes met so far, by number; 0 is the image itself.

    Parameters
    ----------
    ndim : int
        Axes of the networks.
    axes : int
        Those that differ; 1 where all are alike.
    """

    def __init__(self, ndim: int, axes: int) -> None:
        self.ndim, self.axes = ndim, axes
        self.shapes: list[Shape] = []
        self.held = 0  # words
        # where axes differ, the same families meet again and again on one of them: 4 times of 5
        self._compose = compose if axes == 1 else lru_cache(KEPT)(compose)
        self._number: dict[tuple[Path, ...], int] = {}
        self._parts: dict[tuple[Path, ...], int] = {}
        self._reaches: dict[int, Offset] = {}  # entries, by part
        self._after: dict[tuple[int, int], tuple[int, ...]] = {}
        self._united: dict[tuple[int, int, Offset, bool], tuple[int, ...]] = {}
        self._figures: dict[int, tuple[int, ...]] = {}
        self._numbered([(IDENTITY,) * axes])

    @property
    def nbytes(self) -> int:
        """Bytes of all that."""
        return 8 * self.held

    def part(self, paths: tuple[Path, ...]) -> int:
        """Return the number of some paths, for `after`."""
        return self._parts.setdefault(paths, len(self._parts))

    def after(self, shape: int, part: int, paths: Sequence[Path]) -> tuple[int, ...]:
        """Return the shape after the paths of number `part`, and by how many pixels it is moved on each axis."""
        key = shape, part
        if key not in self._after:
            inner = self.shapes[shape].paths
            self._check_size(self.shapes[shape], part, paths)
            made = [tuple(map(self._compose, outer, path)) for outer in paths for path in inner]
            self._after[key] = self._numbered(made)
        return self._after[key]

    def united(self, one: int, other: int, by: Offset, aligned: bool) -> tuple[int, ...]:
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
            if aligned:
                centre = tuple([c + pixels for c, pixels in zip(b.centre, by, strict=True)])
                if a.centre != centre:
                    raise MismatchError("centre", (a.centre, centre))
            self._united[key] = self._numbered([*a.paths, *(_moved(path, by) for path in b.paths)])
        return self._united[key]

    def figures(self, shape: int) -> tuple[int, ...]:
        """Return the figures of a shape: those of the entry with the largest footprint (figures.py)."""
        if shape not in self._figures:
            self._figures[shape] = map_figures(self.shapes[shape].paths, self.ndim)
        return self._figures[shape]

    def _numbered(self, paths: Sequence[Path]) -> tuple[int, ...]:
        kept = paths if len(paths) == 1 else maximal(paths)
        low = [min([first for f in on_axis for first, _ in f.sets]) for on_axis in zip(*kept, strict=True)]
        key = tuple(kept)
        if any(low):
            back = [-first for first in low]
            key = tuple([_moved(path, back) for path in kept])
        number = self._number.setdefault(key, len(self.shapes))
        if number == len(self.shapes):
            self.shapes.append(Shape(key))
            self.held += self.shapes[-1].words
        return number, *low

    def _check_size(self, shape: Shape, part: int, paths: Sequence[Path]) -> None:
        if part not in self._reaches:
            self._reaches[part] = tuple(
                [
                    max([abs(first) + bits.bit_length() for f in on_axis for first, bits in f.sets])
                    for on_axis in zip(*paths, strict=True)
                ]
            )
        for entries, before, more in zip(self._reaches[part], shape.paths[0], paths[0], strict=True):
            reached = {
                "extents": shape.longest + entries * before.down // before.up,
                "jumps": -(-before.down * more.down // (before.up * more.up)),  # rounded up
            }
            if max(reached.values()) > MAX_EXTENT:
                what = next(figure for figure, pixels in reached.items() if pixels > MAX_EXTENT)
                raise InputError(
                    f"{what} of more than {MAX_EXTENT} pixels; at most so many are supported in spaces with skips or "
                    "upsampling",
                    remedy="use smaller kernels, dilations or strides, or fewer repeats",
                )


def _moved(path: Path, by: Sequence[int]) -> Path:
    """A path, all sets moved by some pixels on each axis."""
    return tuple([f.moved(pixels) for f, pixels in zip(path, by, strict=True)])
