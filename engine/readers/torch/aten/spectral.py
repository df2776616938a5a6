"""ATen operators between signals and spectrograms: windows of the signal, a fixed number of entries apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError, length, neutral, spatial, whole_axis
from rfscale.engine.readers.tensors.operators.spatial_ops import narrow, pad_dim, whole_dim
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, axis_values
from rfscale.engine.readers.torch.registry import aten


def _support(window: Any, frame: int, width: int) -> tuple[int, int]:
    """First entry of a frame whose weight is not zero, and how many up to the last: a shorter window is centred."""
    first, last = 0, width
    if isinstance(window, Tracked):
        raise UnreadableError("its window depends on the image")
    if isinstance(window, Constant) and window.value is not None:
        at = np.flatnonzero(window.value)
        if not len(at):
            raise UnreadableError("its window is zero")
        first, last = int(at[0]), int(at[-1]) + 1
    return (frame - width) // 2 + first, last - first


@aten("stft")
def _spectrogram(
    k: Tracker, x: Tracked, frame: int, hop: int | None = None, width: int | None = None, window: Any = None,
    *rest: Any, **named: Any,
) -> Tracked:  # fmt: skip
    """Each frame as a window; padding at the ends, where torch does it in the operator, comes before."""
    hop, width = hop or frame // 4, width or frame
    centred = len(rest) > 1 and isinstance(rest[1], str)
    d = len(x.dims) - 1
    if not spatial(x.dims[d]):
        raise UnreadableError("it reads something other than an axis of the image as a signal")
    if rest[0] if centred else named.get("center", False):
        x = pad_dim(k, x, d, frame // 2, frame // 2, rest[1] if centred else named.get("pad_mode", "reflect"))
    lead, taps = _support(window, frame, width)
    x = narrow(k, x, d, lead, length(x.dims[d]) - (frame - lead - taps))
    x = whole_dim(k, x, d)
    axis, ndim = x.dims[d][0].axis, len(x.map)
    frames = k.shape[d + 1]
    given: dict[str, Any] = {key: axis_values([axis], [n], ndim, 1) for key, n in (("kernel", taps), ("stride", hop))}
    dims = (*x.dims[:d], neutral(k.shape[d]), whole_axis(axis, frames), *map(neutral, k.shape[d + 2 :]))
    return k.after(x, "conv", dims, **given)


@aten("istft")
def _signal(
    k: Tracker, x: Tracked, frame: int, hop: int | None = None, width: int | None = None, window: Any = None,
    center: bool = True, *_: Any, **__: Any,
) -> Tracked:  # fmt: skip
    """Frames added up where they overlap, without half a frame at either end if they are centred."""
    hop, width = hop or frame // 4, width or frame
    x = k.reduce(x, [-2])
    x = replace(x, dims=(*x.dims[:-2], x.dims[-1]))
    d = len(x.dims) - 1
    x = whole_dim(k, x, d)
    if not spatial(x.dims[d]):
        raise UnreadableError("it reads something other than an axis of the image as frames")
    lead, taps = _support(window, frame, width)
    axis, ndim, count = x.dims[d][0].axis, len(x.map), length(x.dims[d])
    given: dict[str, Any] = {key: axis_values([axis], [n], ndim, 1) for key, n in (("kernel", taps), ("stride", hop))}
    out = k.after(x, "conv_transpose", (*x.dims[:d], whole_axis(axis, (count - 1) * hop + taps)), **given)
    start = frame // 2 if center else 0
    return pad_dim(k, out, d, lead - start, k.shape[d] - (length(out.dims[d]) + lead - start))
