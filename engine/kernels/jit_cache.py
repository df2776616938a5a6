"""The cache of compiled kernels: one that may be damaged, or may have no place at all, without stopping anything.

numba's own cache raises an error in both cases. Here a file carries a digest of its content: what does not fit it is
compiled again and replaced. Machine code must be whole before it is loaded, no exception is raised by running it.
"""

from __future__ import annotations

import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from os.path import exists
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.serialize import dumps

DIGEST_BYTES = 16
UNCACHED = (
    "rfscale: compiled kernels cannot be kept ({}), so that every process compiles its own, which takes some seconds; "
    "set NUMBA_CACHE_DIR to a folder that can be written to"
)

SECONDS_BEFORE_SAID = 1.0  # of compiling, in all, before a person is told what the process does
ONCE = "rfscale: compiling, once for this installation: some seconds (`rfscale warm` does all of it in advance)"

_notes: set[str] = set()


class Compilation:
    """What this process has compiled; a person who waits for it is told once, on a terminal or in a notebook.

    Attributes
    ----------
    kernels : int
        How many were compiled.
    seconds : float
        How long that took.
    """

    def __init__(self) -> None:
        self.kernels, self.seconds = 0, 0.0
        self._depth, self._start, self._said = 0, 0.0, False
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """A kernel was not found and is compiled now; those that it calls are compiled meanwhile."""
        self._depth += 1
        if self._depth > 1:
            return
        self._start = time.perf_counter()
        if not self._said and _a_person_waits():
            self._timer = threading.Timer(max(0.0, SECONDS_BEFORE_SAID - self.seconds), self._say)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """It is done."""
        self.kernels += 1
        self._depth = max(0, self._depth - 1)
        if self._depth:
            return
        self.seconds += time.perf_counter() - self._start
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _say(self) -> None:
        self._said = True
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # a progress bar may stand in this line
        with suppress(OSError, ValueError):
            print(f"{clear}{ONCE}", file=sys.stderr, flush=True)


def _a_person_waits() -> bool:
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)


COMPILATION = Compilation()


def kernel_cache(function: Callable[..., Any]) -> Any:
    """Return the cache of one kernel, which keeps nothing where no folder can be written to."""
    try:
        return KernelCache(function)
    except (OSError, RuntimeError):  # numba: no locator available
        return NoCache()


class KernelCache(FunctionCache):
    """numba's cache of one function, in files that are checked; files that cannot be used count as missing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._kept = False
        impl = self._impl
        self._cache_file = CheckedFiles(self.cache_path, impl.filename_base, impl.locator.get_source_stamp())

    def has_code(self) -> bool:
        """Whether an earlier process has kept code of this function, of any version."""
        self._kept = self._kept or exists(self._cache_file._index_path)  # asked for each stage: 10 µs
        return self._kept

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # whole, but of other code than this
            found = None
        if found is None:
            COMPILATION.begin()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        COMPILATION.end()
        try:
            super().save_overload(sig, data)
        except OSError as error:
            note_uncached(error.strerror or str(error))


class NoCache(NullCache):
    """Keeps nothing, and says so at the first kernel that is compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        COMPILATION.begin()

    def save_overload(self, sig: Any, cres: Any) -> None:
        COMPILATION.end()
        note_uncached("no folder for them can be written to")


class CheckedFiles(IndexDataCacheFile):
    """The index of a function and its machine code; each file begins with the digest of the rest."""

    def _load_index(self) -> dict[Any, str]:
        try:
            version, content = pickle.loads(_read(self._index_path))
            stamp, overloads = pickle.loads(content) if version == self._version else (None, {})
        except Exception:  # a pickle may raise anything
            return {}
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        content = dumps((self._source_stamp, overloads))
        self._write(self._index_path, pickle.dumps((self._version, content)))

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_read(self._data_path(name)))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), dumps(data))

    def _write(self, path: str, content: bytes) -> None:
        with self._open_for_write(path) as file:
            file.write(_digest(content) + content)


def note_uncached(reason: str) -> None:
    """Say once that kernels are compiled in every process."""
    if not _notes and sys.stderr is not None:
        _notes.add(reason)
        with suppress(OSError, ValueError):  # a stderr that is closed or full
            print(UNCACHED.format(reason), file=sys.stderr, flush=True)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def _read(path: str) -> bytes:
    """Return the content of a file, or raise an OSError where it is damaged: numba then takes it as missing."""
    with open(path, "rb") as file:
        content = file.read()
    if _digest(content[DIGEST_BYTES:]) != content[:DIGEST_BYTES]:
        raise OSError(f"{path} is damaged")
    return content[DIGEST_BYTES:]
