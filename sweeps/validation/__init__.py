"""`sweeps.validate`: the analytic formulas against the exact figures, for one network or for all of a space.

Formulas are those of `engine.FORMULAS`: `published`, `closed_form` (continued where its domain ends, to show what it
costs), and `interval`, the bounding box taken for the footprint. The error of an area is relative, that of an overlap
the difference, since an overlap is a share already and may be 0. An error of at most 1e-9 is rounding, and exact.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError, shown
from engine.network import Network
from engine.spec import listed, whole
from sweeps.spaces.space import Space
from sweeps.states.blocks import MEMORY
from sweeps.validation.states import Progress

if TYPE_CHECKING:
    import xarray as xr

FORMULAS, FIGURES = ("published", "closed_form", "interval"), ("area", "overlap")


def validate(
    what: Space | Network,
    *,
    random: int | None = None,
    seed: int = 0,
    worst: int = 5,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the errors of the analytic formulas against the exact figures.

    Parameters
    ----------
    what : Space or Network
        A space is validated as a whole, or by a random sample. `chains` makes spaces of all chains of a range.
    random : int, optional
        Number of architectures of a space to draw, uniformly and with replacement, instead of all.
    seed : int
        Of the sample.
    worst : int
        Of a space: how many of the worst maps to give, per formula and figure, each of another kind of layer or
        overlap.
    memory : int
        Bytes that the states may take; beyond, architectures are enumerated one by one.
    progress : callable, optional
        Called with how much is done, and out of how much.

    Returns
    -------
    xr.Dataset
        Of a network, over (layer, formula): values, errors and domain, see `sweeps.validation.network`. Of a space,
        over (stage, kind, overlap_bin, formula, figure): numbers of maps and errors, see `sweeps.validation.tables`; a
        map is the output of a stage of one architecture, all stages so far told apart. Figures are area and overlap;
        where windows differ between axes, the overlap along each, and `overlap_bin` is that of the smallest.

    Raises
    ------
    InputError
        For what is neither, and for a sample of less than one.

    Examples
    --------
    >>> report = validate(chains(kernel=[2, 3], stride=[1, 2], depth=3))
    >>> report.maps.sum().item(), report.inexact.sel(formula="closed_form").sum().item()
    (84, 0)
    """
    if isinstance(what, Network):
        from sweeps.validation.network import validate_network

        if random is not None:
            raise InputError("random is for spaces; a network is validated as a whole")
        return validate_network(what)
    if not isinstance(what, Space):
        raise InputError(f"what is {shown(what)}; it must be a sweeps.Space or an engine.Network")
    whole(worst, "worst", 0, 1000)
    from sweeps.validation.tables import collect

    if random is not None:
        whole(random, "random", 1, 10**12)
        whole(seed, "seed", 0, 2**63)
    return collect(what, random, seed, worst, memory, progress)


def chains(
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    depth: int = 4,
    name: str | None = None,
) -> Space:
    """Return the space of all chains of `depth` layers, each with a kernel, a stride and a dilation of those given.

    Examples
    --------
    >>> chains(kernel=range(1, 8), stride=range(1, 5), depth=6).size
    481890304
    """
    whole(depth, "depth", 1, 60)
    lists: dict[str, Any] = {}
    for key, given in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        values = list(given) if isinstance(given, range) else listed(given) or [given]
        lists[key] = [whole(v, key) for v in values]
    text = " ".join(f"{k[0]}{_span(v)}" for k, v in lists.items())
    stage = {k: v if len(v) > 1 else v[0] for k, v in lists.items()}
    spec = {"name": name or f"chains {text}", "stages": [{"name": f"layer{i}", **stage} for i in range(1, depth + 1)]}
    return Space.from_dict(spec)


def _span(values: Sequence[int]) -> str:
    if len(values) > 2 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]}-{values[-1]}"
    return ",".join(map(str, values))


def replay(space: Space, path: Sequence[int], choices: Sequence[int]) -> tuple[int, Network]:
    """Return the index of an architecture that begins with some choices, and the network of its stages so far."""
    index = 0
    for stage, n in enumerate(choices):
        index = index * n + (path[stage] if stage < len(path) else 0)
    full = space.network(index)
    wanted = {f"{s.name}" for s in space.stages[: len(path)]}
    spec = full.to_dict()
    kept = [layer for layer in spec["layers"] if layer["name"].partition(".")[0] in wanted]
    spec["layers"] = kept or [{"name": "nothing", "op": "pointwise"}]
    spec["name"] = f"{space.name} {index}"
    return index, Network.from_dict(spec)


def network_text(network: Network) -> str:
    """Return a network as JSON, which `rfscale profile` reads from a file."""
    return json.dumps(network.to_dict(), default=np.ndarray.tolist)
