"""How a model is read: what may stand for a network, and the options that every function of a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from rfscale.engine.errors import EXAMPLE_INPUT, InputError, Parameter
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import flag, listed, whole

if TYPE_CHECKING:
    import onnx
    import torch

    Model: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | onnx.ModelProto
    NetworkLike: TypeAlias = Network | str | PathLike[str] | Mapping[str, Any] | Model
else:
    NetworkLike = Any  # neither library is imported for an annotation

TEXTS = ("image", "name")  # options that are texts
MOST_DIMS = 8  # of a shape; a longer row of whole numbers is a tensor of them


class Reading(TypedDict, total=False):
    """Options of whatever is no network yet, as in `rfscale.load`.

    Attributes
    ----------
    example_input : int, sequence of int, tensor, or lists, tuples and dicts of these
    unknown : {"pointwise", "everything"} or mapping
    axes : sequence of int
    image : str
    name : str
    trust : bool
        Load a .pt2 or TorchScript file that may run code.
    arguments : mapping
        Parameters of the zoo's builder or of the factory, which `rfscale.load` takes as keywords.
    """

    example_input: Any
    unknown: str | Mapping[str, Any] | None
    axes: Sequence[int] | None
    image: str | None
    name: str | None
    trust: bool
    arguments: Mapping[str, Any]


class SizedReading(Reading, total=False):
    """The same, for functions that have no input size of their own.

    Attributes
    ----------
    input_size : int or sequence of int
        Pixels per axis that a model is read with.
    """

    input_size: int | Sequence[int] | None


def checked_options(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, each of the kind that it must be; None stands for one that was not.

    Raises
    ------
    InputError
        For axes that are no row of whole numbers, names that are no text, a trust that is neither True nor False, and
        arguments that are no mapping.
    """
    options = {key: value for key, value in reading.items() if value is not None}
    if "axes" in options:
        dims = listed(options["axes"])
        if not dims or not all(map(is_number, dims)):
            remedy = "give the dims of the image that are spatial, such as [2, 3]"
            raise InputError(argument=Parameter("axes"), value=options["axes"], remedy=remedy)
        options["axes"] = [int(d) for d in dims]
    for key in TEXTS:
        if key in options and not isinstance(options[key], str):
            raise InputError(argument=Parameter(key), value=options[key], remedy="it must be a text")
    if "trust" in options:
        options["trust"] = flag(options["trust"], Parameter("trust"))
    if "arguments" in options and not isinstance(options["arguments"], Mapping):
        remedy = "it must be a mapping, such as {'weights': None}"
        raise InputError(argument=Parameter("arguments"), value=options["arguments"], remedy=remedy)
    return options


def is_number(value: Any) -> bool:
    """Whether a value is one whole number of Python or numpy."""
    if getattr(value, "shape", None) == () and hasattr(value, "__array_interface__"):
        value = value.item()
    return isinstance(value, Integral) and value is not True and value is not False


def row_of_numbers(value: Any) -> tuple[int, ...] | None:
    """A row of whole numbers, checked; None for anything else, a tensor of numbers included."""
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "__array_interface__"):
        is_row = value.ndim == 1 and 0 < len(value) <= MOST_DIMS and value.dtype.kind in "iu"
        value = value.tolist() if is_row else None
    if not isinstance(value, list | tuple) or not value or not all(map(is_number, value)):
        return None
    return tuple(whole(n, EXAMPLE_INPUT) for n in value)
