"""How a model is read: what may stand for a network, and the options that every function of a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from rfscale.engine.network.network import Network

if TYPE_CHECKING:
    import onnx
    import torch

    Model: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | onnx.ModelProto
    NetworkLike: TypeAlias = Network | str | PathLike[str] | Mapping[str, Any] | Model
else:
    NetworkLike = Any  # neither library is imported for an annotation


class Reading(TypedDict, total=False):
    """Options of whatever is no network yet, as in `rfscale.load`.

    Attributes
    ----------
    example_input : sequence of int, tensor, or list of these
    unknown : {"pointwise", "everything"} or mapping
    axes : sequence of int
    image : str
    name : str
    trust : bool
        Load a .pt2 file that may run code.
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
