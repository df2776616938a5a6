"""Stores of enumerated spaces: Zarr v3, one group for each stage, written block by block and resumed where it stopped.

The root has the array `done`, one entry for each block, set after the block's data are in place. docs/stores.md
describes the layout and how stores are read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba

from rfscale.engine import __version__
from rfscale.engine.errors import InputError
from rfscale.engine.files import PARTIAL, check_folder, is_partial
from rfscale.engine.variables import assembled
from rfscale.sweeps.machine import size_text
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.runs.labelled import blocks_of, coordinates, tree_of, wanted_stages
from rfscale.sweeps.runs.store.durable import settle
from rfscale.sweeps.runs.store.layout import BLOCK_BYTES, DONE, MARK, TICK, Options, Plan
from rfscale.sweeps.runs.store.zarr_files import METADATA, chunk_key, group_metadata, json_content, write_whole
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.provenance import attributes
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

LAYOUT = 2
LOCK = "lock"  # a file beside the chunks of `done`, which is no member of the group

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a call of `write_store` did.

    Attributes
    ----------
    architectures : int
        Of the last stage.
    states : int
        States that this process met; 0 where workers did it all.
    blocks, written : int
        Blocks of the store, and those that this call wrote.
    damaged : int
        Of the written ones, those that were stored before but had lost files, or bytes of them.
    bytes : int
        Bytes of the arrays before compression.
    seconds : float
    rate : float
        Architectures (of the last stage, with the arrays of all stages) that this call wrote in a second.
    path : Path
        Folder of the store.
    """

    architectures: int
    states: int
    blocks: int
    written: int
    damaged: int
    bytes: int
    seconds: float
    rate: float
    path: Path

    @cached_property
    def size(self) -> int:
        """Bytes of the store on the disk."""
        return _size(self.path)


def write_store(
    space: Space | NetworkSpace,
    path: str | os.PathLike[str],
    *,
    stages: Sequence[str] | None = None,
    costs: bool | None = None,
    formulas: bool = False,
    memory: int = MEMORY,
    client: Client | None = None,
    progress: Progress | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Summary:
    """Write the figures of every architecture of a space to a store, or go on with one that was begun.

    Parameters
    ----------
    space, stages, costs, formulas, memory
        As in `rf.sweep`.
    path : path
        Folder of the store. An unfinished store of the same space and options is resumed.
    client : distributed.Client, optional
        Dask workers that fill the blocks; without it this process does. Workers must see `path`.
    progress : callable, optional
        Called with the bytes that are done and those of the whole store, both before compression.
    block_bytes : int
        Bytes of a block before compression.

    Raises
    ------
    InputError
        If the path holds anything else, another process writes the store, the result does not fit the disk, or the disk
        is full. What was stored stays.
    """
    begun = time.perf_counter()
    target = Path(path).absolute()
    options = Options(str(target), None if stages is None else tuple(stages), costs, formulas, memory, block_bytes)
    plan = Plan(space, options)
    store = _Store(target, plan)
    check_disk(plan, plan.blocks - len(store.done()), target if target.is_dir() else target.parent)
    try:
        with store.locked():
            done = store.prepare()
            written = store.write(done, client, progress or _silent)
    except OSError as error:
        raise store.failure(error) from None
    seconds = time.perf_counter() - begun
    rate = plan.architectures * written / plan.nbytes / seconds
    new = plan.blocks - len(done)
    return Summary(plan.architectures, plan.states, plan.blocks, new, store.damaged, plan.nbytes, seconds, rate, target)


def run_stored(
    space: Space | NetworkSpace,
    path: str | os.PathLike[str],
    client: Client | None,
    progress: Callable[[int], object] | None,
    **options: Any,
) -> xr.DataTree:
    """Write a store for `rf.sweep`, and return what is in it, to be read when it is asked for."""
    from rfscale.sweeps.runs.store.reading import opened

    blocks = blocks_of(space)
    stages = wanted_stages(blocks, options["stages"])
    rows, reported = sum(map(blocks.size, stages)), 0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if progress:
            progress(done * rows // total - reported)
        reported = done * rows // total

    write_store(space, path, client=client, progress=report, **options)
    labels = coordinates(blocks)  # known here: to read the labels of every stage back takes longer than all else
    tree = opened(Path(path), stages)
    names = json.loads(tree.attrs[MARK])["variables"]  # stages and variables in the order of the space, not of the disk
    made = {}
    for stage in stages:
        stored, dims = tree[stage].to_dataset(), [*blocks.dims(stage), *(["axis"] if blocks.axis_labels else [])]
        variables = {name: stored.variables[name] for name in names}
        made[stage] = assembled(variables, labels.of(dims), labels.indexes, dict(stored.attrs))
    return tree_of(tree.to_dataset(), made, space.name)


def _size(folder: str | os.PathLike[str]) -> int:
    """Bytes of the files in a folder."""
    with os.scandir(folder) as entries:
        return sum(_size(e) if e.is_dir() else e.stat().st_size if e.is_file() else 0 for e in entries)


def _silent(done: int, total: int) -> None:
    pass


def space_hash(space: Space | NetworkSpace) -> str:
    """Return what tells a space from others; a template is known by its first and last network."""
    if isinstance(space, Space):
        return space.hash
    ends = [space.network(i).to_dict() for i in (0, space.size - 1)]
    text = json.dumps([ends, list(space.dims.items())], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Store:
    """A folder that is, or is to be, the store of a plan."""

    def __init__(self, target: Path, plan: Plan) -> None:
        self.target, self.plan = target, plan
        self.lock = target / DONE / LOCK
        self.damaged = 0
        self.mark = {
            "layout": LAYOUT,
            "software": __version__,
            "space": space_hash(plan.space),
            "stages": list(plan.stages),
            "variables": list(plan.source.variables(plan.stages[-1])),
            "block_bytes": plan.options.block_bytes,
        }

    def done(self) -> set[int]:
        """Return the blocks that are stored; refuse whatever is not this store."""
        if not self.target.exists():
            check_folder(self.target.parent, "store")
            return set()
        if not self.target.is_dir():
            raise InputError(f"store {self.target} is a file; give another path")
        found = self._found_mark()
        if found is not None:
            self._compare(found)
            ticks = os.listdir(self.target / DONE) if (self.target / DONE).is_dir() else []  # lost with the power
            numbers = (n[2:] for n in ticks if n[:2] == "c." and n[2:].isdecimal())
            return {int(n) for n in numbers if int(n) < self.plan.blocks}  # all-0 chunks are never written
        stranger = self._stranger()
        if stranger is not None:
            raise InputError(
                f"store {self.target} is a folder of something else, such as {stranger.name}; it is left alone, "
                "give another path"
            )
        return set()

    def _found_mark(self) -> dict[str, Any] | None:
        try:
            return json.loads(json.loads((self.target / METADATA).read_bytes())["attributes"][MARK])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _stranger(self) -> Path | None:
        """Something in the folder that the beginning of this very store, before its first block, does not have."""
        own = self.plan.first_files
        for path in sorted(self.target.rglob("*")):
            name = path.relative_to(self.target).as_posix()
            if path.is_symlink() or not (path.is_dir() or path == self.lock or is_partial(path.name)):
                if name not in own or path.read_bytes() != own[name]:
                    return path
            elif path.is_dir() and not any(file.startswith(f"{name}/") for file in own):
                return path
        return None

    def _compare(self, found: dict[str, Any]) -> None:
        if found.get("software") != __version__ or found.get("layout") != LAYOUT:
            raise InputError(
                f"store {self.target} was begun by rfscale {found.get('software')}, and this is {__version__}; "
                "go on with that version, or give another path"
            )
        if found.get("space") != self.mark["space"]:
            raise InputError(f"store {self.target} belongs to another space; give another path")
        for key in ("stages", "variables", "block_bytes"):
            if found.get(key) != self.mark[key]:
                raise InputError(
                    f"store {self.target} was begun with {key} {_listed(found.get(key))}, and now it is "
                    f"{_listed(self.mark[key])}; use the same options, or give another path"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store; the lock ends with this process, whatever ends it."""
        import fcntl

        self.lock.parent.mkdir(parents=True, exist_ok=True)
        if self.lock.parent.is_symlink() or self.lock.is_symlink():  # its target is not ours
            raise InputError(f"{self.lock} is reached by a symbolic link; it is left alone, give another path")
        file = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            if os.fstat(file).st_nlink > 1 or ((held := os.pread(file, 1000, 0)) and not held.startswith(b"process ")):
                raise InputError(f"{self.lock} is a file of something else; it is left alone, give another path")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(file, 1000).decode(errors="replace") or "another process"
                raise InputError(
                    f"store {self.target} is being written by {holder}; wait for it, or give another path"
                ) from None
            with suppress(OSError):  # a full disk; the lock holds all the same
                os.truncate(file, 0)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            os.close(file)

    def prepare(self) -> set[int]:
        """Make the arrays if there are none, and return the blocks that are stored."""
        done = self.done()
        new = os.listdir(self.target) == [DONE] and os.listdir(self.lock.parent) == [LOCK]
        self._create(new)
        if not new:
            self._sweep()
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            numbers = sorted(done)
            stored = [n for n, whole in zip(numbers, pool.map(self._is_stored, numbers), strict=True) if whole]
        self.damaged = len(done) - len(stored)
        return set(stored)

    def _is_stored(self, number: int) -> bool:
        """Whether a block that is ticked off is there; where it is not, the tick goes, so that no reader trusts it."""
        tick = self.target / DONE / chunk_key([number])
        if tick.read_bytes() == TICK and self.plan.is_stored(number):
            return True
        tick.unlink()
        return False

    def _create(self, new: bool) -> None:
        """Make groups and arrays, or those that are lost; the root's attributes come last: all is ready."""
        files = self.plan.first_files
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            written = [*filter(None, pool.map(partial(self._put, new=new), *zip(*files.items(), strict=True)))]
        if self._found_mark() is None:
            root = group_metadata({**attributes(self.plan.space, "run"), MARK: json.dumps(self.mark)})
            write_whole(self.target / METADATA, json_content(root))
            written.append(self.target / METADATA)
        settle(written)

    def _put(self, file: str, content: bytes, new: bool) -> Path | None:
        """Write a file unless it is there, and return its path if it was written."""
        path = self.target / file
        if not new and _is_same(path, content):
            return None
        write_whole(path, content)
        return path

    def _sweep(self) -> None:
        """Remove the files that a process left half written."""
        for stray in self.target.rglob(f"*{PARTIAL}*"):
            if is_partial(stray.name):
                stray.unlink(missing_ok=True)

    def write(self, done: set[int], client: Client | None, progress: Progress) -> int:
        """Write the blocks that are missing; return their bytes before compression."""
        plan = self.plan
        todo = [n for n in range(plan.blocks) if n not in done]
        finished = plan.nbytes - sum(map(plan.block_bytes, todo))
        progress(finished, plan.nbytes)
        written = 0
        try:
            for count in self._written(plan.pieces(todo), client):
                written += count
                progress(finished + written, plan.nbytes)
        except BaseException:
            self._sweep()
            raise
        if client is not None:  # a worker may have been killed
            self._sweep()
        return written

    def _written(self, pieces: Iterator[list[int]], client: Client | None) -> Iterator[int]:
        """Write pieces here or on workers, and yield the bytes of each when it is done."""
        if client is not None:
            from rfscale.sweeps.runs.store.dask_workers import write_pieces

            yield from write_pieces(client, self.plan, pieces)
            return
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            for piece in pieces:
                yield self.plan.write(piece, pool.map)

    def failure(self, error: OSError) -> InputError:
        """Return the error for the user when writing fails."""
        stored = f"{len(self.done())} of {self.plan.blocks} blocks are stored"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return InputError(
                f"the disk of {self.target} is full; {stored}: make room, and go on with the same command"
            )
        return InputError(f"cannot write {self.target}: {error.strerror or error}; {stored}")


def _is_same(path: Path, content: bytes) -> bool:
    """Whether a file has a content; attributes of arrays and groups are the user's to change."""
    try:
        found = path.read_bytes()
        if path.name != METADATA:
            return found == content
        return {**json.loads(found), "attributes": {}} == {**json.loads(content), "attributes": {}}
    except (OSError, ValueError, TypeError):
        return False


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def check_disk(plan: Plan, missing: int, folder: Path) -> None:
    """Refuse a store that does not fit the disk: where its plain size does not, some blocks are made on trial."""
    if not missing:
        return
    free = shutil.disk_usage(folder).free
    needed = plan.nbytes * missing // plan.blocks
    if needed <= free:
        return
    last = plan.blocks - 1
    estimate = min(sum(map(len, plan.made(n).values())) for n in {plan.blocks // 2, last - last // 4, last}) * missing
    if estimate > free:
        raise InputError(
            f"the store holds {size_text(needed)}, about {size_text(estimate)} when compressed, and {size_text(free)} "
            f"are free in {folder}; give `stages`, or ask rf.count, best, pareto or sample, which list nothing"
        )
