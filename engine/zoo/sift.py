"""The scale space of SIFT: Gaussian windows, octaves, differences of Gaussians.

D. G. Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", International Journal of Computer Vision 60(2),
2004, Section 3. Where a Gaussian window ends is our choice: at `truncate` standard deviations.
"""

from __future__ import annotations

from math import ceil, sqrt

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60(2), 2004, Section 3"


def sift(
    octaves: int = 4,
    intervals: int = 3,
    *,
    sigma: float = 1.6,
    image_sigma: float = 0.5,
    truncate: float = 3.0,
    double: bool = False,
    input_size: int | tuple[int, ...] = 512,
) -> Network:
    """Return the scale space of SIFT; its differences of Gaussians are the outputs.

    Each octave has `intervals` + 3 smoothed images (`octave0.gauss0`, …) and the differences of neighbours
    (`octave0.dog0`, …). The next octave starts from the image of twice the first blur, every second pixel of it
    (`octave1.image`).

    Parameters
    ----------
    octaves : int
        How often the image is halved, plus one.
    intervals : int
        Scales per octave (the paper's s): blur grows by 2^(1/s) from image to image.
    sigma : float
        Blur of the first image of an octave, in its own pixels.
    image_sigma : float
        Blur that the input is taken to have.
    truncate : float
        Half width of a window in standard deviations: the kernel has 2·ceil(truncate·σ) + 1 taps.
    double : bool
        Start from the image at twice its size (`octave0.image`), as the paper does for its first octave.
    input_size : int or tuple of int

    Examples
    --------
    >>> [layer.params["kernel"][0] for layer in sift(octaves=1).layers[:6]]
    [11, 9, 11, 13, 17, 21]
    """
    octaves, intervals = whole(octaves, "octaves"), whole(intervals, "intervals")
    blurs = _increments(intervals, sigma, image_sigma * (2 if double else 1))
    if not 0 < truncate <= 100:
        raise InputError(f"truncate is {shown(truncate)}; it must lie above 0 and be at most 100 standard deviations")
    b = NetworkBuilder("sift", input_size=input_size, input_channels=1)
    before = b.upsample("octave0.image", scale=2, mode="bilinear") if double else IMAGE
    outputs = []
    for octave in range(octaves):
        label = f"octave{octave}"
        if octave:
            before = b.slice(f"{label}.image", step=2, inputs=f"octave{octave - 1}.gauss{intervals}")
        for i, blur in enumerate(blurs):
            if octave and i == 0:  # the image it starts from has that blur already
                before = b.pointwise(f"{label}.gauss0", inputs=before)
                continue
            radius = ceil(truncate * blur)
            before = b.conv(
                f"{label}.gauss{i}", kernel=2 * radius + 1, padding=radius, channels=1, bias=False, inputs=before
            )
        for i in range(intervals + 2):
            outputs.append(b.add(f"{label}.dog{i}", inputs=[f"{label}.gauss{i + 1}", f"{label}.gauss{i}"]))
    return b.build(outputs=outputs)


def _increments(intervals: int, sigma: float, given: float) -> list[float]:
    """Return the standard deviation of each window of an octave, that brings one image's blur to the next one's."""
    if not 0 <= given < sigma <= 1000:
        raise InputError(
            f"sigma is {shown(sigma)}; it must lie above the blur of the image it starts from, {shown(given)}"
        )
    k = 2 ** (1 / intervals)
    return [sqrt(sigma**2 - given**2)] + [sigma * k**i * sqrt(k**2 - 1) for i in range(intervals + 2)]
