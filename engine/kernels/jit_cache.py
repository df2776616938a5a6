"""The cache of compiled kernels: one that may be damaged, or may have no place at all, without stopping anything.

numba's own cache raises an error in both cases. Here a file carries a digest of its content: what does not fit it is
compiled again and replaced. Machine code must be whole before it is loaded, no exception is raised by running it.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.serialize import dumps

DIGEST_BYTES = 16
UNCACHED = (
    "rfscale: compiled kernels cannot be kept ({}), so that every process compiles its own, which takes some seconds; "
    "set NUMBA_CACHE_DIR to a folder that can be written to"
)

_notes: set[str] = set()


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
        impl = self._impl
        self._cache_file = CheckedFiles(self.cache_path, impl.filename_base, impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whole, but of other code than this
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            note_uncached(error.strerror or str(error))


class NoCache(NullCache):
    """Keeps nothing, and says so at the first kernel that is compiled."""

    def save_overload(self, sig: Any, cres: Any) -> None:
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
