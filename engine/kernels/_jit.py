"""The jit options of every kernel, and the intrinsics: bits, and stores that go past the cache.

A line of an array that is larger than the cache is read from memory before it is written, only to be written over;
stores marked as non-temporal leave the reading out.

numba's cache does not watch this file: delete `__pycache__` after a change here.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.core import types
from numba.extending import intrinsic

jit = numba.njit(cache=True, nogil=True)
inline = numba.njit(cache=True, nogil=True, inline="always")
WIDTH = 4  # doubles that one store past the cache writes: 32 bytes


if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # kernels as plain Python, for coverage and debugging

    def popcount(word: Any) -> Any:
        """Number of set bits of a uint64."""
        return int(word).bit_count()

    def lowest_bit(word: Any) -> Any:
        """Index of the lowest set bit of a uint64 that is not 0."""
        return (int(word) & -int(word)).bit_length() - 1

    def store_past_cache(target: Any, i: Any, source: Any, j: Any) -> None:
        """Write source[j : j + 4] to target[i : i + 4], contiguous float64; target[i] begins on a multiple of 32."""
        target[i : i + WIDTH] = source[j : j + WIDTH]

    def fence() -> None:
        """Wait until others see what this thread has stored: stores past the cache come late."""

else:
    from llvmlite import ir

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

    @intrinsic
    def store_past_cache(typing: Any, target: Any, i: Any, source: Any, j: Any) -> Any:
        """Write source[j : j + 4] to target[i : i + 4], contiguous float64; target[i] begins on a multiple of 32."""
        four = ir.VectorType(ir.DoubleType(), WIDTH).as_pointer()

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def pointer(k: int) -> Any:
                array = context.make_array(signature.args[k])(context, builder, args[k])
                return builder.bitcast(builder.gep(array.data, [args[k + 1]]), four)

            store = builder.store(builder.load(pointer(2), align=8), pointer(0), align=8 * WIDTH)
            one = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
            store.set_metadata("nontemporal", one)
            return context.get_dummy_value()

        return types.void(target, types.intp, source, types.intp), codegen

    @intrinsic
    def fence(typing: Any) -> Any:
        """Wait until others see what this thread has stored: stores past the cache come late."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), codegen
