"""Network spec dicts: each value checked and normalised once, before layers are made of it."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.network.ops import OPS, Param

MAX_VALUE = 2**31 - 1  # of any whole number in a spec
MAX_LAYERS = 100_000

INPUT_CHANNELS = 3  # of an image whose spec does not say
AXES = {1: ("x",), 2: ("y", "x"), 3: ("z", "y", "x")}
NETWORK_KEYS = ("name", "layers", "input_size", "axes", "input_channels", "outputs", "assumed", "left_out", "modules")
COMMON_KEYS = ("name", "op", "inputs", "channels", "groups", "bias")
MODE_ALIASES = {"linear": "bilinear", "trilinear": "bilinear"}
PADDING_WORDS = ("same", "same_lower", "valid")


def whole(value: object, what: str | Parameter, minimum: int = 1, maximum: int = MAX_VALUE) -> int:
    """Return `value` as an int, or raise InputError naming `what`."""
    if type(value) is int and minimum <= value <= maximum:
        return value
    if isinstance(value, bool | str | bytes):
        raise InputError(argument=what, value=value, remedy="it must be a whole number")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(argument=what, value=value, remedy="it must be a whole number") from None
    if not minimum <= number <= maximum:
        raise InputError(argument=what, value=number, remedy=f"it must lie between {minimum} and {maximum}")
    return number


def one_name(value: object, what: str | Parameter, known: Sequence[str]) -> str:
    """Return `value` if it is one of a few names, or raise InputError naming `what` and all of them."""
    if isinstance(value, str) and value in known:
        return str(value)
    raise InputError(argument=what, value=value, remedy=f"it must be {' or '.join(map(repr, known))}")


def flag(value: object, what: str | Parameter) -> bool:
    """Return True or False, of Python or NumPy, or raise InputError naming `what`: "no" and 0 are neither."""
    if type(value).__name__ in ("bool", "bool_"):  # both names are NumPy's, too
        return bool(value)
    raise InputError(argument=what, value=value, remedy="it must be True or False")


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or NumPy: not True or False."""
    return isinstance(value, Real) and not isinstance(value, bool)


def plain_text(text: str) -> str:
    """Return a text itself in the place of one of a subclass, which is shown otherwise: networks share their names."""
    return text if type(text) is str else str.__str__(text)


def text_name(value: object, what: str) -> str:
    """Return a name, or raise InputError naming `what`: YAML takes no, 017 and 12:30 for something else."""
    if isinstance(value, str) and value:
        return plain_text(value)
    remedy = "it must not be empty" if isinstance(value, str) else "it must be a string, so put it in quotes"
    raise InputError(argument=what, value=value, remedy=remedy)


def listed(value: object) -> list[Any] | None:
    """Return a list of the values of a sequence, or None for anything that is not one."""
    kind = type(value)
    if value is None or kind is int or kind is str or kind is dict:  # by far the most; what follows is slow
        return None
    if type(value) is list:
        return list(value)
    if isinstance(value, str | bytes | Mapping):
        return None
    if isinstance(value, Sequence):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1 else None


def per_axis(value: object, what: str | Parameter, ndim: int, minimum: int = 1) -> tuple[int, ...]:
    """Return one whole number per axis, from one number or one per axis."""
    values = listed(value)
    if values is None:
        return (whole(value, what, minimum),) * ndim
    if len(values) != ndim:
        raise InputError(argument=what, value=value, remedy=f"give one number, or one for each of the {ndim} axes")
    return tuple([whole(v, what, minimum) for v in values])


def per_side(value: object, what: str, ndim: int, minimum: int = 0) -> tuple[int, ...]:
    """Return all starts, then all ends, from one number, one per axis or one per side."""
    values = listed(value)
    if values is not None and len(values) == 2 * ndim:
        return tuple(whole(v, what, minimum) for v in values)
    if values is not None and len(values) != ndim:
        raise InputError(
            f"{what} is {shown(value)}; give one number, one for each of the {ndim} axes, or {2 * ndim}: "
            "all starts, then all ends"
        )
    return per_axis(value, what, ndim, minimum) * 2


_ONE_NUMBER = frozenset({int, str, bool, type(None)})  # types of values that say nothing about the axes


class Written(dict[str, Any]):
    """A layer as a builder wrote it: a mapping of a spec, which equal layers of many networks share.

    Attributes
    ----------
    key : object
        Equal for equal layers; None where a value is none of Python's own.
    layers : dict of int to layer
        What it was read as, by number of axes.
    per_axis : bool
        Whether a value may say how many axes there are.
    """

    __slots__ = ("key", "layers", "per_axis")

    def __init__(self, spec: Mapping[str, Any], key: object) -> None:
        super().__init__(spec)
        self.key = key
        self.layers: dict[int, Any] = {}
        self.per_axis = not _ONE_NUMBER.issuperset(type(v) for k, v in spec.items() if k != "inputs")


def _may_be_per_axis(layer: Any) -> bool:
    """Whether a value of a layer may say how many axes there are."""
    return type(layer) is not dict or not _ONE_NUMBER.issuperset(map(type, layer.values()))


def _layer_lists(layers: Sequence[Any]) -> Iterator[tuple[str, int]]:
    """Yield (parameter, length) of every value that a layer gives per axis."""
    layers = [x for x in layers if (x.per_axis if type(x) is Written else _may_be_per_axis(x))]
    for layer in layers:
        op = OPS.get(str(layer.get("op", "conv"))) if isinstance(layer, Mapping) else None
        for key, param in (op.params if op else {}).items():
            values = listed(layer.get(key))
            if values is not None and param.kind.startswith("axis"):
                yield key, len(values)
    for layer in layers:  # paddings last: their length alone does not tell axes from sides
        for key in ("padding", "amount"):
            values = listed(layer.get(key)) if isinstance(layer, Mapping) else None
            if values is not None and len(values) in (4, 6):
                yield key, len(values) // 2


def stated_axes(spec: Mapping[str, Any]) -> int | None:
    """Return the number of spatial axes that `axes` or `input_size` of a network or a space says."""
    if spec.get("axes") is not None:
        return whole(spec["axes"], "axes", 1, 3)
    size = listed(spec.get("input_size"))
    if size is not None:
        if len(size) not in AXES:
            raise InputError(f"input_size is {shown(spec['input_size'])}; it needs 1, 2 or 3 numbers")
        return len(size)
    return None


def count_axes(spec: Mapping[str, Any], layers: Sequence[Any]) -> int:
    """Return the number of spatial axes that a spec says, or its layers imply."""
    stated = stated_axes(spec)
    if stated is not None:
        return stated
    for key, length in _layer_lists(layers):
        if length not in AXES:
            raise InputError(f"{key} has {length} values; a network has 1, 2 or 3 axes")
        return length
    return 2


def _mode(value: object, what: str, param: Param) -> str:
    mode = MODE_ALIASES.get(value, value) if isinstance(value, str) else value
    if mode not in param.choices:
        raise InputError(f"{what} is {shown(value)}; it must be one of {', '.join(param.choices)}")
    return str(mode)


def _end(value: object, what: str, param: Param) -> int | None:
    """An entry, from the start or below 0 from the end, or None for the end itself."""
    if value is None or value == 0:
        return None if value is None else whole(value, what)
    return whole(value, what, param.minimum)


def _value(key: str, param: Param, value: object, what: str, ndim: int, op: str) -> Any:
    if param.kind == "flag":
        if not isinstance(value, bool):
            raise InputError(f"{what} is {shown(value)}; it must be true or false")
        return value
    if param.kind == "mode":
        return _mode(value, what, param)
    if param.kind == "axis_or_none":
        values = listed(value)
        if values is None:
            return (_end(value, what, param),) * ndim
        if len(values) != ndim:
            raise InputError(argument=what, value=value, remedy=f"give one number, or one for each of the {ndim} axes")
        return tuple(_end(v, what, param) for v in values)
    if param.kind == "sides":
        if key == "padding" and isinstance(value, str) and value in PADDING_WORDS:
            if value == "valid":
                return (0,) * (2 * ndim)
            if op in ("conv_transpose", "pad"):
                raise InputError(f"{what} is {value!r}; {op} needs numbers")
            return value
        if isinstance(value, str):
            raise InputError(f"{what} is {shown(value)}; it must be numbers or one of {', '.join(PADDING_WORDS)}")
        return per_side(value, what, ndim, param.minimum)
    return per_axis(value, what, ndim, param.minimum)


def layer_params(op: str, given: Mapping[str, Any], label: str, ndim: int) -> dict[str, Any]:
    """Return the parameters of one layer, normalised: one value per axis or side, defaults filled in.

    Parameters
    ----------
    op : str
        A name in `OPS`.
    given : mapping
        The layer as the user wrote it; `name`, `op` and `inputs` are passed over.
    label : str
        What error messages call the layer.
    ndim : int
        Number of spatial axes.
    """
    params = OPS[op].params
    for key in given:
        if key not in params and key not in COMMON_KEYS:
            raise InputError(f"{label} has an unknown parameter {shown(key)}; {nearest(key, [*params, *COMMON_KEYS])}")
    out: dict[str, Any] = {}
    for key, param in params.items():
        value = given.get(key)
        if value is None and param.default_is:
            out[key] = out[param.default_is]
        elif value is None and param.required:
            raise InputError(f"{label} needs {key!r} (op {op})")
        elif value is None and param.default is None:
            out[key] = None if param.kind != "axis_or_none" else (None,) * ndim
        else:
            out[key] = _value(key, param, param.default if value is None else value, f"{key} of {label}", ndim, op)
    if "rounding" in out:
        _check_resampling(out, label)
    if op == "crop" and (out["amount"] is None) == (out["size"] is None):
        raise InputError(f"{label} needs either 'amount' or 'size'")
    if op == "cumulative" and not any((*out["earlier"], *out["later"])):
        raise InputError(f"{label} reads nothing else than each entry; give 'earlier: 1' or 'later: 1'")
    for key in ("channels", "groups"):
        if given.get(key) is not None:
            out[key] = whole(given[key], f"{key} of {label}")
    if given.get("bias") is not None:
        if not isinstance(given["bias"], bool):
            raise InputError(f"bias of {label} is {shown(given['bias'])}; it must be true or false")
        out["bias"] = given["bias"]
    return out


def _check_resampling(out: dict[str, Any], label: str) -> None:
    """Check what says where the entries of a resampled map lie, and bring each way to one form."""
    nearest_mode, coordinates = out["mode"] == "nearest", out["coordinates"]
    if out["align_corners"] and nearest_mode:
        raise InputError(
            f"align_corners of {label} goes with mode bilinear or bicubic; nearest takes coordinates: align_corners"
        )
    if out["align_corners"] and coordinates not in (None, "align_corners"):
        raise InputError(f"{label} has align_corners and coordinates {coordinates!r}; give one of them")
    if out["antialias"] and (nearest_mode or out["align_corners"] or coordinates not in (None, "half_pixel")):
        raise InputError(f"antialias of {label} goes with mode bilinear or bicubic and coordinates half_pixel")
    if out["rounding"] != "floor" and not nearest_mode:
        raise InputError(f"rounding of {label} goes with mode nearest, not {out['mode']}")
    if coordinates == "align_corners" and not nearest_mode:
        out["align_corners"], coordinates = True, None
    if coordinates == ("asymmetric" if nearest_mode else "half_pixel"):
        coordinates = None
    out["coordinates"] = coordinates


_TEXTS = {  # mappings of a spec: what each is of, and an example
    "assumed": "texts, such as {aten.flip: pointwise}",
    "left_out": "texts, such as {'boxes.nms: torchvision.nms': its values decide}",
    "modules": "names, such as {up1: up1.conv.1}",
}


def check_texts(value: object, key: str) -> dict[str, str]:
    """Return a mapping of a spec from text to text: `assumed`, `left_out` or `modules`; empty for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise InputError(f"{key} is {shown(value)}; it must be a mapping of {_TEXTS[key]}")
    return dict(value)


def layer_inputs(value: object, label: str) -> tuple[str, ...]:
    """Return the names that a layer reads."""
    names = [value] if isinstance(value, str) else listed(value)
    if not names or not all(isinstance(n, str) for n in names):
        raise InputError(f"inputs of {label} is {shown(value)}; it must be a layer's name or a list of names")
    return tuple([plain_text(n) for n in names])


def shortest(value: Any, ndim: int) -> Any:
    """Return a per-axis or per-side tuple as the spec would write it: one number where all are equal."""
    if not isinstance(value, tuple):
        return value
    if len(set(value)) == 1:
        return value[0]
    if len(value) == 2 * ndim and ndim > 1 and value[:ndim] == value[ndim:]:
        return list(value[:ndim])
    return list(value)
