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


READING_OPTIONS: dict[str, ReadingOption] = {
    "arg": ReadingOption(
        help="Argument of module:factory, or parameter of a network of the zoo; repeatable.",
        metavar="KEY=VALUE",
        needs="a mapping of arguments",
        shell_example="weights=none",
        file_example="{weights: null}",
        fits=lambda v: isinstance(v, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in v),
        repeatable=True,
    ),
    "example_input": ReadingOption(
        help="Of models: shape of the image that they are read with, such as 1,1,512,512. By default 1,3 and "
        "--input-size (or 224,224), for .onnx what the file says. Repeat it for further inputs.",
        metavar="SHAPE",
        needs="batch, channels and pixels",
        shell_example="1,3,224,224",
        file_example="[1, 3, 224, 224], or a list of such lists",
        fits=lambda v: are_whole(v, 1) or (isinstance(v, list) and bool(v) and all(are_whole(shape, 1) for shape in v)),
        repeatable=True,
    ),
    "unknown": ReadingOption(
        help="Of models: what to take operators for that rfscale does not know, all or OP (repeatable): "
        "pointwise, everything, or a layer such as '{kernel: 3}'.",
        metavar="AS|OP=AS",
        needs="pointwise or everything for all operators, or what to take each operator for",
        shell_example="flip=pointwise or flip='{kernel: 3}'",
        file_example="{flip: pointwise}",
        fits=lambda v: v in ("pointwise", "everything") or isinstance(v, Mapping),
        repeatable=True,
    ),
    "axes": ReadingOption(
        help="Of models: spatial dims of the image, such as 1,2 for N,H,W,C.",
        metavar="DIMS",
        needs="the spatial dims of the image",
        shell_example="2,3 or 1,2",
        file_example="[1, 2]",
        fits=lambda v: are_whole(v, -64),
    ),
    "image": ReadingOption(
        help="Of .onnx files: the input that is the image.",
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
        shapes = out["example_input"]
        out["example_input"] = tuple(shapes) if isinstance(shapes[0], int) else [tuple(shape) for shape in shapes]
    return out
