"""How many footprints each pixel of the image is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Unpack

import numpy as np

from rfscale.engine.columns import pixel_grid
from rfscale.engine.errors import INPUT_SIZE, InputError
from rfscale.engine.footprints.forward import Route, Trace, kept_trace
from rfscale.engine.footprints.map_figures import united
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.plan import attributes
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import COVERAGE, annotate_array

if TYPE_CHECKING:
    import xarray as xr

MAX_PAIRS = 1 << 26  # of pixels and entries along one axis, where several products are united


def coverage_counts(traced: Trace, index: int) -> np.ndarray | None:
    """How many footprints of a layer each pixel is in; None where they are no small union of products."""
    size, route = traced.plan.input_size, traced.route(index)
    assert size is not None
    if route is Route.GRIDS:
        return None
    terms = traced.products(index)
    if route is Route.PRODUCT:
        return reduce(np.multiply.outer, [_times(family, n) for family, n in zip(terms[0], size, strict=True)])
    if max(n * len(f) for term in terms for f, n in zip(term, size, strict=True)) > MAX_PAIRS:
        return None
    return united([_cover([term[axis] for term in terms], n) for axis, n in enumerate(size)])


def _sets(family: Family) -> Iterator[tuple[int, np.ndarray]]:
    """First pixel and bits of each entry's set, 64 pixels to a word, none of an empty one."""
    for i in range(len(family)):
        start, words = family.row(i)
        yield start, np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")


def _times(family: Family, n: int) -> np.ndarray:
    """How many entries of a family have each pixel along one axis."""
    out = np.zeros(n + 64 * (family.words + 1), np.int64)
    for start, bits in _sets(family):
        out[start : start + len(bits)] += bits
    return out[:n]


def _cover(families: list[Family], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks of terms that occur along one axis, and for each pixel how many entries have each mask."""
    masks = np.zeros((n + 64 * (max(f.words for f in families) + 1), len(families[0])), np.uint64)
    for t, family in enumerate(families):
        for i, (start, bits) in enumerate(_sets(family)):
            masks[start : start + len(bits), i] |= bits.astype(np.uint64) << np.uint64(t)
    kinds, which = np.unique(masks[:n], return_inverse=True)
    table = np.zeros((n, len(kinds)), np.int64)
    np.add.at(table, (np.repeat(np.arange(n), masks.shape[1]), which.ravel()), 1)
    return kinds, table


def coverage(
    network: NetworkLike,
    layer: str,
    input_size: int | Sequence[int] | None = None,
    **reading: Unpack[Reading],
) -> xr.DataArray:
    """Return how many footprints of a feature map each pixel of the image is in.

    Parameters
    ----------
    network : Network, or what `load` takes
    layer : str
    input_size : int or sequence of int, optional
        By default the network's own.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.DataArray of int64
        Over the axes.

    Examples
    --------
    >>> import rfscale as rf
    >>> coverage(rf.Network.sequential({"kernel": 2, "stride": 3}, axes=1), "conv1", 8).values.tolist()
    [1, 1, 0, 1, 1, 0, 1, 1]
    """
    network = as_network(network, reading, input_size)
    size = input_size if input_size is not None else network.input_size
    if size is None:
        raise InputError(f"{network.name} carries no input_size", remedy=("give ", INPUT_SIZE))
    index = network.index(layer)
    traced = kept_trace(network, size)
    counts = coverage_counts(traced, index)
    if counts is None:
        raise InputError(
            f"the footprints of layer {layer!r} are no small union of products: coverage counts those only"
        )
    attrs = attributes(traced.plan, f"coverage {layer}")
    out = pixel_grid(counts, network.axes, (0,) * counts.ndim, "coverage", attrs)
    return annotate_array(out, COVERAGE, layer=layer)
