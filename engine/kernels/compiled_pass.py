"""The pass of `solid_pass` as compiled code. Its functions all stand in that file, which numba's cache watches."""

from __future__ import annotations

from numba.extending import register_jitable

from rfscale.engine.kernels.jit import jit
from rfscale.engine.kernels.solid_pass import (
    after_merge,
    after_window,
    closed,
    container,
    contains,
    first_of,
    last_of,
    reaches_inside,
    touches,
    windowed,
)
from rfscale.engine.kernels.solid_pass import follow as plain_follow
from rfscale.engine.kernels.solid_pass import list_sets as plain_list_sets

SETS = (first_of, last_of, touches, closed, windowed, reaches_inside, contains)
NODES = (container, after_merge, after_window)
for part in (*SETS, *NODES):
    register_jitable(part)

follow = jit(plain_follow)
list_sets = jit(plain_list_sets)
