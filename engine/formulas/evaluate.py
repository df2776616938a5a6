"""Formulas over arrays of starting values, layer after layer in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.formulas.registry import PUBLISHED
from rfscale.engine.network.spec import whole

Layer = str | Sequence[int]

WINDOW = ("kernel", "stride", "dilation")
MIN_POINTS = 1 << 16  # that are worth waking threads: 50 µs of work
PARTS = 8  # for each thread, so that none waits long for the last
IN_A_ROW: dict[str, list[str]] = {"conv1": [], "conv3_pool2": ["conv3", "pool2"]}


def evaluate(
    layers: Sequence[Layer], S: Any = 1.0, P: Any = 0.0, *, out: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[Any, Any]:
    """Evaluate formulas of layers in a row over arrays, compiled, on all threads.

    Every number is read and written once however many layers there are. The formulas are those of
    `rf.FORMULAS`, to rounding.

    Parameters
    ----------
    layers : sequence
        From the first layer to the last: either names of ``FORMULAS["published"]``, such as ``["conv3", "pool2"]``,
        or windows (kernel, stride, dilation) of ``FORMULAS["closed_form"]``, such as ``[(3, 1, 2), (5, 2, 1)]``.
    S : float, array or xr.DataArray
        Of an entry's footprint in the first map: the area in pixels for published formulas, the pixels on one axis for
        windows.
    P : float, array or xr.DataArray
        Spatial overlap of that map, from 0 to 1. Both are broadcast to one another.
    out : tuple of two float64 arrays, optional
        Contiguous, of the broadcast shape, to write to: new memory takes longer to get than to fill.

    Returns
    -------
    tuple
        S and P after the last layer, float64: arrays, or DataArrays where S or P is one.

    Raises
    ------
    InputError
        If a formula is unknown, the two kinds are mixed, S and P do not fit together, or `out` does not fit them.

    Examples
    --------
    >>> import rfscale as rf
    >>> area, overlap = rf.evaluate(["conv3", "conv3", "pool2"])
    >>> round(float(area), 6), round(float(overlap), 6)
    (36.0, 0.666667)
    >>> pixels, overlap = rf.evaluate([(3, 1, 2), (3, 2, 1)])
    >>> float(pixels), round(float(overlap), 6)
    (9.0, 0.333333)
    """
    program = _compiled(layers)
    if hasattr(S, "dims") or hasattr(P, "dims"):
        import xarray as xr

        S, P = xr.broadcast(*(x if hasattr(x, "dims") else xr.DataArray(x) for x in (S, P)))
        area, overlap = _evaluated(program, S.values, P.values, out)
        return S.copy(data=area), P.copy(data=overlap)
    return _evaluated(program, S, P, out)


def _compiled(layers: Sequence[Layer]) -> np.ndarray:
    """Return the rows of the kernel: a code, and taps, stride and dilation of a window."""
    from rfscale.engine.kernels import formulas

    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise InputError(f"layers is {shown(layers)}; it must be a list such as ['conv3', 'pool2'] or [(3, 1, 2)]")
    program: list[tuple[int, int, int, int]] = []
    for layer in layers:
        if isinstance(layer, str) != isinstance(layers[0], str):
            raise InputError("layers has names and windows; published formulas take areas and windows pixels per axis")
        if not isinstance(layer, str):
            if not isinstance(layer, Sequence) or len(layer) != 3:
                raise InputError(f"layers has {shown(layer)}; a window is (kernel, stride, dilation)")
            k, s, d = (whole(v, f"layers: {name}") for v, name in zip(layer, WINDOW, strict=True))
            program.append((formulas.WINDOW, k, s, d))
        elif layer not in PUBLISHED:
            raise InputError(f"layers has {shown(layer)}, no published formula; {nearest(layer, PUBLISHED)}")
        else:
            program += [(getattr(formulas, part.upper()), 0, 0, 0) for part in IN_A_ROW.get(layer, [layer])]
    return np.array(program, np.int64).reshape(-1, 4)


def _evaluated(
    program: np.ndarray, S: Any, P: Any, out: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Check the arrays, and run the kernel."""
    from rfscale.engine.kernels import formulas

    given = [np.asarray(S), np.asarray(P)]
    for name, values in zip(("S", "P"), given, strict=True):
        if values.dtype.kind not in "fiu":
            raise InputError(f"{name} is {shown(values)}; it must be numbers")
    try:
        given = [np.asarray(v, np.float64, order="C") for v in np.broadcast_arrays(*given)]
    except ValueError:
        shapes = " and ".join(str(v.shape) for v in given)
        raise InputError(f"S and P have the shapes {shapes}, which do not broadcast") from None
    shape = given[0].shape
    if out is None:
        out = np.empty(shape), np.empty(shape)
    for a in out:
        if not isinstance(a, np.ndarray) or a.dtype != np.float64 or a.shape != shape or not a.flags.c_contiguous:
            raise InputError(f"out must be two contiguous float64 arrays of the shape {shape}")
    kernel = formulas.after_one if len(program) == 1 else formulas.after_many
    _in_threads(kernel, program, *(v.reshape(-1) for v in (*given, *out)))
    return out[0], out[1]


def _in_threads(kernel: Callable[..., object], *given: np.ndarray) -> None:
    """Run a kernel over all points, on the threads that numba has where there are many."""
    import numba

    n, threads = given[-1].size, numba.get_num_threads()
    if threads == 1 or n < MIN_POINTS:
        kernel(*given, 0, n)
        return
    from concurrent.futures import ThreadPoolExecutor

    cuts = [n * i // (PARTS * threads) for i in range(PARTS * threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda ends: kernel(*given, *ends), pairwise(cuts)))
