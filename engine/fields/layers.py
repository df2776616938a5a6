"""Which tensor of a module is the map of a layer, and where its entries are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.footprints.plan import Entry, check_entry
from rfscale.engine.network.modules import CALL, KEY
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs


@dataclass(frozen=True)
class LayerMap:
    """One tensor that a module returns, as a map.

    Attributes
    ----------
    name : str
        As the user wrote it.
    path : str
        Of the module.
    call : int
        Which of its calls, from 0; -1: the last.
    key : str
        Where in what it returns.
    shape : tuple of int
    dims : tuple of int
        Its spatial dims; none: one entry for the whole image.
    channel : int
        The dim of its channels.
    """

    name: str
    path: str
    call: int
    key: str
    shape: tuple[int, ...]
    dims: tuple[int, ...]
    channel: int

    @property
    def map_size(self) -> tuple[int, ...]:
        """Entries per axis."""
        return tuple(self.shape[d] for d in self.dims)

    def entry(self, entry: Entry) -> tuple[int, ...]:
        """The entry that is meant, checked."""
        if not self.dims:
            return ()
        return check_entry(entry, self.map_size, len(self.dims), self.name)

    def channels_of(self, tensor: Any, entry: tuple[int, ...]) -> Any:
        """The channels of an entry, (images, channels)."""
        at: list[Any] = [slice(None)] * tensor.dim()
        for dim, index in zip(self.dims, entry, strict=True):
            at[dim] = index
        return tensor[tuple(at)]


def layer_map(
    returned: Mapping[str, Sequence[Any]], layer: str, inputs: ModelInputs, module: Any, *, permuted: bool = False
) -> tuple[LayerMap, Any]:
    """Return the map that a name means, and what stands for its tensor.

    Parameters
    ----------
    returned : mapping
        What each module returns, by its path: things with `call`, `key` and `ref`, which has a shape.
    layer : str
        Path of a module, with @CALL for one of several calls and :KEY for one of several tensors; or a layer of the
        network that `load` reads, of which a module returns the map.
    inputs : ModelInputs
    module : torch.nn.Module
    permuted : bool
        Whether dims were exchanged before it, so that the network has to be read to know which are spatial.

    Raises
    ------
    InputError
        For a name that is no map, with the nearest ones.
    """
    path = layer if layer in returned else _path_of(returned, layer, inputs, module)
    base, key = (path, "") if path in returned else path.partition(KEY)[::2]
    base, call = (base, "") if base in returned else base.rpartition(CALL)[::2]
    calls = returned[base]
    number = int(call) if call else -1
    last = max(r.call for r in calls) if number < 0 else number
    found = [r for r in calls if r.call == last and (not key or r.key == key)]
    if not call and last > 0:
        shapes = {tuple(r.ref.shape) for r in calls}
        names = ", ".join(f"{base}{CALL}{n}" for n in range(last + 1))
        if len(shapes) > 1 or len(found) == 1:
            raise InputError(f"{layer!r} is called {last + 1} times", remedy=f"name one call: {names}")
    if len(found) != 1:
        keys = ", ".join(f"{base}{KEY}{r.key}" for r in calls if r.call == last)
        raise InputError(f"{layer!r} returns {len(found)} maps", remedy=f"name one: {keys}")
    shape = tuple(found[0].ref.shape)
    axes = len(inputs.axes)
    dims = _dims(shape, axes, layer, inputs, module, permuted)
    rest = [d for d in range(1, len(shape)) if d not in dims]
    return LayerMap(layer, base, last if call else -1, key, shape, dims, rest[0]), found[0].ref


def _dims(
    shape: tuple[int, ...], axes: int, layer: str, inputs: ModelInputs, module: Any, permuted: bool
) -> tuple[int, ...]:
    """Spatial dims of a tensor; a vector has none, and is one entry."""
    if len(shape) == 2:
        return ()
    if len(shape) != axes + 2:
        raise InputError(
            f"layer {layer!r} has no spatial map: it returns a tensor of shape {shape}",
            remedy="name a layer whose tensor has batch, channels and the axes of the image",
        )
    if not permuted:
        return tuple(range(2, len(shape)))
    size = _read(inputs, module).map_sizes(inputs.pixels)
    net = _read(inputs, module)
    from rfscale.engine.network.modules import module_layer

    wanted = tuple(size[module_layer(net, layer)])
    if tuple(shape[2:]) == wanted:
        return tuple(range(2, len(shape)))
    if tuple(shape[1:-1]) == wanted:
        return tuple(range(1, len(shape) - 1))
    raise InputError(
        f"layer {layer!r} returns a tensor of shape {shape}, whose map of {wanted} entries is not one of its dims"
    )


def _read(inputs: ModelInputs, module: Any) -> Any:
    from rfscale.engine.readers.load import load

    return load(module, example_input=inputs.image.shape, axes=list(inputs.axes))


def _path_of(returned: Mapping[str, Sequence[Any]], layer: str, inputs: ModelInputs, module: Any) -> str:
    """The module that returns the map of a layer, where that is no module itself."""
    if _is_of_module(layer, returned):
        return layer
    try:
        net = _read(inputs, module)
    except InputError:
        net = None
    if net is not None and layer in net:
        makes = [name for name, of in net.modules.items() if of == layer and _is_of_module(name, returned)]
        if makes:
            return min(makes, key=len)
        raise InputError(
            f"layer {layer!r} is written inside a module that returns another map",
            remedy=f"name a module; {nearest(layer, _names(returned))}",
        )
    raise InputError(f"the model has no module {shown(layer)}; {nearest(layer, _names(returned))}")


def _is_of_module(name: str, returned: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a name is that of a module, of one of its calls or of one of the tensors that it returns."""
    base = name.partition(KEY)[0]
    plain, sign, call = base.rpartition(CALL)
    return base in returned or (bool(sign) and plain in returned and call.isdecimal())


def _names(returned: Iterable[str]) -> list[str]:
    return [name for name in returned if name]
