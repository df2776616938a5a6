"""The field that the weights predict, without images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.fields.target import ModelReading, Target, target
from rfscale.engine.footprints.plan import Entry
from rfscale.engine.network.spec import flag, one_name, whole
from rfscale.engine.variables import FIELD, annotate

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from rfscale.engine.fields.squares.window import Window

Precision = Literal["fast", "double"]
Signs = Literal["kept", "random"]
Activations = Literal["weights", "even"]
DRAWS = 128
_LARGEST_EXPONENT = 900.0  # of two: a field of more is only known up to its scale


def predicted_field(
    model: torch.nn.Module | str,
    layer: str,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    *,
    checkpoint: Any = None,
    borders: bool = True,
    signs: Signs = "random",
    draws: int = DRAWS,
    activations: Activations = "weights",
    precision: Precision = "fast",
    **reading: Unpack[ModelReading],
) -> xr.Dataset:
    """Return the field of one entry that the model's own weights predict, without any image.

    The expected squared gradient of the entry with respect to each pixel, if signs are random: weights are squared
    on the way back, channels kept apart; nonlinearities count by the mean square of their slope (1/2 for an even
    rectifier), a max-pool by the chance of each tap, batch norms by their factors; branches add. docs/theory.md,
    section 13, has the assumptions, of gates, norms of the image itself and attention as well. What has no such rule
    (a division by what the image decides, linear attention, very sharp attention) is refused.

    Parameters
    ----------
    model : torch.nn.Module or str
        A module, or a name that makes one with weights: package.module:factory, timm:NAME, a TorchScript file.
    layer : str
        A module, by its path: the map that it returns.
    entry : "center" or sequence of int
    input_size : int or sequence of int, optional
        Pixels per axis; by default what the model says of itself.
    checkpoint : path or state dict, optional
        Weights to load: .safetensors, or what ``torch.load(weights_only=True)`` reads.
    borders : bool
        False: maps go on beyond their borders, and the field beyond the image, onto pixels of the padding.
    signs : {"random", "kept"}
        "random": squares of weights alone, as for weights whose signs are drawn independently. "kept": the gradient
        itself goes back, with the weights as they are, and what chance decides (slopes, taps of max-pools, factors of
        gates) is drawn: for trained networks, whose filters add up what they see. Where the two differ, take "kept".
    draws : int
        With the signs kept, how many gradients are drawn; their standard error is in the result.
    activations : {"weights", "even"}
        Where the inputs of nonlinearities lie: as the weights say (batch norms by their bias and weight, else what
        follows from a standard normal image), or evenly about 0, so that a rectifier counts 1/2 in every channel.
    precision : {"fast", "double"}
        "fast" is float32, with products in bfloat16 where the processor has them: within 0.3 % of the largest value.
    **reading
        How the model is made and called: example_input, axes, image, name, trust, arguments.

    Returns
    -------
    xr.Dataset
        `field` over the axes, with pixel numbers as coordinates: of the image, or without borders of what the entry
        reaches. ``attrs["assumed"]`` lists what the prediction takes for granted.

    Raises
    ------
    InputError
        For a layer without a map, an entry outside it, an operator without a rule, and a checkpoint of another model.
    """
    one_name(precision, Parameter("precision"), get_args(Precision))
    one_name(signs, Parameter("signs"), get_args(Signs))
    one_name(activations, Parameter("activations"), get_args(Activations))
    borders = flag(borders, Parameter("borders"))
    found = target(model, input_size=input_size, checkpoint=checkpoint, reading=reading)
    return predicted(
        found, layer, entry, borders=borders, signs=signs, draws=draws, activations=activations, precision=precision
    )


def predicted(
    of: Target,
    layer: str,
    entry: Entry = "center",
    *,
    borders: bool = True,
    signs: Signs = "random",
    draws: int = DRAWS,
    activations: Activations = "weights",
    precision: Precision = "fast",
    step: Callable[[], None] | None = None,
) -> xr.Dataset:
    """Return the same of a model that is at hand."""
    import torch
    import xarray as xr

    from rfscale.engine.fields.squares.predict import squares

    draws = whole(draws, "draws", 2, 2**20)
    made, ref = of.layer(layer)
    at = made.entry(entry)
    if _quantised(of.module):
        raise InputError(f"the weights of {of.name} are quantised", remedy="give the model before quantisation")
    dtype = torch.float64 if precision == "double" else None
    found = squares(
        of.recorded,
        ref,
        made,
        at,
        borders=borders,
        dtype=dtype,
        even=activations == "even",
        draws=draws if signs == "kept" else 0,
        step=step,
    )
    window = found.window
    values = _values(window, borders)
    if not np.isfinite(values).all():
        raise InputError(f"the predicted field of layer {layer!r} is not finite: some weights of {of.name} are not")
    if not values.any():
        raise InputError(f"the predicted field of layer {layer!r} is 0 everywhere", remedy="look for weights of 0")
    start = (0,) * values.ndim if borders else window.start
    coords = {axis: np.arange(n) + s for axis, n, s in zip(of.axes, values.shape, start, strict=True)}
    attrs = of.attrs(
        "predicted_field", layer, at, kind="predicted from the weights", protocol="squared", assumed=found.assumed
    )
    data = {"field": (of.axes, values)}
    if signs == "kept":
        data["standard_error"] = (
            of.axes,
            np.zeros_like(values) if found.error is None else _values(found.error, borders, half=True),
        )
    return annotate(xr.Dataset(data, coords, attrs), FIELD, entry=shown(at), layer=layer)


def _values(window: Window, borders: bool, half: bool = False) -> np.ndarray:
    """The values of a window; `half`: their roots."""
    values = (window.full() if borders else window.values)[0, 0].double().numpy()
    exponent = window.exponent
    if half:
        values, exponent = np.sqrt(values), exponent / 2
    return values * 2.0 ** max(-_LARGEST_EXPONENT, min(exponent, _LARGEST_EXPONENT))


def _quantised(module: Any) -> bool:
    return any(
        type(part).__module__.startswith(("torch.ao.nn.quantized", "torch.nn.quantized")) for part in module.modules()
    )
