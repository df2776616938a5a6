"""What a field is of: a module with its weights, what it is called with, and one layer of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.fields.layers import LayerMap, layer_map
from rfscale.engine.fields.measuring.images import peeked
from rfscale.engine.fields.modules import module_of
from rfscale.engine.readers.quiet import quiet
from rfscale.engine.readers.reading import checked_options
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, model_inputs
from rfscale.engine.readers.torch.inputs.fitting_inputs import first_that_runs
from rfscale.engine.variables import provenance

if TYPE_CHECKING:
    from rfscale.engine.fields.squares.recorded import Recorded, Ref


class ModelReading(TypedDict, total=False):
    """How a model is made and called, as in `rfscale.load`.

    Attributes
    ----------
    example_input : int, sequence of int, tensor, or lists, tuples and dicts of these
    axes : sequence of int
    image : str
    name : str
    trust : bool
        Unpickle a checkpoint that is no plain state dict, or load a TorchScript file: both may run code.
    arguments : mapping
        Of the factory that makes the model.
    """

    example_input: Any
    axes: Sequence[int] | None
    image: str | None
    name: str | None
    trust: bool
    arguments: Mapping[str, Any]


@dataclass
class Target:
    """A model with its inputs, and what one forward of it does.

    Attributes
    ----------
    module : torch.nn.Module
    inputs : ModelInputs
    recorded : Recorded
    name : str
    checkpoint : str or None
    """

    module: Any
    inputs: ModelInputs
    recorded: Recorded
    name: str
    checkpoint: str | None = None

    def layer(self, name: str) -> tuple[LayerMap, Ref]:
        """The map of a layer, and its tensor in what was recorded."""
        from rfscale.engine.fields.squares.recorded import exchanged

        if not isinstance(name, str):
            raise InputError(f"layer is {shown(name)}; it must be the name of a module")
        found, ref = layer_map(self.recorded.returned, name, self.inputs, self.module)
        if found.dims and exchanged(self.recorded, ref):
            found, ref = layer_map(self.recorded.returned, name, self.inputs, self.module, permuted=True)
        return found, ref

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of the image."""
        return ("z", "y", "x")[-len(self.inputs.axes) :]

    def weights_hash(self) -> str:
        """A hash of the weights, which tells checkpoints apart."""
        import torch

        found = hashlib.blake2b(digest_size=8)
        for key, value in self.module.state_dict().items():
            found.update(key.encode())
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def attrs(self, call: str, layer: str, entry: Sequence[int], **more: Any) -> dict[str, Any]:
        """Attrs of a result: where it comes from."""
        return provenance(
            f"{call} {layer}",
            network=None,
            **{"model": self.name, "layer": layer, "entry": list(entry), "input_size": list(self.inputs.pixels)},
            checkpoint=self.checkpoint,
            **more,
        )


def target(
    model: Any,
    *,
    input_size: int | Sequence[int] | None = None,
    checkpoint: Any = None,
    reading: Mapping[str, Any],
) -> Target:
    """Return a model as the functions of this folder take it, after one forward without values.

    Raises
    ------
    InputError
        For what has no weights that PyTorch can run, a checkpoint of another model, and inputs that do not fit.
    """
    for key in reading:
        if key not in ModelReading.__annotations__:
            raise TypeError(f"unexpected keyword argument {key!r}; {nearest(key, ModelReading.__annotations__)}")
    options = checked_options(reading)
    module = module_of(model, options.get("arguments"), checkpoint, trust=options.get("trust", False))
    from rfscale.engine.fields.squares.predict import recorded_forward

    with quiet(prints=True):
        candidates = model_inputs(
            module, options.get("example_input"), input_size, options.get("axes"), options.get("image")
        )
        inputs, recorded = first_that_runs(module, candidates, lambda given: recorded_forward(module, given))
    label = str(options.get("name") or (model if isinstance(model, str) else type(module).__name__))
    return Target(module, inputs, recorded, label, None if checkpoint is None else _label(checkpoint))


def target_for(
    images: Any,
    model: Any,
    *,
    input_size: int | Sequence[int] | None = None,
    checkpoint: Any = None,
    reading: Mapping[str, Any],
) -> tuple[Target, Any]:
    """Return the same for images that may say of what size they are, and the images: a loader is asked once."""
    images, shape = peeked(images)
    if shape is not None and reading.get("example_input") is None and input_size is None:
        reading = {**reading, "example_input": shape}
    return target(model, input_size=input_size, checkpoint=checkpoint, reading=reading), images


def _label(checkpoint: Any) -> str:
    return "a state dict" if isinstance(checkpoint, Mapping) else str(checkpoint)
