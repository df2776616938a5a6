"""U-Net, in 2-D and 3-D.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015,
Figure 1. Ö. Çiçek, A. Abdulkadir, S. S. Lienkamp, T. Brox, O. Ronneberger, "3D U-Net: Learning Dense Volumetric
Segmentation from Sparse Annotation", MICCAI 2016, Figure 2.

Layers: `down1.conv1`, `down1.conv2`, `pool1`, …, `bottom.conv1`, `bottom.conv2`, then from the deepest level upwards
`up4`, `crop4`, `cat4`, `up4.conv1`, `up4.conv2`, …, and `output`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.network.spec import whole

CITATION = "Ronneberger, Fischer, Brox, U-Net, MICCAI 2015, Figure 1"
CITATION_3D = "Çiçek et al., 3D U-Net, MICCAI 2016, Figure 2"
LEVELS = 4
LEVELS_3D = 3
SMALLEST = 8  # entries of the deepest pool without which an unpadded network has nothing left at its end


def unet(
    *,
    padded: bool = False,
    width: int = 64,
    classes: int = 2,
    input_channels: int = 1,
    input_size: int | tuple[int, ...] | None = None,
) -> Network:
    """Return U-Net, unpadded with cropped shortcuts as published, or padded.

    Parameters
    ----------
    padded : bool
        Pad each 3×3 so that maps keep their size and nothing is cropped, the form that most libraries have.
    width : int
        Channels of the first level; each further level has twice as many.
    classes : int
    input_channels : int
    input_size : int or tuple of int, optional
        Unpadded 60 + 16·m pixels per axis with m ≥ 8 (572 by default), padded a multiple of 16 (512 by default), so
        that each pool halves an even map.

    Examples
    --------
    >>> unet().map_sizes()["output"]
    (388, 388)
    """
    size = _checked(input_size or (512 if padded else 572), 2, LEVELS, padded)
    widths = [whole(width, "width") << level for level in range(LEVELS + 1)]
    b = NetworkBuilder("unet-padded" if padded else "unet", input_size=size, input_channels=input_channels)
    pairs = [(w, w) for w in widths]
    return _unet(b, pairs, rising=widths[:-1], bias=True, padded=padded, classes=classes)


def unet3d(
    *,
    padded: bool = False,
    width: int = 32,
    classes: int = 3,
    input_channels: int = 3,
    input_size: int | tuple[int, ...] | None = None,
) -> Network:
    """Return the 3-D U-Net, unpadded with cropped shortcuts as published, or padded.

    Parameters
    ----------
    padded : bool
        As in `unet`.
    width : int
        Channels of the first layer; they double before each pool.
    classes : int
    input_channels : int
    input_size : int or tuple of int, optional
        As z, y, x. Unpadded 28 + 8·m pixels per axis with m ≥ 8 (116, 132, 132 by default), padded a multiple of 8
        (128 by default).

    Examples
    --------
    >>> unet3d().map_sizes()["output"]
    (28, 44, 44)
    """
    size = _checked(input_size or ((128,) * 3 if padded else (116, 132, 132)), 3, LEVELS_3D, padded)
    widths = [whole(width, "width") << level for level in range(LEVELS_3D + 2)]
    b = NetworkBuilder("unet3d-padded" if padded else "unet3d", input_size=size, input_channels=input_channels)
    pairs = list(pairwise(widths))
    return _unet(b, pairs, rising=widths[2:], bias=False, padded=padded, classes=classes)


def _checked(size: int | Sequence[int], ndim: int, levels: int, padded: bool) -> Size:
    """Return an input size of which each pool meets an even map, or raise InputError."""
    pixels = check_size(size, ndim)
    step, rest, fewest = 2**levels, 0 if padded else 4 * (2**levels - 1), 1 if padded else SMALLEST
    if any((n - rest) % step or n < rest + step * fewest for n in pixels):
        need = f"{step}·m" if padded else f"{rest} + {step}·m pixels per axis, m ≥ {fewest}"
        near = [rest + step * max(fewest, round((n - rest) / step)) for n in pixels]
        raise InputError(f"input_size is {shown(size)}, but this network needs {need}; the nearest is {near}")
    return pixels


def _unet(
    b: NetworkBuilder,
    pairs: Sequence[tuple[int, int]],
    *,
    rising: Sequence[int],
    bias: bool,
    padded: bool,
    classes: int,
) -> Network:
    """Return the network.

    Parameters
    ----------
    pairs : sequence of (int, int)
        Channels of the two 3×3 of each level on the way down, the bottom last.
    rising : sequence of int
        Channels of the transposed layer that leads up to each level.
    bias : bool
        Of the transposed layers; without it the 3-D network has the number of parameters that its paper gives.
    """
    levels = len(pairs) - 1
    padding = 1 if padded else 0

    def pair(name: str, *channels: int) -> str:
        for i, width in enumerate(channels, start=1):
            b.conv(f"{name}.conv{i}", kernel=3, padding=padding, channels=width)
        return b.last

    for level in range(1, levels + 1):
        pair(f"down{level}", *pairs[level - 1])
        b.max_pool(f"pool{level}", kernel=2, stride=2)
    pair("bottom", *pairs[levels])
    lost = 4  # entries per side by which the shortcut is wider than the map from below
    for level in range(levels, 0, -1):
        risen = b.conv_transpose(f"up{level}", kernel=2, stride=2, channels=rising[level - 1], bias=bias)
        shortcut = f"down{level}.conv2"
        if not padded:
            shortcut = b.crop(f"crop{level}", amount=lost, inputs=shortcut)
        b.concat(f"cat{level}", inputs=[shortcut, risen])
        pair(f"up{level}", *(pairs[level - 1][1],) * 2)
        lost = 2 * lost + 8
    b.conv("output", kernel=1, channels=classes)
    return b.build()
