"""`rf.validate`: the analytic formulas against the exact figures, for one network or for all of a space.

Formulas are those of `rf.FORMULAS`: `published`, `closed_form` (continued where its domain ends, to show what it
costs), and `interval`, the bounding box taken for the footprint. The error of an area is relative, that of an overlap
the difference, since an overlap is a share already and may be 0. An error of at most 1e-9 is rounding, and exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.sweeps.machine import memory_limit
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.spaces.load import find_space
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.validation.own_formulas import own_formulas
from rfscale.sweeps.validation.walk_space import Progress

if TYPE_CHECKING:
    import xarray as xr


def validate(
    what: Space | NetworkLike,
    *,
    random: int | None = None,
    seed: int = 0,
    worst: int = 5,
    formulas: Mapping[str, Any] | None = None,
    memory: int = MEMORY,
    progress: Progress | None = None,
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return the errors of the analytic formulas against the exact figures.

    Parameters
    ----------
    what : Space or Network, or what makes one
        A space is validated as a whole, or by a random sample. `chains` makes spaces of all chains of a range. Also the
        file or spec dict of a space, "package.module:name" of one, and whatever `load` takes.
    random : int, optional
        Number of architectures of a space to draw, uniformly and with replacement, instead of all. Spaces whose cells
        are known by their effects (more than 2^20 choices) are judged by a sample only.
    seed : int
        Of the sample.
    worst : int
        Of a space: how many of the worst maps to give, per formula and figure, each of another kind of layer or
        overlap.
    formulas : mapping, optional
        Formulas of your own, by name: functions, of Python or numba, from what is before a layer to what is after it.
        They follow ``S`` and ``P``, the area in pixels and the overlap, or ``extent`` and ``jump`` of one axis, and
        return the same two numbers; a layer's parameters are ``kernel, stride, dilation, op``. A function takes of
        these those that it names. A value may be a pair as well: the function, and one of the same parameters that says
        whether they are in its domain; without it, the domain is where there is a value that is not nan.
    memory : int
        Bytes that the states may take; beyond, architectures are enumerated one by one.
    progress : callable, optional
        Called with how much is done, and out of how much.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Of a network, over (layer, formula): values, errors and domain, see `rfscale.sweeps.validation.network`. Of a
        space, over (stage, kind, overlap_bin, formula, figure): numbers of maps and errors, see
        `rfscale.sweeps.validation.space`; a map is the output of a stage of one architecture, one for each choice of
        all stages so far. Figures are area and overlap; where windows differ between axes, the overlap along each, and
        `overlap_bin`, of the map that the stage reads, is that of the smallest.

    Raises
    ------
    InputError
        For what is neither, and for a sample of less than one.

    Examples
    --------
    >>> from rfscale import chains
    >>> report = validate(chains(kernel=[2, 3], stride=[1, 2], depth=3))
    >>> report.maps.sum().item(), report.inexact.sel(formula="closed_form").sum().item()
    (84, 0)
    >>> report = validate(chains(kernel=3, depth=3), formulas={"thirds": lambda S, P: (9 * S, P / 3)})
    >>> report.inexact.sel(formula="thirds", figure="area").sum("kind").sum("overlap_bin").values.tolist()
    [0, 1, 1]
    """
    own = own_formulas(formulas)
    subject = _subject(what, reading)
    if isinstance(subject, Network):
        from rfscale.sweeps.validation.network import validate_network

        if random is not None:
            raise InputError("random is for spaces; a network is validated as a whole")
        return validate_network(subject, own)
    whole(worst, "worst", 0, 1000)
    from rfscale.sweeps.validation.space import collect

    if random is not None:
        if own:
            raise InputError("formulas are judged on all of a space, random on some; leave one of them out")
        whole(random, "random", 1, 10**12)
        whole(seed, "seed", 0, 2**63)
    return collect(subject, random, seed, worst, memory_limit(memory), progress, own)


def _subject(what: Any, reading: Mapping[str, Any]) -> Space | Network:
    """The space or network that `validate` was given."""
    if isinstance(what, str | PathLike):
        found = find_space(str(what), [Parameter(key) for key in reading])
    else:
        found = Space.from_dict(what) if isinstance(what, Mapping) and "stages" in what else what
    if isinstance(found, Space):
        for key in reading:
            raise InputError(f"{shown(what)} is a space", remedy=(Parameter(key), " goes with networks"))
        return found
    if isinstance(found, NetworkSpace):
        raise InputError(f"what is {shown(found)}; it must be an rf.Space or an rf.Network")
    return as_network(what, reading)
