"""The sizes of annotated objects for the page, by rule of resize and by category, beside the levels of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.analysis.match.match import match
from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network, Size
from rfscale.engine.objects.sizes import object_sizes

if TYPE_CHECKING:
    import xarray as xr

RULES = ("none", "letterbox=640", "short=800,cap=1333")  # of resize, where none is asked for
MOST_CATEGORIES = 100  # the most frequent ones, each with a histogram


def objects_of(
    network: Network, objects: Any, resize: str | None, size: Size | None, **source: Any
) -> list[dict[str, Any]]:
    """Return, for every rule of resize, the histogram of object sizes and what the levels of a network are right for.

    Parameters
    ----------
    network : Network
        With two axes.
    objects : path, array, dataset or None
        As for `match`.
    resize : str, optional
        The one rule to take; by default some usual ones, as far as the labels say how large the images are.
    size : tuple of int or None
        As `input_size` of `match`: None for figures without borders.
    **source
        Further arguments of `object_sizes`.
    """
    ready = hasattr(objects, "data_vars")
    found: list[dict[str, Any]] = []
    for rule in [None] if ready else [resize] if resize else RULES:
        try:
            sizes = objects if ready else object_sizes(objects, rule or "none", **source)
        except InputError:
            if found:
                continue  # the labels do not say how large the images are
            raise
        found.append(_histogram(sizes) | _levels(network, sizes, rule, size))
    return found


def _histogram(sizes: xr.Dataset) -> dict[str, Any]:
    counts = sizes["size"].transpose("category", "bin").values
    order = (-counts.sum(axis=1)).argsort(kind="stable")[:MOST_CATEGORIES]
    names = sizes.category.values.tolist()
    rows = counts[order].round(2)
    return {
        "resize": str(sizes.attrs.get("resize", "none")),
        "source": str(sizes.attrs.get("source", "")),
        "attribution": str(sizes.attrs.get("attribution", "")),
        "objects": int(sizes.attrs.get("objects", 0)),
        "edges": [float(f"{e:.6g}") for e in [*sizes.bin_low.values.tolist(), *sizes.bin_high.values.tolist()[-1:]]],
        "total": _whole(counts.sum(axis=0).round(2).tolist()),
        "categories": {str(names[i]): _whole(row.tolist()) for i, row in zip(order.tolist(), rows, strict=True)},
    }


def _levels(network: Network, sizes: xr.Dataset, rule: str | None, size: Size | None) -> dict[str, Any]:
    """What `match` says of the levels; a sentence in its place where it has no answer."""
    try:
        found = match(network, sizes, resize=rule, input_size=size)
    except InputError as error:
        return {"levels": [], "questions": [], "why_none": str(error)}
    columns = {name: found[name].values.tolist() for name in ("layer", "stride", "smallest", "largest", "verdict")}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for name, row in zip(found.level.values.tolist(), rows, strict=True):
        row["name"] = name
        row["largest"] = row["largest"] if row["largest"] == row["largest"] else None
    finer = [found[f"finer_{name}"].values.tolist() for name in ("stride", "layer")]
    asked = zip(found.question.values.tolist(), found.answer.values.tolist(), found.why.values.tolist(), strict=True)
    return {
        "entries": float(found.attrs["entries"]),
        "levels": rows,
        "finer": [
            {"name": name, "stride": stride, "layer": layer}
            for name, stride, layer in zip(found.finer.values.tolist(), *finer, strict=True)
        ],
        "questions": [list(row) for row in asked],
    }


def _whole(values: Sequence[float]) -> list[float | int]:
    return [int(v) if v == int(v) else v for v in values]
