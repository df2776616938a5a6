"""The document of a space for the page: its front, a uniform sample, exact numbers, and the networks of the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.analysis.explore.document import FORMAT, explorer_document
from rfscale.engine.errors import InputError
from rfscale.engine.variables import provenance
from rfscale.sweeps.answers.count import count
from rfscale.sweeps.answers.pareto import pareto
from rfscale.sweeps.answers.question import Where
from rfscale.sweeps.answers.sample import sample
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr

SAMPLE = 1500  # architectures that are drawn
MOST_FRONT = 300  # points of the front that are drawn
MOST_NETWORKS = 12  # of the front, that a click opens
BARS = 60  # of the distribution of extents


def space_document(space: Space, objectives: Sequence[str] = (), where: Where = None) -> dict[str, Any]:
    """Return what the page draws of a space: numbers, texts and lists alone, ready for JSON.

    Parameters
    ----------
    space : Space
    objectives : sequence of str
        Two of them, as for `pareto`; by default a cost where channels are known, else density, against extent.
    where : str, optional
        As for `pareto`.

    Raises
    ------
    InputError
        As `pareto`, and for another number of objectives.
    """
    extent = "extent" if space.square else f"extent_{space.axes[-1]}"
    cost = "-density" if space.channels is None else "macs" if space.input_size else "params"
    asked = tuple(objectives) or (cost, f"-{extent}")
    if len(asked) != 2:
        raise InputError(f"the page draws a front of two objectives, not {len(asked)}")
    whole = pareto(space, *asked, where=where)
    front = _thinned(whole, "rank", MOST_FRONT)
    drawn = sample(space, SAMPLE, where=where)
    numbers = [str(name) for name in drawn.data_vars if drawn[name].dims == ("sample",) and name != "index"]
    opened = _thinned(front, "rank", MOST_NETWORKS)
    networks = {str(i): _network(space, int(i)) for i in opened["index"].values.tolist()}
    satisfying = str(drawn.attrs["satisfying"])
    kept = "" if where is None else f", {satisfying} with {where}"
    summary = (
        f"{space.size} architectures{kept}. Points: {drawn.sizes['sample']} drawn uniformly; squares: "
        f"{front.sizes['rank']} of the {whole.sizes['rank']} on the front of {' and '.join(asked)}; those with a "
        "border open as a network. Axes are logarithmic; zeros have no place on them."
    )
    return {
        "format": FORMAT,
        "kind": "space",
        "name": space.name,
        "architectures": str(space.size),
        "satisfying": satisfying,
        "summary": summary,
        "where": None if where is None else str(where),
        "objectives": list(asked),
        "factors": {name: [str(v) for v in values] for name, values in space.dims.items()},
        "numbers": numbers,
        "front_size": int(whole.sizes["rank"]),
        "front": _rows(front, space, numbers),
        "sample": _rows(drawn, space, numbers),
        "extents": _distribution(count(space, extent, where=where)),
        "networks": networks,
        "verdict": [f"{space.name}: {space.size} architectures; the front of {asked[0]} and {asked[1]}"],
        "made": {"software": provenance("explore")["software"]},
    }


def _thinned(data: xr.Dataset, dim: str, most: int) -> xr.Dataset:
    """At most so many rows, evenly; the first and the last among them."""
    n = data.sizes[dim]
    return data if n <= most else data.isel({dim: np.unique(np.linspace(0, n - 1, most).round().astype(int))})


def _rows(data: xr.Dataset, space: Space, numbers: Sequence[str]) -> dict[str, Any]:
    """Columns: the index of every architecture, the place of its label in each factor, its figures."""
    labels = {}
    for name, values in space.dims.items():
        place = {str(v): i for i, v in enumerate(values)}
        labels[name] = [place[str(v)] for v in data[name].values.tolist()]
    figures = {name: [_number(v) for v in data[name].values.tolist()] for name in numbers}
    return {"index": [str(i) for i in data["index"].values.tolist()], "labels": labels, "figures": figures}


def _number(value: float) -> float | int | None:
    if value != value:
        return None
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")


def _distribution(counts: xr.DataArray) -> list[list[float]]:
    """Low, high and share of the architectures, in even steps on a log scale."""
    values = counts[counts.dims[0]].values.astype(float)
    numbers = counts.values.tolist()
    total = sum(numbers)
    edges = np.unique(np.geomspace(max(1.0, values[0]), values[-1] + 1, BARS + 1).round())
    places = np.clip(np.searchsorted(edges, values, "right") - 1, 0, max(0, len(edges) - 2)).tolist()
    held = [0] * max(1, len(edges) - 1)
    for place, number in zip(places, numbers, strict=True):
        held[place] += number
    return [[float(a), float(b), n / total] for a, b, n in zip(edges[:-1], edges[1:], held, strict=False)]


def _network(space: Space, index: int) -> dict[str, Any]:
    network = space.network(index)
    own = [network.input_size] if network.input_size else ()
    return explorer_document(network, more_sizes=own, with_objects=False)
