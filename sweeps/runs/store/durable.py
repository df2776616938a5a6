"""Files that have reached the disk itself: what a loss of power must not take."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

THREADS = 16  # a disk takes many files in the time of a few
# of file systems that Linux writes whole with all their names, at one wait for the disk; others are not known to do so
WHOLE = ("ext3", "ext4", "xfs")
FEW = 4  # files and folders that are written one by one: a whole file system takes as long
MAX_WAITING = 64 << 20  # bytes of all processes: with more that is not on the disk, files are written one by one


def settle(files: Iterable[Path]) -> None:
    """Write files, and their names in their folders, to the disk.

    Many small files take 10 times as long as all that waits for their file system, since each has a wait of its own.
    """
    files = set(files)
    folders = {file.parent for file in files}
    paths = files | folders
    if len(paths) > FEW and all(map(_is_whole, folders)) and _waiting() <= MAX_WAITING:
        one = {os.stat(folder).st_dev: folder for folder in folders}
        if all(map(sync_whole, one.values())):
            return
    with ThreadPoolExecutor(THREADS) as pool:
        deque(pool.map(_sync, paths), maxlen=0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_whole(folder: Path) -> bool:
    """Write the whole file system of a folder; return False where that cannot be done."""
    sync = _syncfs()
    if sync is None:
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        return bool(sync(handle) == 0)
    finally:
        os.close(handle)


@lru_cache(maxsize=1)
def _syncfs() -> Any:
    with suppress(OSError, AttributeError, TypeError):  # not Linux
        return ctypes.CDLL(None).syncfs
    return None


def _is_whole(folder: Path) -> bool:
    """Whether a folder is on a file system of `WHOLE`."""
    return kind_of(os.stat(folder).st_dev) in WHOLE


@lru_cache(maxsize=16)
def kind_of(device: int) -> str:
    """Return the kind of a file system, "" where it is not known."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            mounted, _, about = line.partition(" - ")
            if mounted.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                return about.split()[0]
    return ""


def _waiting() -> float:
    """Return the bytes of all processes that wait to be written, infinite where that is not known."""
    with suppress(OSError, ValueError, KeyError):
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024 * sum(int(rows[name].split()[0]) for name in ("Dirty", "Writeback"))
    return float("inf")
