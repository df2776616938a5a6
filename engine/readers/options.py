"""The options that say how a model is made and read: one table, from which every front end makes its own.

The shell takes texts (``--example-input 1,3,224,224``), a batch file values (``example_input: [1, 3, 224, 224]``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReadingOption:
    """One option.

    Attributes
    ----------
    help : str
        For the help of the shell.
    metavar : str
        What the shell's help puts for the value.
    needs : str
        What a value must be, for messages.
    shell_example, file_example : str
        A value as the shell and as a batch file has it.
    fits : callable
        Whether a value of a batch file, or one that was read from a text of the shell, can be used.
    repeatable : bool
        On the shell, the option may be given several times.
    """

    help: str
    metavar: str
    needs: str
    shell_example: str
    file_example: str
    fits: Callable[[Any], bool]
    repeatable: bool = False


def are_whole(given: object, least: int, limit: int = 1 << 31) -> bool:
    """Whether something is a list of at least one whole number, each from `least` on and below `limit`."""
    return isinstance(given, list) and bool(given) and all(type(n) is int and least <= n < limit for n in given)


def _is_shape(given: object) -> bool:
    return are_whole(given, 1) or are_whole([given], 1)


def _are_shapes(given: object) -> bool:
    """Whether something is a list of shapes, or shapes by name."""
    shapes = list(given.values()) if isinstance(given, Mapping) else given
    return isinstance(shapes, list) and bool(shapes) and all(are_whole(shape, 1) for shape in shapes)


READING_OPTIONS: dict[str, ReadingOption] = {
    "arg": ReadingOption(
        help="Argument of what makes the model; repeatable.",
        metavar="KEY=VALUE",
        needs="a mapping of arguments",
        shell_example="weights=none",
        file_example="{weights: null}",
        fits=lambda v: isinstance(v, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in v),
        repeatable=True,
    ),
    "example_input": ReadingOption(
        help="Shape or pixels of an input, 1,1,512,512 or 512; repeatable, NAME=SHAPE by name.",
        metavar="SHAPE",
        needs="batch, channels and pixels",
        shell_example="1,3,224,224",
        file_example="[1, 3, 224, 224], 224, a list of such shapes, or {name: shape}",
        fits=lambda v: _is_shape(v) or _are_shapes(v),
        repeatable=True,
    ),
    "unknown": ReadingOption(
        help="What unknown operators do: pointwise, everything, or a layer, '{kernel: 3}'; repeatable.",
        metavar="AS|OP=AS",
        needs="pointwise or everything for all operators, or what to take each operator for",
        shell_example="flip=pointwise or flip='{kernel: 3}'",
        file_example="{flip: pointwise}",
        fits=lambda v: v in ("pointwise", "everything") or isinstance(v, Mapping),
        repeatable=True,
    ),
    "axes": ReadingOption(
        help="Spatial dims of the image, such as 1,2 for N,H,W,C.",
        metavar="DIMS",
        needs="the spatial dims of the image",
        shell_example="2,3 or 1,2",
        file_example="[1, 2]",
        fits=lambda v: are_whole(v, -64),
    ),
    "image": ReadingOption(
        help="The name of the input that is the image.",
        metavar="NAME",
        needs="the name of an input",
        shell_example="pixel_values",
        file_example="pixel_values",
        fits=lambda v: isinstance(v, str),
    ),
}


def reader_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as parameters of a reader: shapes as tuples, without the factory's arguments."""
    out = {name: given[name] for name in READING_OPTIONS if name in given and name != "arg"}
    if "example_input" in out:
        out["example_input"] = _as_shapes(out["example_input"])
    return out


def _as_shapes(given: Any) -> Any:
    if isinstance(given, int):
        return given
    if isinstance(given, Mapping):
        return {name: _as_shapes(shape) for name, shape in given.items()}
    if isinstance(given[0], int):
        return given[0] if len(given) == 1 else tuple(given)
    return [tuple(shape) for shape in given]
