"""The pool of the states of chains on one axis, found by content.

Python's whole numbers do the first of them, without compiled code: `rfscale.sweeps.kernels.states.expand` does the same
some times as fast, after it was loaded or compiled. States have the same numbers either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rfscale.sweeps.kernels import states as kernels
from rfscale.sweeps.kernels.plain import Sooner
from rfscale.sweeps.states.compile import Trie

MAX_REMEMBERED_LAYERS = 64  # distinct layers of a graph up to which the state after each is remembered
MAX_EXCHANGED_LAYERS = 16  # the same, up to which it is found out which of two may be exchanged
SOONER = Sooner(kept=20_000, most=200_000)  # states × layers, and more where sets are wide: some 1 µs each
PIXELS_AT_ONCE = 1 << 10  # of a set: so many take Python hardly longer than one
FEW_STATES = 1 << 12  # a pool of so few grows fourfold, else twofold
MAX_EXTENT = 1 << 14  # Python writes solid sets out, too

_FIRST = 0x9E3779B97F4A7C15  # as in sweeps/kernels/states.py
_ALL = (1 << 64) - 1

Columns = tuple[np.ndarray, ...]


@dataclass
class Pool:
    """All states met so far, found by content; sweeps/kernels/states.py says what the columns are."""

    steps: dict[tuple[int, ...], int]
    columns: tuple[np.ndarray, ...] = ()
    used: np.ndarray = field(default_factory=lambda: np.array([1, 0], np.int64))

    def __post_init__(self) -> None:
        self.columns = _first_columns(len(self.steps) + 2 if len(self.steps) <= MAX_REMEMBERED_LAYERS else 0)
        self._tries: dict[int, tuple[Trie, np.ndarray]] = {}  # layers of each as steps
        self._exchanged: np.ndarray | None = None  # what the kernel is given, once it is needed
        self._plain: PlainStates | None = PlainStates(len(self.steps))  # until there is too much for Python

    def expand(self, sources: np.ndarray, trie: Trie, limit: int) -> np.ndarray | None:
        """Return the state at every node of a trie from every source; None if the pool would pass `limit` words."""
        if id(trie) not in self._tries:  # stages that are alike have one
            self._tries[id(trie)] = trie, np.array([self.steps[x] for x in layers_of(trie)], np.int64)
        step = self._tries[id(trie)][1]
        if self._plain is not None:
            layers = [*zip(*(column.tolist() for column in trie[:4]), strict=True)]
            if self._plain.takes(self.columns, sources, layers):
                self.columns, ends, fits = self._plain.expand(
                    self.columns, self.used, sources, layers, step.tolist(), self._state_words, limit
                )
                return ends if fits else None
            self.columns, self._plain = with_hashes(self.columns, self.used), None
        expand: Any = kernels.expand
        if self._exchanged is None:
            self._exchanged = exchanged(self.steps if len(self.steps) <= MAX_EXCHANGED_LAYERS else {})
        ends, place = np.empty((len(step) + 1, len(sources)), np.int32), np.zeros(2, np.int64)
        ends[0] = sources
        given = *trie[:4], step, self._exchanged, self._state_words, limit
        unhashed = False
        while (need := expand(*self.columns, self.used, ends, place, unhashed, *given)) != kernels.DONE:
            if need == kernels.PAST_LIMIT:
                return None
            unhashed = self._make_room(int(need), limit)
        return ends

    def _make_room(self, words: int, limit: int) -> bool:
        """Make room for so many words, or for more states; return whether the table is new, and empty."""
        *columns, known, held, table = self.columns
        n = int(self.used[0])
        times = 4 if n < FEW_STATES else 2
        if words:
            self.columns = *columns, known, _resized(held, max(min(times * len(held), limit), words)), table
            return False
        if n == len(known):
            size = min(times * n, limit // self._state_words + 1)
            columns, wider = (
                [_resized(column, size) for column in columns],
                np.full((size, known.shape[1]), -1, np.int32),
            )
            wider[:n] = known
            known = wider
        new = 2 * (n + 1) > len(table)
        if new:
            table = np.full(4 * len(table), -1, np.int32)
        self.columns = *columns, known, held, table
        return new

    def is_plain(self, n: int) -> bool:
        """Whether so many states × choices more are worked out without compiled code, as far as is known before."""
        return self._plain is not None and SOONER.would_take(kernels.expand, n)

    @property
    def _state_words(self) -> int:
        """Words that a state takes beside its set: six columns, those of `known`, at most eight places of a table."""
        return 6 + (self.columns[6].shape[1] + 1) // 2 + 4

    @property
    def held(self) -> int:
        """Words that the states take."""
        return int(self.used[1] + self.used[0] * self._state_words)

    def figures(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Return pixels, extent, jump and shared of states."""
        jump, extent, pixels, shared, *_ = self.columns
        return {
            "pixels": pixels.take(ids),
            "extent": extent.take(ids),
            "jump": jump.take(ids),
            "shared": shared.take(ids),
        }

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return sum(column.nbytes for column in self.columns)


def layers_of(trie: Trie) -> Iterator[tuple[int, ...]]:
    """Kernel, stride and dilation of the layers of a trie."""
    return zip(trie.kernel.tolist(), trie.stride.tolist(), trie.dilation.tolist(), strict=True)


def exchanged(steps: Mapping[tuple[int, ...], int]) -> np.ndarray:
    """Return two layers that do together what layers a and b do, b's window first: int32 array (a, b, 2).

    Both add a window to a set, in whatever order: the gap of the second is its dilation times the stride of the first,
    in jumps of the set. -1 where such layers are not among these.

    Examples
    --------
    >>> exchanged({(3, 1, 4): 0, (3, 2, 2): 1, (3, 1, 8): 2})[1].tolist()
    [[2, 1], [-1, -1], [-1, -1]]
    """
    out = np.full((len(steps), len(steps), 2), -1, np.int32)
    for (kernel, stride, dilation), a in steps.items():
        for (other, times, far), b in steps.items():
            first = other, times, far * stride if other > 1 else 1
            if kernel == 1 or dilation % times == 0:
                last = kernel, stride, dilation // times if kernel > 1 else 1
                if first in steps and last in steps:
                    out[a, b] = steps[first], steps[last]
    return out


def _first_columns(steps: int) -> tuple[np.ndarray, ...]:
    """Columns of a pool of one state: the pixel itself."""
    column = np.ones((4, 256), np.int64)
    column[3, 0] = 0  # shared
    start = np.full(256, -1, np.int64)
    hashes = np.zeros(256, np.uint64)
    # the first state is never looked up: a layer that changes nothing is not in a trie, and no other leads to it
    table = np.full(1024, -1, np.int32)
    return *column, start, hashes, np.full((256, steps), -1, np.int32), np.zeros(1024, np.uint64), table


# without compiled code ----------------------------------------------------------------------------------------------


class PlainStates:
    """The states of a pool as Python's numbers, as long as it does without compiled code.

    Parameters
    ----------
    layers : int
        Distinct layers of the graph.
    """

    def __init__(self, layers: int) -> None:
        self._sets, self._jumps = [1], [1]
        # the first state is never looked up: no layer leads to it, unless it changes nothing, and is in no trie
        self._found: dict[tuple[int, int], int] = {}
        self._after: list[dict[int, int]] = [{} for _ in range(layers)]

    def takes(self, columns: Columns, sources: np.ndarray, layers: Sequence[tuple[int, ...]]) -> bool:
        """Whether to do without compiled code for the layers of a trie after some sources."""
        reach = [(int(columns[1][sources].max(initial=1)), int(columns[0][sources].max(initial=1)))]
        for parent, kernel, stride, dilation in layers:
            extent, jump = reach[parent]
            reach.append((extent + (kernel - 1) * dilation * jump, jump * stride))
        widest = max(extent for extent, _ in reach)
        if widest > MAX_EXTENT:
            return False
        return SOONER.takes(kernels.expand, len(sources) * len(layers) * (1 + widest // PIXELS_AT_ONCE))

    def expand(
        self, columns: Columns, used: np.ndarray, sources: np.ndarray, layers: Sequence[tuple[int, ...]],
        steps: Sequence[int], state_words: int, limit: int,
    ) -> tuple[Columns, np.ndarray, bool]:  # fmt: skip
        """Apply the layers of a trie, each with parent, kernel, stride and dilation, as the kernel `expand` does."""
        ends = [sources.tolist()]
        held, fits, before = int(used[1]), True, len(self._sets)
        for (parent, kernel, stride, dilation), step in zip(layers, steps, strict=True):
            after, row = self._after[step], []
            for i in ends[parent]:
                found = after.get(i)
                if found is None:
                    pixels, jump = self._sets[i], self._jumps[i]
                    key = _window(pixels, kernel, dilation * jump), jump * stride
                    found = self._found.get(key)
                    if found is None:
                        found, words = len(self._sets), _words(key[0])
                        fits = held + words + (found + 1) * state_words <= limit
                        if not fits:
                            break
                        held += words
                        self._found[key] = found
                        self._sets.append(key[0])
                        self._jumps.append(key[1])
                    after[i] = found
                row.append(found)
            if not fits:
                break
            ends.append(row)
        columns = self._written(columns, used, before)
        return columns, np.array(ends, np.int32) if fits else np.empty((0, 0), np.int32), fits

    def _written(self, columns: Columns, used: np.ndarray, before: int) -> Columns:
        """Return the columns with the states that are new since there were so many; `used` is changed in place."""
        n = len(self._sets)
        new, jumps = self._sets[before:], self._jumps[before:]
        start, parts, at = [], [], int(used[1])
        for pixels in new:
            words = _words(pixels)
            start.append(at if words else -1)
            parts.append(pixels.to_bytes(8 * words, "little") if words else b"")
            at += words
        shared = [
            (pixels & (pixels << jump)).bit_count() if jump < pixels.bit_length() else 0
            for pixels, jump in zip(new, jumps, strict=True)
        ]
        values = jumps, [x.bit_length() for x in new], [x.bit_count() for x in new], shared, start
        jump, extent, pixels_of, shared_of, start_of, hashes, known, words_of, table = columns
        grown = [_with_room(c, n) for c in (jump, extent, pixels_of, shared_of, start_of, hashes)]
        for column, value in zip(grown, values, strict=False):
            column[before:n] = value
        if len(known) < len(grown[0]):
            known = np.full((len(grown[0]), known.shape[1]), -1, np.int32)
        words_of = _with_room(words_of, at)
        words_of[int(used[1]) : at] = np.frombuffer(b"".join(parts), np.uint64)
        used[:] = n, at
        return (*grown, known, words_of, table)


def with_hashes(columns: Columns, used: np.ndarray) -> Columns:
    """Return the columns with what the kernel finds states by, which is left out while there is none."""
    jump, extent, pixels, shared, start, hashes, known, words, _ = columns
    n = int(used[0])
    held, table = words.tolist() if n > 1 else [], [-1] * (1 << max(10, (4 * n).bit_length()))
    for i, (e, j, at) in enumerate(zip(extent[:n].tolist(), jump[:n].tolist(), start[:n].tolist(), strict=True)):
        if not i:
            continue
        code = _mix(_mix(_FIRST, e), j)
        for word in held[at : at + ((e + 63) >> 6)] if at >= 0 else ():
            code = _mix(code, word)
        hashes[i] = code
        slot = code & (len(table) - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = i
    return jump, extent, pixels, shared, start, hashes, known, words, np.array(table, np.int32)


def _mix(state: int, word: int) -> int:
    state = ((state ^ word) * _FIRST) & _ALL
    return state ^ (state >> 29)


def _window(pixels: int, kernel: int, gap: int) -> int:
    """X ⊕ {0, gap, 2·gap, ...}, `kernel` terms."""
    terms = 1
    while terms < kernel:  # doubling: log2(kernel) passes
        more = min(terms, kernel - terms)
        pixels |= pixels << (more * gap)
        terms += more
    return pixels


def _words(pixels: int) -> int:
    """Words of a set, 0 of a solid one."""
    return 0 if pixels & (pixels + 1) == 0 else (pixels.bit_length() + 63) >> 6


def _resized(column: np.ndarray, size: int) -> np.ndarray:
    """A column with room for so many, which are more."""
    out = np.empty(size, column.dtype)
    out[: len(column)] = column
    return out


def _with_room(column: np.ndarray, size: int) -> np.ndarray:
    """A column with room for so many, doubled where it grows."""
    if size <= len(column):
        return column
    return _resized(column, max(2 * len(column), size))
