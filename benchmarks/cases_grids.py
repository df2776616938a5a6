"""Dilation of bit-packed grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Case, Contender, case


def _dilation_case(name: str, offsets: np.ndarray, size: int = 1024) -> Case:
    """Dilation of a size × size grid: ours bit-packed, theirs as they take it; packing is not timed."""
    import cv2
    from scipy import ndimage

    from engine.kernels import dilation, grids

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

    def scipy() -> Any:
        return ndimage.binary_dilation(image, element)

    def check() -> None:
        expected = opencv().astype(bool)
        np.testing.assert_array_equal(grids.unpack(ours(), size)[0], expected)
        np.testing.assert_array_equal(scipy(), expected)

    others = {"OpenCV dilate": Contender(opencv), "scipy binary_dilation": Contender(scipy, rounds=3)}
    return Case(f"grid dilation, {name}, {size}², one thread", Contender(ours), others, check)


@case
def dilation_3() -> Case:
    return _dilation_case("3×3", np.arange(-1, 2))


@case
def dilation_15() -> Case:
    return _dilation_case("15×15", np.arange(-7, 8))


@case
def dilation_holes() -> Case:
    return _dilation_case("3×3 of dilation 4", np.arange(-4, 5, 4))
