"""Statements about the formulas, each checked on every case of a range; the exact side is plain sets as big integers.

Run it for the table of docs/validity.md::

    python docs/facts.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product

from rfscale.engine.formulas.registry import FIRST_WINDOW, PUBLISHED, PUBLISHED_BY_WINDOW

Windows = tuple[tuple[int, int, int], ...]  # kernel, stride, dilation of each layer
Pair = tuple[Fraction, Fraction]
Count = tuple[int, int]  # cases, exceptions

IMAGE = (Fraction(1), Fraction(0))
LAYERS = tuple(product((1, 2, 3, 5), (1, 2), (1, 2, 3)))


def after(pixels: int, jump: int, window: tuple[int, int, int]) -> tuple[int, int]:
    """Return the set and the jump after a window."""
    k, s, d = window
    out = 0
    for i in range(k):
        out |= pixels << (i * d * jump)
    return out, jump * s


def exact(pixels: int, jump: int) -> Pair:
    """Return the area of a square footprint, and its overlap."""
    n = pixels.bit_count()
    return Fraction(n * n), Fraction((pixels & (pixels << jump)).bit_count(), n)


def chains(layers: tuple[tuple[int, int, int], ...], depth: int) -> Iterator[tuple[Windows, int, int]]:
    """Every chain of up to `depth` of some layers, with the set and the jump after it."""
    level: list[tuple[Windows, int, int]] = [((), 1, 1)]
    yield from level
    for _ in range(depth):
        level = [((*chain, w), *after(x, j, w)) for chain, x, j in level for w in layers]
        yield from level


def undilated_published(depth: int = 7, gaps: bool = False) -> Count:
    """The published formulas without dilation are exact in area and overlap on every chain of their layers.

    `gaps` is whether to count only those whose footprint has gaps.
    """
    windows = {w: name for w, name in PUBLISHED_BY_WINDOW.items() if w[2] == 1}
    cases = wrong = 0
    level: list[tuple[Pair, int, int]] = [(IMAGE, 1, 1)]
    level.append((PUBLISHED["conv7_s2_first"](*IMAGE), *after(1, 1, FIRST_WINDOW)))
    for _ in range(depth):
        following = []
        for pair, x, j in level:
            for window, name in windows.items():
                y, step = after(x, j, window)
                value = PUBLISHED[name](*pair)
                if not gaps or y.bit_count() < y.bit_length():
                    cases += 1
                    wrong += value != exact(y, step)
                following.append((value, y, step))
        level = following
    return cases, wrong


def undilated_with_gaps(depth: int = 7) -> Count:
    """… and on those of them whose footprint has gaps."""
    return undilated_published(depth, gaps=True)


def _area_of_3x3_is_exact(pixels: int, jump: int) -> bool:
    area, overlap = exact(pixels, jump)
    return PUBLISHED["conv3"](area, overlap)[0] == exact(after(pixels, jump, (3, 1, 1))[0], jump)[0]


def _no_gap_of_one(pixels: int, jump: int) -> bool:
    """Whether X ∩ (X+2J) ⊂ X+J."""
    return pixels & (pixels << 2 * jump) & ~(pixels << jump) == 0


def gap_criterion_on_chains(depth: int = 3) -> Count:
    """The area formula of a 3×3 is exact after a chain with dilation if and only if X ∩ (X+2J) ⊂ X+J."""
    cases = wrong = 0
    for chain, x, j in chains(LAYERS, depth):
        if any(k > 1 and d > 1 for k, _, d in chain):
            cases += 1
            wrong += _area_of_3x3_is_exact(x, j) != _no_gap_of_one(x, j)
    return cases, wrong


def gap_criterion_on_sets(size: int = 14, jumps: int = 7) -> Count:
    """… and after any set of pixels whatever, at any jump."""
    sets = range(1, 1 << size, 2)
    wrong = sum(_area_of_3x3_is_exact(x, j) != _no_gap_of_one(x, j) for x in sets for j in range(1, jumps + 1))
    return len(sets) * jumps, wrong


def _solid(width: int) -> Iterator[tuple[int, int, Fraction, Fraction]]:
    """Every solid square footprint up to a width, at every jump up to it: set, jump, S, P."""
    for w in range(1, width + 1):
        for j in range(1, w + 1):
            yield (1 << w) - 1, j, Fraction(w * w), Fraction(w - j, w)


def dilated_below_half(width: int = 120) -> Count:
    """3×3 of d = 2 on a solid input, P ≤ ½: as printed, S' = 9S and P' = 5P/3, exact."""
    cases = wrong = 0
    for x, j, S, P in _solid(width):
        if 2 * P <= 1:
            cases += 1
            truth = exact(after(x, j, (3, 1, 2))[0], j)
            wrong += not (PUBLISHED["dilated3"](S, P) == truth == (9 * S, 5 * P / 3))
    return cases, wrong


def dilated_above_half(width: int = 120) -> Count:
    """… P > ½: the truth is S' = (5−4P)²S, P' = (4−3P)/(5−4P)."""
    cases = wrong = 0
    for x, j, S, P in _solid(width):
        if 2 * P > 1:
            cases += 1
            wrong += exact(after(x, j, (3, 1, 2))[0], j) != ((5 - 4 * P) ** 2 * S, (4 - 3 * P) / (5 - 4 * P))
    return cases, wrong


def dilated_as_printed_above_half(width: int = 120) -> Count:
    """… and what is printed is wrong for every P > ½."""
    cases = right = 0
    for x, j, S, P in _solid(width):
        if 2 * P > 1:
            cases += 1
            right += PUBLISHED["dilated3"](S, P) == exact(after(x, j, (3, 1, 2))[0], j)
    return cases, right


def dilated_needs_solid(depth: int = 3) -> Count:
    """3×3 of d = 2 at P ≤ ½ on inputs with gaps: it is off on most."""
    cases = wrong = 0
    for _, x, j in chains(LAYERS, depth):
        S, P = exact(x, j)
        if x.bit_count() < x.bit_length() and 2 * P <= 1:
            cases += 1
            wrong += PUBLISHED["dilated3"](S, P) != exact(after(x, j, (3, 1, 2))[0], j)
    return cases, wrong


FACTS: tuple[tuple[str, Callable[..., Count]], ...] = (
    ("published formulas without dilation are exact in area and overlap: all chains of up to 7 of their layers, also "
     "after the 7×7, s = 2", undilated_published),
    ("… those of these whose footprint has gaps", undilated_with_gaps),
    ("area of a 3×3 after a dilated chain is exact if and only if X ∩ (X+2J) ⊂ X+J: all chains of kernels 1, 2, 3, 5, "
     "strides 1–2, dilations 1–3, up to 3 layers", gap_criterion_on_chains),
    ("… after any set: all in 14 pixels that have the first, jumps 1–7", gap_criterion_on_sets),
    ("3×3, d = 2 on a solid input at P ≤ ½ is exact as printed, 9S and 5P/3: all widths and jumps up to 120",
     dilated_below_half),
    ("… at P > ½ the truth is (5−4P)²S and (4−3P)/(5−4P)", dilated_above_half),
    ("… at P > ½ what is printed is wrong", dilated_as_printed_above_half),
    ("3×3, d = 2 at P ≤ ½ is exact on inputs with gaps as well (it is not): all those after the chains of the third "
     "line", dilated_needs_solid),
)  # fmt: skip


def table() -> list[str]:
    """Return the rows of a Markdown table: statement, cases, exceptions."""
    rows = ["| statement | cases | exceptions |", "| --- | ---: | ---: |"]
    for text, check in FACTS:
        cases, wrong = check()
        rows.append(f"| {text} | {cases:,} | {wrong:,} |")
    return rows


if __name__ == "__main__":
    print("\n".join(table()))
