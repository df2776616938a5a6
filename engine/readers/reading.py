"""How a model is read: what may stand for a network, and the options that every function of a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from rfscale.engine.errors import EXAMPLE_INPUT
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

if TYPE_CHECKING:
    import onnx
    import torch

    Model: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | onnx.ModelProto
    NetworkLike: TypeAlias = Network | str | PathLike[str] | Mapping[str, Any] | Model
else:
    NetworkLike = Any  # neither library is imported for an annotation

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
