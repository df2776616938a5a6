"""The jit options of every kernel, and the bit intrinsics.

numba's cache does not watch this file: delete `__pycache__` after a change here.
"""

from __future__ import annotations

from collections.abc import Callable
from linecache import getlines
from typing import Any
from zlib import crc32

import numba
from numba.core import types
from numba.extending import intrinsic

from rfscale.engine.kernels.jit_cache import kernel_cache

JIT_DISABLED = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]  # kernels as plain Python: coverage, debugging


def jit_with(**options: Any) -> Callable[..., Any]:
    """Return a decorator that compiles a kernel without the GIL, with further options of numba, and caches it."""
    compiled = numba.njit(nogil=True, **options)

    def decorated(function: Callable[..., Any]) -> Any:
        dispatcher = compiled(function)
        if not JIT_DISABLED:
            dispatcher._cache = kernel_cache(function)
        return dispatcher

    return decorated


def inner_with(**options: Any) -> Callable[..., Any]:
    """Return a decorator for functions that only kernels call, and Python never does.

    They are compiled with the kernel that calls them, without a way in from Python, and kept with it: in three
    quarters of the time.
    """
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(nogil=True, **options)


jit = jit_with()
inline = jit_with(inline="always")


def source_version(file: str, module: dict[str, Any]) -> int:
    """Return a number of a module's source, from its `__file__` and `globals()`.

    numba's cache watches only a kernel's own file. A kernel that inlines functions of another file has that file's
    number as the default of its last parameter: defaults are part of the signature, and so of the cache's key.
    """
    return crc32("".join(getlines(file, module)).encode())


if JIT_DISABLED:

    def popcount(word: Any) -> Any:
        """Number of set bits of a uint64."""
        return int(word).bit_count()

    def lowest_bit(word: Any) -> Any:
        """Index of the lowest set bit of a uint64 that is not 0."""
        return (int(word) & -int(word)).bit_length() - 1

else:

    @intrinsic
    def popcount(typing: Any, word: Any) -> Any:
        """Number of set bits of a uint64."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.ctpop(args[0])

        return types.uint64(types.uint64), codegen

    @intrinsic
    def lowest_bit(typing: Any, word: Any) -> Any:
        """Index of the lowest set bit of a uint64 that is not 0."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], context.get_constant(types.boolean, True))

        return types.uint64(types.uint64), codegen
