"""Blocks of a store: how arrays are cut, and the function that fills one piece of work, here or in a Dask worker.

An array has one dim for each factor. It is cut into shards that are ranges of the flat, row-major index, and a block is
one shard of every variable of a stage: two blocks never share a file, so that any process may write any block at any
time. Parts of a shard written by two processes would lose data without a word.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.variables import Variable
from rfscale.sweeps.runs.answer_arrays import answer_arrays
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.runs.labelled import blocks_of, check_dims, wanted_stages
from rfscale.sweeps.runs.store.durable import settle
from rfscale.sweeps.runs.store.zarr_files import (
    BYTES,
    COMPRESSED,
    METADATA,
    SHUFFLED,
    Map,
    array_metadata,
    chunk_key,
    codecs_of,
    group_metadata,
    is_whole,
    joined,
    json_content,
    label_files,
    parts,
    write_whole,
)
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

BLOCK_BYTES = 1 << 27  # of a block before compression: 0.1 to 0.3 s of work
NETWORK_BLOCK = 256  # networks in a block of a NetworkSpace: about as much work
FILL_BYTES = 1 << 24  # of a block that are filled, and then compressed, at a time: they stay in the cache
CHUNK = 1 << 20  # architectures that are compressed together: what a reader of one value has to decode
DONE = "done"
MARK = "sweep"  # the attribute of the root that says what the store holds
TICK = b"\1"  # of a block that is stored


@dataclass(frozen=True)
class Grid:
    """How the arrays of a stage are cut.

    Attributes
    ----------
    shape : tuple of int
        Values of every factor.
    shard, chunk : tuple of int
        Values of every factor in a file, and in a part of it that is compressed on its own: 1 for the first factors,
        some for one of them, all for those after it.
    split : int
        The factor that shards cut.
    """

    shape: tuple[int, ...]
    shard: tuple[int, ...]
    chunk: tuple[int, ...]
    split: int

    @cached_property
    def blocks(self) -> int:
        """Number of blocks."""
        return prod(self.shape[: self.split]) * self._parts

    @property
    def _parts(self) -> int:
        return -(-self.shape[self.split] // self.shard[self.split]) if self.shape else 1

    def block(self, number: int) -> tuple[tuple[int, ...], int, int]:
        """Return the position of a block's shard in the grid of shards, and the flat range that it is."""
        if not self.shape:
            return (), 0, 1
        lead, part = divmod(number, self._parts)
        n, step = self.shape[self.split], self.shard[self.split]
        after = prod(self.shape[self.split + 1 :])
        low, high = part * step, min(n, (part + 1) * step)
        position = [0] * len(self.shape)
        position[self.split] = part
        rest = lead
        for at in reversed(range(self.split)):
            rest, position[at] = divmod(rest, self.shape[at])
        return tuple(position), (lead * n + low) * after, (lead * n + high) * after


def cut(shape: Sequence[int], rows: int, chunk_rows: int = CHUNK) -> Grid:
    """Return a grid with shards of at most about `rows` architectures and chunks of at most about `chunk_rows`.

    Examples
    --------
    >>> grid = cut((4, 4, 4, 4), rows=40, chunk_rows=10)
    >>> grid.shard, grid.chunk, grid.blocks
    ((1, 2, 4, 4), (1, 1, 2, 4), 8)
    >>> grid.block(3)
    ((1, 1, 0, 0), 96, 128)
    """
    shape = tuple(shape)
    if not shape:
        return Grid((), (), (), 0)
    at, count, after = _fit(shape, min(rows, chunk_rows))
    split, many, _ = _fit(shape, rows)
    even = max(d for d in range(1, count + 1) if shape[at] % d == 0)  # chunks divide shards
    if even * 4 < count:  # a prime number of values: chunks of any length, in shards that cut the same factor
        even, split = count, at
        many = rows // after
    if split == at:
        many = even * max(1, min(many // even, -(-shape[at] // even)))
    return Grid(shape, _window(shape, split, many), _window(shape, at, even), split)


def _fit(shape: tuple[int, ...], limit: int) -> tuple[int, int, int]:
    """The factor that a range of `limit` architectures cuts, how many of its values fit, and the product after it."""
    after = 1
    for at in reversed(range(len(shape))):
        if after * shape[at] > limit:
            return at, max(1, limit // after), after
        after *= shape[at]
    return 0, shape[0], after // shape[0]


def _window(shape: tuple[int, ...], at: int, count: int) -> tuple[int, ...]:
    return (*(1,) * at, count, *shape[at + 1 :])


@dataclass(frozen=True)
class Options:
    """What decides the contents of a store beside the space, and where it is."""

    path: str
    stages: tuple[str, ...] | None = None
    costs: bool | None = None
    formulas: bool = False
    memory: int = MEMORY
    block_bytes: int = BLOCK_BYTES
    layout: int = SHUFFLED


class Plan:
    """The blocks of all stages of a store, numbered from 0."""

    def __init__(self, space: Space | NetworkSpace, options: Options) -> None:
        self.space, self.options = space, options
        self.source = blocks_of(space, costs=options.costs, formulas=options.formulas, memory=options.memory)
        self.stages = wanted_stages(self.source, options.stages)
        check_dims(self.source)
        if DONE in self.stages:
            raise InputError(f"a stage is named {DONE!r}, as the store's list of blocks is; rename it")
        self._rows = {s: self._block_rows(s) for s in self.stages}
        self.grids = {s: cut(self.source.shape(s), self._rows[s]) for s in self.stages}
        self._first = [0, *accumulate(g.blocks for g in self.grids.values())]

    def _block_rows(self, stage: str) -> int:
        if isinstance(self.space, NetworkSpace):
            return NETWORK_BLOCK
        return max(1, self.options.block_bytes // self.source.row_bytes(stage))

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self._first[-1]

    @property
    def architectures(self) -> int:
        """Number of architectures of the last stage."""
        return self.source.size(self.stages[-1])

    @property
    def states(self) -> int:
        """Number of states of all axes that were met so far."""
        return sum(map(sum, self.source.state_counts()))

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all arrays before compression."""
        return sum(self.source.size(s) * self.source.row_bytes(s) for s in self.stages)

    def place(self, number: int) -> tuple[str, int]:
        """Return the stage of a block, and its number there."""
        stage = bisect_right(self._first, number) - 1
        return self.stages[stage], number - self._first[stage]

    def block_bytes(self, number: int) -> int:
        """Return the bytes of a block before compression."""
        stage, inner = self.place(number)
        _, start, stop = self.grids[stage].block(inner)
        return (stop - start) * self.source.row_bytes(stage)

    def pieces(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """Return blocks in pieces of work: small ones go together, so that a Dask task is worth its while."""
        piece: list[int] = []
        share = 0.0
        for number in numbers:
            stage, inner = self.place(number)
            _, start, stop = self.grids[stage].block(inner)
            piece.append(number)
            share += (stop - start) / self._rows[stage]
            if share >= 0.75:
                yield piece
                piece, share = [], 0.0
        if piece:
            yield piece

    def arrays(self, stage: str) -> dict[str, dict[str, Any]]:
        """Return the metadata of the arrays of a stage, by name."""
        grid, dims = self.grids[stage], list(self.source.dims(stage))
        made = {}
        for name, spec in self.source.variables(stage).items():
            tail = self._tail(spec)
            shape, shard, chunk = ((*part, *tail) for part in (grid.shape, grid.shard, grid.chunk))
            names = [*dims, "axis"] if tail else dims
            codecs = codecs_of(self.options.layout, spec.dtype, chunk)
            made[name] = array_metadata(shape, shard, chunk, spec.dtype, names, spec.attrs(), codecs)
        return made

    @cached_property
    def first_files(self) -> dict[str, bytes]:
        """Groups, arrays and labels: the files that a store begins with, by path, but for the root's own."""
        files: dict[str, bytes] = {}
        axes = {"axis": self.source.axis_labels} if self.source.axis_labels else {}
        labels: dict[str, dict[str, bytes]] = {}  # the same in every stage
        for stage in self.stages:
            for dim, values in {**self.source.dims(stage), **axes}.items():
                if dim not in labels:
                    labels[dim] = label_files(dim, values)
                files |= {f"{stage}/{path}": content for path, content in labels[dim].items()}
            for name, made in self.arrays(stage).items():
                files[f"{stage}/{name}/{METADATA}"] = json_content(made)
            files[f"{stage}/{METADATA}"] = json_content(group_metadata(self.source.attrs(stage)))
        about = {"long_name": "whether a block is stored", "units": "1"}
        array = array_metadata([self.blocks], [1], [1], "int8", ["block"], about, [BYTES])
        return files | {f"{DONE}/{METADATA}": json_content(array)}

    def made(self, number: int, run: Map = map) -> dict[str, bytes]:
        """Work a block out; return the content of its files by path in the store."""
        stage, inner = self.place(number)
        grid = self.grids[stage]
        position, start, stop = grid.block(inner)
        rows = prod(grid.chunk)
        rows *= max(1, FILL_BYTES // (rows * self.source.row_bytes(stage)))  # whole chunks
        room = answer_arrays(self.source, {stage: min(rows, stop - start)})[stage]
        chunks: dict[str, list[bytes]] = {name: [] for name in room}
        for low in range(start, stop, rows):
            high = min(low + rows, stop)
            out = {name: values[: high - low] for name, values in room.items()}
            with _turn:
                self.source.fill(stage, low, high, out)
            cuts = {name: parts(values, self._whole(grid.chunk, values)) for name, values in out.items()}
            made = iter(run(COMPRESSED[self.options.layout], [cut for each in cuts.values() for cut in each]))
            for name, each in cuts.items():
                chunks[name] += islice(made, len(each))
        files = {}
        for name, values in room.items():
            tail = (0,) * (values.ndim - 1)
            shard, chunk = self._whole(grid.shard, values), self._whole(grid.chunk, values)
            files[f"{stage}/{name}/{chunk_key((*position, *tail))}"] = joined(chunks[name], shard, chunk)
        return files

    @staticmethod
    def _whole(shape: tuple[int, ...], values: np.ndarray) -> tuple[int, ...]:
        """Shape of a shard or chunk of a variable, which may have axes."""
        return (*shape, *values.shape[1:])

    def is_stored(self, number: int) -> bool:
        """Whether the files of a block are in the store, with all their bytes."""
        stage, inner = self.place(number)
        grid = self.grids[stage]
        position, _, _ = grid.block(inner)
        for name, spec in self.source.variables(stage).items():
            tail = self._tail(spec)
            file = Path(self.options.path) / stage / name / chunk_key((*position, *(0 for _ in tail)))
            if not is_whole(file, (*grid.shard, *tail), (*grid.chunk, *tail)):
                return False
        return True

    def _tail(self, spec: Variable) -> tuple[int, ...]:
        axes = len(self.source.axis_labels)
        return (axes,) if spec.per_axis and axes else ()

    def write(self, numbers: Sequence[int], run: Map = map) -> int:
        """Write blocks, tick them off when they have reached the disk, and return their bytes before compression."""
        return self.put(numbers, self.files(numbers, run))

    def files(self, numbers: Iterable[int], run: Map = map) -> dict[str, bytes]:
        """Work blocks out, as `made` does one."""
        return {file: content for number in numbers for file, content in self.made(number, run).items()}

    def put(self, numbers: Iterable[int], files: Mapping[str, bytes]) -> int:
        """Write the files of blocks that are worked out, and tick these off, as `write` does."""
        root = self.options.path
        for file, content in files.items():
            write_whole(f"{root}/{file}", content)
        settle(Path(root, file) for file in files)
        for number in numbers:
            write_whole(f"{root}/{DONE}/{chunk_key([number])}", TICK)
        return sum(map(self.block_bytes, numbers))


_turn = threading.Lock()  # `fill` is not thread-safe, and a Dask worker may have several threads
