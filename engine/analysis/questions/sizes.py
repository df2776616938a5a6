"""Valid input sizes of a network: the smallest, those by which it loses nothing, and the nearest to a given one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.errors import EXAMPLE_INPUT, InputError, Parameter
from rfscale.engine.network.input_sizes import RULES, AxisSizes, Rule, input_sizes
from rfscale.engine.network.layer import Layer
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.network.spec import whole
from rfscale.engine.readers.doors import door_of
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.objects import fits_any_size
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import INPUT_SIZES, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

VERIFY = Parameter("verify")
NONE = 0  # stands for a size where there is none
NEAR = ("below", "above")
MULTIPLES = (2, 4, 8, 16, 32, 64, 128)  # of sizes that are tried where a model takes none of the nearest


def valid_sizes(
    network: NetworkLike,
    near: int | Sequence[int] | None = None,
    count: int = 6,
    *,
    verify: bool = False,
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return the input sizes that a network takes, by three rules, for all sizes there are.

    `fits`: every map has at least one entry, and maps that merge have one size. `complete`: besides, no layer leaves
    entries at the end of its map unread. `divides`: it fits, and every stride divides the map that it reads, so that
    maps are the image divided by their jump: the multiples of 32 of many backbones.

    Parameters
    ----------
    network : Network, or what `load` takes
        A model of a library is known as it was read, at one size: its own code may refuse a size that fits
        (``assert h % 32 == 0``), or take one that does not (by resizing to the size of another map). `verify` asks it.
    near : int or sequence of int, optional
        Pixels per axis: the nearest valid sizes below and above it are given too.
    count : int
        How many valid sizes to list, from the smallest on, or from `near` on.
    verify : bool
        Read the model again, which runs the code of a model of PyTorch, at the smallest sizes and at those near `near`.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (rule, axis): `smallest`; `step`, the pixels after which valid sizes repeat; `valid`, all of them in words
        (``16k + 12 from 188``); `listed` over (rule, axis, rank). With `near` also the nearest, `below` and `above`,
        and the pixels `to_add` and `to_cut` for them; where there is no such size they are 0, and these -1. With
        `verify` also `runs` over (rule, which). Axes do not depend on each other. attrs: `too_small`, what stops
        smaller sizes, per axis; `not_near`, why `near` does not fit; `refused`, what the model said of sizes that it
        does not take, and where it takes none above `near`, `takes`, one that it does; `notes`.

    Raises
    ------
    InputError
        Where the sizes repeat only after more than 131,072 pixels, and for `near` that is no size.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = rf.valid_sizes("unet", near=(500, 375))
    >>> found.valid.sel(rule="fits", axis="y").item()
    '16k + 12 from 188'
    >>> found.below.sel(rule="fits").values.tolist(), found.above.sel(rule="fits").values.tolist()
    ([492, 364], [508, 380])
    """
    import xarray as xr

    net = as_network(network, reading)
    count = whole(count, Parameter("count"), maximum=10_000)
    wanted = None if near is None else check_size(near, len(net.axes), Parameter("near"))
    rules: dict[Rule, tuple[AxisSizes, ...]] = {rule: input_sizes(net, rule) for rule in RULES}
    start = wanted or (1,) * len(net.axes)
    data: dict[str, Any] = {
        "smallest": _over_axes(rules, lambda sizes, axis: sizes.smallest),
        "step": _over_axes(rules, lambda sizes, axis: sizes.step if sizes.rests else None),
        "valid": (("rule", "axis"), np.array([[s.text for s in axes] for axes in rules.values()], object)),
        "listed": (("rule", "axis", "rank"), _listed(rules, start, count)),
        "meaning": ("rule", np.array(list(RULES.values()), object)),
    }
    if wanted is not None:
        data |= _near(rules, wanted)
    out = xr.Dataset(data, {"rule": list(RULES), "axis": list(net.axes)})
    notes = _notes(net)
    if verify:
        _verify(out, network, reading)
    elif is_model(network, net):
        notes.append(as_read(net))
    out.attrs |= provenance("valid_sizes", net, **_reasons(net, rules["fits"], wanted), notes=notes or None)
    return annotate(out, INPUT_SIZES)


def _near(rules: Mapping[Rule, Sequence[AxisSizes]], wanted: Size) -> dict[str, Any]:
    """The nearest valid sizes, and the pixels that lie between."""
    dims, below = _over_axes(rules, lambda sizes, axis: sizes.at_most(wanted[axis]))
    _, above = _over_axes(rules, lambda sizes, axis: sizes.at_least(wanted[axis]))
    return {
        "near": ("axis", np.array(wanted, np.int64)),
        "below": (dims, below),
        "above": (dims, above),
        "to_add": (dims, np.where(above == NONE, -1, above - np.array(wanted))),
        "to_cut": (dims, np.where(below == NONE, -1, np.array(wanted) - below)),
    }


def _over_axes(rules: Mapping[Rule, Sequence[AxisSizes]], ask: Any) -> tuple[tuple[str, str], np.ndarray]:
    rows = [[ask(sizes, axis) or NONE for axis, sizes in enumerate(axes)] for axes in rules.values()]
    return ("rule", "axis"), np.array(rows, np.int64)


def _listed(rules: Mapping[Rule, Sequence[AxisSizes]], start: Size, count: int) -> np.ndarray:
    rows = [[sizes.first(count, n) for sizes, n in zip(axes, start, strict=True)] for axes in rules.values()]
    return np.array([[[*row, *[NONE] * (count - len(row))] for row in axes] for axes in rows], np.int64)


# why ------------------------------------------------------------------------------------------------------------------


def _reasons(net: Network, fits: Sequence[AxisSizes], near: Size | None) -> dict[str, Any]:
    """Which layer stops the sizes below the smallest, per axis, and those asked for."""
    smallest = [sizes.smallest for sizes in fits]
    if None in smallest:
        return {"too_small": None, "not_near": refusal(net, near or net.input_size or (224,) * len(net.axes))}
    size = tuple(n or NONE for n in smallest)
    less = []
    for axis, (name, n) in enumerate(zip(net.axes, size, strict=True)):
        if n > 1:
            less.append(f"{name}: {refusal(net, (*size[:axis], n - 1, *size[axis + 1 :]))}")
    return {"too_small": less or None, "not_near": None if near is None else refusal(net, near)}


def refusal(net: Network, size: Size) -> str | None:
    """Return why a network does not take an input size, in words; None where it does."""
    try:
        sizes = net.map_sizes(size)
    except InputError as error:
        return error.reason
    own = None if net.input_size is None else net.map_sizes()
    for layer in net.layers:
        if layer.op == "linear" and own and sizes[layer.inputs[0]] != own[layer.inputs[0]]:
            has, wants = ("×".join(map(str, known[layer.inputs[0]])) for known in (sizes, own))
            return f"layer {layer.name!r} (linear) reads a map of {has} entries where it has weights for {wants}"
    return None


def _notes(net: Network) -> list[str]:
    """What the answer takes for granted."""
    notes = []
    fixed = [layer.name for layer in net.layers if _has_fixed_size(layer)]
    if fixed:
        more = f" and {len(fixed) - 3} more" if len(fixed) > 3 else ""
        notes.append(f"{', '.join(fixed[:3])}{more}: up to a fixed entry or of a fixed size, at every input size")
    if net.left_out:
        notes.append("what was left out when the model was read may refuse sizes too")
    return notes


def _has_fixed_size(layer: Layer) -> bool:
    """Whether a layer makes as many entries of any map: a model's code may have worked the number out."""
    cut = (layer.op == "crop" and layer.params["size"]) or (
        layer.op == "slice" and any((stop or 0) > 0 for stop in layer.params["stop"])
    )
    return layer.op == "resize" or bool(cut)


def is_model(network: NetworkLike, net: Network) -> bool:
    """Whether a network is a model of others, which may do otherwise at other sizes; `net` is what was read."""
    if isinstance(network, str | PathLike):
        door = door_of(str(network))
        return door.is_model and (door.kind != "python" or bool(net.modules))  # Python may make a network of rfscale
    return not isinstance(network, Network | Mapping)


def as_read(net: Network) -> str:
    """Return the note that a network is a model as it was read."""
    size = "one size" if net.input_size is None else "×".join(map(str, net.input_size))
    return (
        f"the model as it was read at {size}: its code may refuse sizes (assert h % 32 == 0), or make others fit; "
        "verify runs it at these"
    )


# the model itself -----------------------------------------------------------------------------------------------------


def _verify(out: xr.Dataset, network: NetworkLike, reading: Mapping[str, Any]) -> None:
    """Add what the model says to the sizes, `runs` over (rule, which), and its reasons."""
    if not fits_any_size(reading.get("example_input")):
        raise InputError(
            "runs the model at other sizes", argument=VERIFY, remedy=("give ", EXAMPLE_INPUT, " as a shape")
        )
    which = ["smallest", *(name for name in NEAR if name in out)]
    asked = {tuple(out[name].sel(rule=rule).values.tolist()) for name in which for rule in out.rule.values}
    declared = _declared_size(network, reading)
    answers = {size: _model_refusal(network, reading, size, declared) for size in sorted(asked) if NONE not in size}
    rows = [
        [answers.get(tuple(out[name].sel(rule=rule).values.tolist()), "no size") is None for name in which]
        for rule in out.rule.values
    ]
    out["runs"] = ("rule", "which"), np.array(rows, bool)
    out.coords["which"] = which
    refused = [f"{'×'.join(map(str, size))}: {reason}" for size, reason in answers.items() if reason]
    if refused:
        out.attrs["refused"] = refused
    if refused and "near" in out and not out.runs.sel(which="above").any():
        for multiple in MULTIPLES:
            size = tuple(AxisSizes.multiples(multiple).at_least(n) or n for n in out.near.values.tolist())
            if size not in answers and _model_refusal(network, reading, size, declared) is None:
                out.attrs["takes"] = "×".join(map(str, size))
                break


def _declared_size(network: NetworkLike, reading: Mapping[str, Any]) -> Size | None:
    """The one size for which an ONNX file is made; None where it leaves it open, and for anything else."""
    text = isinstance(network, str | PathLike)
    if (door_of(str(network)).kind if text else type(network).__name__) not in ("onnx", "ModelProto"):
        return None
    net = as_network(network, {k: v for k, v in reading.items() if k not in ("input_size", "example_input")})
    return None if any(what.startswith("size of") for what in net.assumed) else net.input_size


def _model_refusal(network: NetworkLike, reading: Mapping[str, Any], size: Size, declared: Size | None) -> str | None:
    if declared not in (None, size):
        return f"the file declares {'×'.join(map(str, declared or ()))}"
    try:
        net = as_network(network, reading, size)
    except InputError as error:
        return error.reason
    if net.input_size != size and is_model(network, net):
        return f"it is made for {'×'.join(map(str, net.input_size or ()))}"
    return refusal(net, size)
