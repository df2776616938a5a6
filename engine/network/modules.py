"""Names of modules: the parts of a model, each by the layer that it returns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rfscale.engine.errors import InputError, Parameter, nearest, shown

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network

CALL, KEY = "@", ":"  # head@1 is the second call of a module, neck:p3 one of several maps that it returns
_LEVEL = re.compile(rf"(^|[.{KEY}])p\d+$")  # one entry in every 2^n pixels
LISTED = 8  # names that an error lists


class Module(NamedTuple):
    """Layers whose names share their first parts, by one map that they make.

    Attributes
    ----------
    name : str
        The parts that they share, or the whole name of a layer that stands alone.
    last : int
        Position of the layer that makes what the others read: the one that the module returns, or the last.
    layers : int
        How many layers.
    """

    name: str
    last: int
    layers: int


def modules(names: Sequence[str], depth: int, returned: Mapping[str, str] | None = None) -> list[Module]:
    """Return the modules of the first `depth` parts of layer names, in the order of the layers that they return.

    Parameters
    ----------
    names : sequence of str
    depth : int
    returned : mapping, optional
        Layers that modules return, as in `Network.modules`; a module with several has an item for each.

    Examples
    --------
    >>> [tuple(m) for m in modules(["stem.conv", "body.0.conv1", "body.0.conv2", "body.0", "body.1.conv1"], 2)]
    [('stem.conv', 0, 1), ('body.0', 3, 3), ('body.1.conv1', 4, 1)]
    >>> [tuple(m) for m in modules(["up.concat", "up.conv.0", "out"], 1, {"up": "up.conv.0"})]
    [('up', 1, 2), ('out', 2, 1)]
    """
    at = {name: position for position, name in enumerate(names)}
    ends: dict[str, dict[str, int]] = {}
    for name, layer in (returned or {}).items():
        if layer in at:
            ends.setdefault(name.partition(KEY)[0].partition(CALL)[0], {})[name] = at[layer]
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(".".join(name.split(".")[:depth]), []).append(position)
    parts = []
    for prefix, positions in found.items():
        if len(positions) == 1:
            parts.append(Module(names[positions[0]], positions[0], 1))
            continue
        makes = {prefix: at[prefix]} if prefix in at else ends.get(prefix, {prefix: positions[-1]})
        makes = {prefix: makes[prefix]} if prefix in makes else makes
        parts += [Module(name, last, len(positions)) for name, last in makes.items()]
    return sorted(parts, key=lambda m: m.last)


def modules_around(name: str) -> list[str]:
    """Return the modules that a layer is in, by its dotted name, the outermost first.

    Examples
    --------
    >>> modules_around("body.0.conv1"), modules_around("stem")
    (['body', 'body.0'], [])
    """
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def fitting_depth(names: Sequence[str], rows: int, returned: Mapping[str, str] | None = None) -> int:
    """Return the largest depth that leaves at most so many modules, or 1.

    Examples
    --------
    >>> fitting_depth(["a.0.x", "a.0.y", "a.1.x", "b"], 3)
    2
    """
    deepest = max((name.count(".") + 1 for name in names), default=1)
    return next((d for d in range(deepest, 1, -1) if len(modules(names, d, returned)) <= rows), 1)


def module_layers(network: Network, name: str) -> list[str]:
    """Return the layer of a name, or the layers that the module of that name returns, in all its calls.

    Of a network that does not say what its modules return (specs, the zoo), a module is the layers whose names begin
    with its name, and returns the last.

    Raises
    ------
    InputError
        With the nearest names of layers and modules.

    Examples
    --------
    >>> from rfscale.engine.network.network import Network
    >>> module_layers(Network.sequential({"name": "stem.conv", "kernel": 3}), "stem")
    ['stem.conv']
    """
    layers = [layer.name for layer in network.layers]
    if name in network:
        return [name]
    if isinstance(name, str):
        if name in network.modules:
            return [network.modules[name]]
        several = _several(network, name)
        if several:
            return list(dict.fromkeys(several.values()))
        inside = [layer for layer in layers if layer.startswith(f"{name}.")]
        if inside and not network.modules:
            return inside[-1:]
    known = {module for layer in layers for module in modules_around(layer)}
    known = set(network.modules) or known
    raise InputError(f"{network.name} has no layer {shown(name)}; {nearest(name, known | set(layers))}")


def layers_of(network: Network, names: Sequence[str]) -> list[str]:
    """Return the layers of several names of layers and modules, each once.

    Raises
    ------
    InputError
        For what is no sequence of names, none at all, and names that are not known.
    """
    if isinstance(names, str | Mapping) or not isinstance(names, Iterable) or getattr(names, "ndim", 1) != 1:
        remedy = f"give a list of names, such as {[layer.name for layer in network.layers[-1:]]}"
        raise InputError(argument=Parameter("layers"), value=names, remedy=remedy)
    found = list(dict.fromkeys(layer for name in names for layer in module_layers(network, name)))
    if not found:
        raise InputError((Parameter("layers"), " is empty"), remedy="name at least one map")
    return found


def module_layer(network: Network, name: str) -> str:
    """Return the layer of a name, or the one that the module of that name returns, as `module_layers`.

    Raises
    ------
    InputError
        Where a module returns several maps, too, with their names.
    """
    layers = module_layers(network, name)
    if len(layers) > 1:
        names = list(_several(network, name))
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        raise InputError(f"{name!r} of {network.name} is several maps; name one: {', '.join(names[:LISTED])}{more}")
    return layers[0]


def level_name(network: Network, layer: str) -> str:
    """Return the shortest name of a map as a level of a pyramid, such as p3 or neck:p3; empty where it has none.

    Examples
    --------
    >>> from rfscale.engine.network.network import Network
    >>> net = Network.from_dict({"layers": [{"name": "out", "kernel": 3}], "modules": {"neck:p3": "out", "a": "out"}})
    >>> level_name(net, "out")
    'neck:p3'
    """
    names = [name for name, of in network.modules.items() if of == layer and _LEVEL.search(name)]
    return min(names, key=len, default="")


def module_attributes(network: Network) -> dict[str, list[str]]:
    """Return the attrs by which tables over all layers fold them by module: ``module: layer``."""
    return {"modules": [f"{name}: {layer}" for name, layer in network.modules.items()]} if network.modules else {}


def _several(network: Network, name: str) -> dict[str, str]:
    """Names of the maps and calls of a module, with their layers."""
    starts = (f"{name}{CALL}", f"{name}{KEY}")
    own = {layer.name: layer.name for layer in network.layers if layer.name.startswith(starts)}
    return own | {key: layer for key, layer in network.modules.items() if key.startswith(starts)}
