"""Dilation of bit-packed grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Case, Contender, case, sized


def _moved(words: np.ndarray, offset: int) -> np.ndarray:
    """Rows of bit-packed words moved up (down if negative) by whole and part words."""
    q, s = divmod(abs(offset), 64)
    out = np.zeros_like(words)
    if offset >= 0:
        out[:, q:] = words[:, : words.shape[1] - q] << np.uint64(s)
        if s:
            out[:, q + 1 :] |= words[:, : words.shape[1] - q - 1] >> np.uint64(64 - s)
    else:
        out[:, : words.shape[1] - q] = words[:, q:] >> np.uint64(s)
        if s:
            out[:, : words.shape[1] - q - 1] |= words[:, q + 1 :] << np.uint64(64 - s)
    return out


def numpy_dilation(words: np.ndarray, offsets: list[int]) -> np.ndarray:
    """Dilation of bit-packed rows by symmetric, evenly spaced offsets on both axes, in passes as ours."""
    step, reach = (offsets[1] - offsets[0], len(offsets) // 2) if len(offsets) > 1 else (1, 0)
    covered = 0
    while covered < reach:  # each pass doubles what is covered, and reads nothing beyond the border
        more = min(covered + 1, reach - covered)
        words = words | _moved(words, more * step) | _moved(words, -more * step)
        covered += more
    covered = 0
    while covered < reach:
        more = min(covered + 1, reach - covered)
        out, rows = words.copy(), more * step
        out[rows:] |= words[:-rows]
        out[:-rows] |= words[rows:]
        words = out
        covered += more
    return words


def _dilation_case(name: str, offsets: np.ndarray, readme: bool = False) -> Case:
    """Dilation of a size × size grid: ours bit-packed, theirs as they take it; packing is not timed."""
    import cv2
    from scipy import ndimage

    from rfscale.engine.kernels import dilation, grids

    size = sized(1024, 256)
    cv2.setNumThreads(1)  # ours has one thread
    image = np.random.default_rng(0).random((size, size)) < 0.01
    packed, bytes_ = grids.pack(image[None]), image.astype(np.uint8)
    side = int(offsets[-1])
    element = np.zeros((2 * side + 1, 2 * side + 1), np.uint8)
    element[np.ix_(offsets + side, offsets + side)] = 1
    zero = np.zeros(1, np.int64)

    def ours() -> Any:
        return dilation.dilate(packed, size, zero, offsets, offsets)

    def opencv() -> Any:
        return cv2.dilate(bytes_, element, borderType=cv2.BORDER_CONSTANT, borderValue=0)

    def by_numpy() -> Any:
        return numpy_dilation(packed[0], offsets.tolist())

    def scipy() -> Any:
        return ndimage.binary_dilation(image, element)

    def check(answer: Any) -> None:
        expected = opencv().astype(bool)
        np.testing.assert_array_equal(grids.unpack(answer, size)[0], expected)
        np.testing.assert_array_equal(grids.unpack(by_numpy()[None], size)[0], expected)
        np.testing.assert_array_equal(scipy(), expected)

    others = {
        "OpenCV dilate": Contender(opencv, aim=5, readme=readme),
        "numpy on the same bits": Contender(by_numpy, note="the same passes"),
        "scipy binary_dilation": Contender(scipy, rounds=3),
    }
    return Case(f"grid dilation, {name}, {size}², one thread", Contender(ours), check, others)


@case
def dilation_3() -> Case:
    return _dilation_case("3×3", np.arange(-1, 2), readme=True)


@case
def dilation_5() -> Case:
    return _dilation_case("5×5", np.arange(-2, 3))


@case
def dilation_15() -> Case:
    return _dilation_case("15×15", np.arange(-7, 8))


@case
def dilation_31() -> Case:
    return _dilation_case("31×31", np.arange(-15, 16), readme=True)


@case
def dilation_holes() -> Case:
    return _dilation_case("3×3 of dilation 4", np.arange(-4, 5, 4))
