"""A kernel as Python runs it: for so little work that to compile, or to load, would take longer."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from rfscale.engine.kernels.jit import JIT_DISABLED, lowest_bit, popcount


@dataclass
class Sooner:
    """How much of one kind of work a process does without compiled code, in all, by where there is such code.

    Attributes
    ----------
    kept : int
        Work up to which it does so where the code need only be loaded, since an earlier process has kept it.
    most : int
        Work up to which it does so where the code would have to be compiled.
    loaded : int
        The same where the code is there already: for tests.
    done : int
        What it has done.
    """

    kept: int
    most: int
    loaded: int = 0
    done: int = 0

    def takes(self, kernel: Any, work: float) -> bool:
        """Whether so much work is done sooner without a kernel; it counts as done then."""
        taken = self.would_take(kernel, work)
        self.done += int(work) if taken else 0
        return taken

    def would_take(self, kernel: Any, work: float) -> bool:
        """Whether it would take so much work, which is not counted."""
        return self.done + work <= self._limit(kernel)

    def of(self, kernel: Any, work: float) -> Callable[..., Any]:
        """Return the kernel, or its function where so much work is done sooner by that."""
        return plain(kernel) if self.takes(kernel, work) else kernel

    def _limit(self, kernel: Any) -> int:
        if JIT_DISABLED or kernel.overloads:
            return self.loaded
        kept = getattr(kernel._cache, "has_code", None)
        return self.kept if kept is not None and kept() else self.most


ANSWERS = Sooner(kept=20_000, most=200_000)  # numbers that kernels/paths.py reads or compares: some 2 µs each


@cache
def plain(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a kernel, which calls the functions of other kernels: the same answer, bit by bit.

    Numbers of numpy wrap around and divide by 0 in silence, as compiled code does.
    """
    function = _plain(kernel, {})

    def quiet(*given: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*given)

    return quiet


def _plain(value: Any, known: dict[Any, Any]) -> Any:
    """A kernel as a function with globals of its own, in which kernels are such functions; other values as they are."""
    if value is popcount:
        return _popcount
    if value is lowest_bit:
        return _lowest_bit
    function = getattr(value, "py_func", None)
    if function is None:
        return value
    if function not in known:
        own: dict[str, Any] = {"__builtins__": builtins}
        known[function] = FunctionType(
            function.__code__, own, function.__name__, function.__defaults__, function.__closure__
        )
        for name in _names(function.__code__):
            if name in function.__globals__:
                own[name] = _plain(function.__globals__[name], known)
    return known[function]


def _names(code: CodeType) -> set[str]:
    """Names that a function and those inside it look up."""
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def _popcount(word: Any) -> int:
    return int(word).bit_count()


def _lowest_bit(word: Any) -> int:
    return (int(word) & -int(word)).bit_length() - 1
