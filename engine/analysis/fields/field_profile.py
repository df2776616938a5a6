"""The effective profile beside the exact one: layers in depth order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.analysis.fields.all_fields import KINDS, network_of
from rfscale.engine.analysis.path_counts import path_counts
from rfscale.engine.analysis.profile import profile
from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.fields.effective_field import measured
from rfscale.engine.fields.field_figures import field_figures
from rfscale.engine.fields.predicted_field import predicted
from rfscale.engine.fields.target import ModelReading, Target, target_for
from rfscale.engine.network.modules import fitting_depth, module_layer, modules
from rfscale.engine.network.spec import listed
from rfscale.engine.variables import FIELD_PROFILE, annotate, provenance

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from rfscale.engine.network.network import Network

MODULES = 24  # that are taken where nobody names layers


def field_profile(
    model: torch.nn.Module | str,
    layers: Sequence[str] | None = None,
    images: Any = None,
    *,
    input_size: int | Sequence[int] | None = None,
    share: float = 0.95,
    protocol: str = "squared",
    count: int | None = None,
    seed: int = 0,
    checkpoint: Any = None,
    normalize: Any = "imagenet",
    **reading: Unpack[ModelReading],
) -> xr.Dataset:
    """Return the effective field of the centre entry of each layer beside the exact one, in depth order.

    Parameters
    ----------
    layers : sequence of str, optional
        Modules; by default those of the first parts of names, at most 24.
    share : float
        Of the mass, in the boxes.
    model, images, input_size, protocol, count, seed, checkpoint, normalize, **reading
        As for `all_fields`.

    Returns
    -------
    xr.Dataset
        Over `layer` and `axis`: the exact extent. Over `kind` too: standard deviation and box; NaN where a kind is not
        known.

    Raises
    ------
    InputError
        As `effective_field`.
    """
    import xarray as xr

    of, images = target_for(images, model, input_size=input_size, checkpoint=checkpoint, reading=reading)
    net = network_of(of)
    names = _modules(of, net) if layers is None else _named(layers)
    exact = profile(net, of.inputs.pixels)
    kinds = KINDS if images is not None else KINDS[:2]
    shape = (len(kinds), len(names), len(of.axes))
    std, box, area = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[:2], np.nan)
    rows = []
    for number, name in enumerate(names):
        layer = module_layer(net, name)
        rows.append(layer)
        for kind, field in _fields(of, net, name, layer, images, protocol, count, seed, normalize).items():
            figures = field_figures(field, [share])
            at = kinds.index(kind), number
            std[at], box[at], area[at] = figures["std"], figures.box_extent[0], figures.area[0]
    of_layers = exact.sel(layer=rows)
    data = {
        "extent": (("layer", "axis"), of_layers.extent.values),
        "exact_area": ("layer", of_layers.area.values),
        "std": (("kind", "layer", "axis"), std),
        "box_extent": (("kind", "layer", "axis"), box),
        "area": (("kind", "layer"), area),
    }
    coords = {"kind": list(kinds), "layer": names, "axis": list(of.axes)}
    attrs = {"model": of.name, "input_size": list(of.inputs.pixels), "share": float(share), "checkpoint": of.checkpoint}
    return annotate(xr.Dataset(data, coords, provenance("field_profile", None, **attrs)), FIELD_PROFILE, share=share)


def _named(layers: Any) -> list[str]:
    """Names that a user gives."""
    names = listed(layers)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(argument=Parameter("layers"), value=layers, remedy="give a list of names of modules")
    return names


def _modules(of: Target, net: Network) -> list[str]:
    """Modules whose maps have one name each, of the first parts of names."""
    names = [layer.name for layer in net.layers]
    returned = net.modules
    found = [m.name for m in modules(names, fitting_depth(names, MODULES, returned), returned)]
    out = []
    for name in found:
        try:
            made, _ = of.layer(name)
        except InputError:
            continue
        if made.dims:
            out.append(name)
    if not out:
        raise InputError(f"{of.name} has no modules that return maps", remedy="name layers")
    return out


def _fields(
    of: Target, net: Network, name: str, layer: str, images: Any, protocol: str, count: int | None, seed: int, how: Any
) -> dict[str, Any]:
    """The fields of the centre entry that are known."""
    made, _ = of.layer(name)
    at = made.entry("center")
    fields: dict[str, Any] = {"structure": path_counts(net, layer, at, of.inputs.pixels)}
    with suppress(InputError):  # an operator without a rule
        fields["weights"] = predicted(of, name)
    if images is not None:
        fields["measured"] = measured(of, name, images, protocol=protocol, count=count, seed=seed, normalize=how)
    return fields
