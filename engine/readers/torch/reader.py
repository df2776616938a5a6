"""PyTorch modules and exported programs in, networks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.torch.aten import ops as aten
from rfscale.engine.readers.torch.aten import window_ops as aten_windows
from rfscale.engine.readers.torch.inputs.example_input import model_inputs
from rfscale.engine.readers.torch.inputs.fitting_inputs import first_that_runs
from rfscale.engine.readers.torch.inputs.lazy_parts import without_lazy_parts
from rfscale.engine.readers.torch.parts import Parts
from rfscale.engine.readers.torch.program.graph_reader import read_program
from rfscale.engine.readers.torch.wrappers import unwrapped

if TYPE_CHECKING:
    import torch

_FILLED_BY = aten, aten_windows  # importing them fills the table
_WRAPPERS = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


def read_torch(
    module: torch.nn.Module,
    example_input: Any = None,
    *,
    input_size: int | Sequence[int] | None = None,
    name: str | None = None,
    unknown: str | Mapping[str, Any] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
) -> Network:
    """Return the network of a PyTorch module: its forward runs once, on an image without values.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        Run in evaluation mode and left as it was; parameters may be on the meta device. A module that asks for values
        of the image runs once more, with those of one example. Of a compiled or parallel one the module inside is read.
    example_input : int, sequence of int, tensor, or lists, tuples and dicts of these, optional
        Shape of the image (batch, channels, pixels per axis), or what the module is called with; by default what the
        module says of itself.
    input_size : int or sequence of int, optional
        Pixels per axis in the place of those of that shape.
    name : str, optional
        Name of the network; by default the module's class.
    unknown : {"pointwise", "everything"} or mapping, optional
        What to take operators for that are not known: for all, or
        ``{operator or node: "pointwise" | "everything" | layer}``.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default all after the first two.
    image : str, optional
        Parameter or key of the image among several inputs; by default the first floating tensor of three dims.

    Raises
    ------
    InputError
        Where the module does not run on its inputs, or nothing that it returns can be read.
    """
    import torch

    module = unwrapped(module)
    label = name or str(getattr(module, "original_name", type(module).__name__))
    if isinstance(module, torch.export.ExportedProgram):
        return read_program(module, label, unknown, axes)
    from rfscale.engine.readers.torch.trace.run import Tracer

    candidates = model_inputs(module, example_input, input_size, axes, image)
    parts = without_lazy_parts(Parts(module), candidates)
    run = Tracer(parts, unknown)
    try:
        _, traced = first_that_runs(parts.module, candidates, run)
    except InputError:
        if run.ended is None:
            raise
        traced = run.ended
    return finished(traced.tracker, label, traced.outputs, traced.channels, traced.unknowns, traced.returned)
