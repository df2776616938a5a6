"""The fields of one entry in one frame: what it can see, what is predicted, and what it does see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack, get_args

import numpy as np

from rfscale.engine.analysis.footprint import footprint
from rfscale.engine.analysis.path_counts import path_counts
from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.fields.compare_fields import compare_fields
from rfscale.engine.fields.effective_field import Progress, measured
from rfscale.engine.fields.field_figures import field_figures
from rfscale.engine.fields.predicted_field import Signs, predicted
from rfscale.engine.fields.target import ModelReading, Target, target_for
from rfscale.engine.footprints.plan import Entry
from rfscale.engine.network.modules import module_layer
from rfscale.engine.network.spec import one_name
from rfscale.engine.readers.load import load
from rfscale.engine.variables import ALL_FIELDS, annotate

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from rfscale.engine.network.network import Network

KINDS = ("structure", "weights", "measured")


def all_fields(
    model: torch.nn.Module | str,
    layer: str,
    images: Any = None,
    *,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    protocol: str = "squared",
    count: int | None = None,
    seed: int = 0,
    signs: Signs = "random",
    checkpoint: Any = None,
    normalize: Any = "imagenet",
    resume: Any = None,
    progress: Progress | None = None,
    **reading: Unpack[ModelReading],
) -> xr.Dataset:
    """Return the fields of one entry side by side: exact, predicted from structure and from weights, and measured.

    Parameters
    ----------
    model, layer, entry, input_size, protocol, count, seed, checkpoint, normalize, resume, progress, **reading
        As for `effective_field`.
    images : optional
        As for `effective_field`; None: nothing is measured.
    signs : {"random", "kept"}
        Of the field that weights predict, as for `predicted_field`.

    Returns
    -------
    xr.Dataset
        `footprint` over the axes; `mass` over `kind` and the axes, where kinds are "structure" (path counts: equal
        weights), "weights" (`predicted_field`) and "measured"; figures of each kind, and its `correlation` with the
        last. What cannot be predicted is left out, and ``attrs["left_out"]`` says why.

    Raises
    ------
    InputError
        As `effective_field`; and where the network cannot be read.
    """
    import xarray as xr

    one_name(signs, Parameter("signs"), get_args(Signs))
    of, images = target_for(images, model, input_size=input_size, checkpoint=checkpoint, reading=reading)
    made, _ = of.layer(layer)
    at = made.entry(entry)
    net = network_of(of)
    inside = at or (0,) * len(of.axes)
    exact = footprint(net, module_layer(net, layer), inside, of.inputs.pixels)
    fields = {"structure": path_counts(net, module_layer(net, layer), inside, of.inputs.pixels)}
    left_out = None
    try:
        fields["weights"] = predicted(of, layer, entry, signs=signs).field
    except InputError as error:
        left_out = str(error)
    attrs: dict[str, Any] = {}
    if images is not None:
        found = measured(
            of, layer, images, entry=entry, protocol=protocol, count=count, seed=seed, normalize=normalize,
            resume=resume, progress=progress,
        )  # fmt: skip
        fields["measured"] = found.field
        attrs = {key: found.attrs[key] for key in ("protocol", "images", "count", "seed", "weights_hash")}
    figures = [field_figures(field, footprint=exact) for field in fields.values()]
    last = list(fields.values())[-1]
    names = ["mass", "std", "mean", "box_start", "box_extent", "area", "effective_ratio", "outside_mass", "gridding"]
    out = xr.concat([f[names] for f in figures], "kind", join="override", combine_attrs="drop").assign_coords(
        kind=list(fields)
    )
    out["correlation"] = ("kind", np.array([float(compare_fields(last, f).correlation) for f in fields.values()]))
    out["footprint"] = exact.reset_coords(drop=True)
    out["exact_area"] = int(exact.sum())
    out.attrs = of.attrs("all_fields", layer, at, left_out=left_out, signs=signs, **attrs)
    return annotate(out, ALL_FIELDS, entry=shown(at), layer=layer)


def network_of(of: Target) -> Network:
    """Return the network of a model, at the size of its inputs."""
    return load(of.module, example_input=tuple(of.inputs.image.shape), axes=list(of.inputs.axes), name=of.name)
