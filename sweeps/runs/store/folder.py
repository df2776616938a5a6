"""The folder of a store: what in it is a store's own, who writes it, and which blocks are in place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba

from rfscale.engine import __version__
from rfscale.engine.errors import InputError
from rfscale.engine.files import PARTIAL, check_folder, is_partial
from rfscale.sweeps.runs.store.durable import settle
from rfscale.sweeps.runs.store.layout import DONE, MARK, TICK, Plan
from rfscale.sweeps.runs.store.zarr_files import (
    METADATA,
    PLAIN,
    SHUFFLED,
    chunk_key,
    group_metadata,
    json_content,
    write_whole,
)
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.provenance import attributes
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    from distributed import Client

LOCK = "lock"  # a file beside the chunks of `done`, which is no member of the group

Progress = Callable[[int, int], None]


def space_hash(space: Space | NetworkSpace) -> str:
    """Return what tells a space from others; a template is known by its first and last network."""
    if isinstance(space, Space):
        return space.hash
    ends = [space.network(i).to_dict() for i in (0, space.size - 1)]
    text = json.dumps([ends, list(space.dims.items())], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def found_mark(target: Path) -> dict[str, Any] | None:
    """Return what a folder's root says that its store was begun with, None where it is no store."""
    try:
        return dict(json.loads(json.loads((target / METADATA).read_bytes())["attributes"][MARK]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def layout_of(target: Path) -> int:
    """Return the layout that a store goes on with: its own, or that of new ones."""
    return PLAIN if (found_mark(target) or {}).get("layout") == PLAIN else SHUFFLED


class StoreFolder:
    """A folder that is, or is to be, the store of a plan."""

    def __init__(self, target: Path, plan: Plan) -> None:
        self.target, self.plan = target, plan
        self.lock = target / DONE / LOCK
        self.damaged = 0
        self.begun: list[Path] = []  # files without figures that this process is to wait for
        self.mark = {
            "layout": plan.options.layout,
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
        found = found_mark(self.target)
        if found is not None:
            self._compare(found)
            ticks = os.listdir(self.target / DONE) if (self.target / DONE).is_dir() else []  # lost with the power
            numbers = (n[2:] for n in ticks if n[:2] == "c." and n[2:].isdecimal())
            return {int(n) for n in numbers if int(n) < self.plan.blocks}  # all-0 chunks are never written
        stranger = self._stranger()
        if stranger is not None and (self.target / DONE / METADATA).is_file():
            raise InputError(
                f"store {self.target} has lost its {METADATA}, without which nobody knows what it holds; "
                "copy it back, or remove the store, or give another path"
            )
        if stranger is not None:
            raise InputError(
                f"store {self.target} is a folder of something else, such as {stranger.name}; it is left alone, "
                "give another path"
            )
        return set()

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
        if found.get("software") != __version__ or found.get("layout") != self.mark["layout"]:
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
        """Make the arrays, or those that are lost, and return the blocks that are stored."""
        done = self.done()
        new = os.listdir(self.target) == [DONE] and os.listdir(self.lock.parent) == [LOCK]
        self._create(new, begun=bool(done))
        if new:
            return done
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

    def _create(self, new: bool, begun: bool) -> None:
        """Make groups and arrays, or those that are lost; the root's attributes come last: all is ready.

        They need not have reached the disk when this returns; `write` waits for them. Where no block has `begun`, those
        that are there may be of a process that was ended before it had waited.
        """
        for file, content in self.plan.first_files.items():
            path = f"{self.target}/{file}"
            lost = new or not _is_same(path, content)
            if lost:
                write_whole(path, content)
            if lost or not begun:
                self.begun.append(Path(path))
        lost = new or found_mark(self.target) is None
        if lost:
            root = group_metadata({**attributes(self.plan.space, "run"), MARK: json.dumps(self.mark)})
            write_whole(self.target / METADATA, json_content(root))
        if lost or not begun:
            self.begun.append(self.target / METADATA)

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
        """Write pieces here or on workers, and yield the bytes of each when it is done.

        Here, the disk is waited for beside the next figures, by one thread that writes everything in its order.
        """
        if client is not None:
            from rfscale.sweeps.runs.store.dask_workers import write_pieces

            settle(self.begun)
            yield from write_pieces(client, self.plan, pieces)
            return
        with ThreadPoolExecutor(numba.get_num_threads()) as pool, ThreadPoolExecutor(1) as writer:
            running: Future[int] | None = None
            first = writer.submit(settle, self.begun)
            for piece in pieces:
                files = self.plan.files(piece, pool.map)
                first.result()  # raises what went wrong: nothing more is written then
                if running is not None:
                    yield running.result()
                running = writer.submit(self.plan.put, piece, files)
            first.result()
            if running is not None:
                yield running.result()

    def failure(self, error: OSError) -> InputError:
        """Return the error for the user when writing fails."""
        stored = f"{len(self.done())} of {self.plan.blocks} blocks are stored"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return InputError(
                f"the disk of {self.target} is full; {stored}: make room, and go on with the same command"
            )
        return InputError(f"cannot write {self.target}: {error.strerror or error}; {stored}")


def _is_same(path: str, content: bytes) -> bool:
    """Whether a file has a content; attributes of arrays and groups are the user's to change."""
    try:
        found = Path(path).read_bytes()
        if os.path.basename(path) != METADATA:
            return found == content
        return {**json.loads(found), "attributes": {}} == {**json.loads(content), "attributes": {}}
    except (OSError, ValueError, TypeError):
        return False


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
