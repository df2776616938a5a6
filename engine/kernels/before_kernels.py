"""How much a process does without compiled code before it loads some: small questions are answered sooner without.

To import numba and to load a kernel takes 0.5 s, to compile it first 1 to 4 s; with the kernels the work itself takes
a third to a thirtieth. The answers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class BeforeKernels:
    """The work of one kind that is done without kernels.

    Attributes
    ----------
    few : int
        Work of one call that is always done without: a kernel's call would take longer.
    most : int
        Work that a process does without kernels in all, besides; then they take over.
    done : int
        What it has done.
    """

    few: int
    most: int
    done: int = 0

    def takes(self, work: int) -> bool:
        """Whether so much work is to be done without kernels; it counts as done then."""
        if work <= self.few:
            return True
        if self.done + work > self.most:
            return False
        self.done += work
        return True
