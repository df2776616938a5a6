"""Tables of the networks by name, and of the layers of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.engine.network.ops import OPS
from rfscale.sweeps.report.terminal import Column, Table, folded, per_axis

if TYPE_CHECKING:
    from rfscale.engine.network.layer import Layer
    from rfscale.engine.network.network import Network

# the zoo ------------------------------------------------------------------------------------------------------------


def zoo_table() -> Table:
    """Return the table of all networks that come along."""
    from rfscale.engine.zoo.registry import NETWORKS

    entries = NETWORKS.values()
    return folded(
        [Column("name", [e.name for e in entries], "left"), Column("network", [e.summary for e in entries], "left")]
    )


def zoo_entries() -> dict[str, Any]:
    """Return the networks by name as data: of each its name, what it is, and where it comes from."""
    from rfscale.engine.version import SOFTWARE
    from rfscale.engine.zoo.registry import NETWORKS

    entries = [{"name": e.name, "network": e.summary, "citation": e.citation} for e in NETWORKS.values()]
    return {"attrs": {"software": SOFTWARE}, "records": entries}


def layer_report(name: str, network: Network) -> list[Any]:
    """Return what `rfscale networks NAME` prints: source, parameters, and the layers."""
    import inspect

    from rfscale.engine.zoo.registry import NETWORKS

    lines: list[Any] = []
    if name in NETWORKS:
        entry = NETWORKS[name]
        takes = [
            f"{p.name}={p.default!r}"
            for p in inspect.signature(entry.build).parameters.values()
            if p.default is not p.empty and p.name != "name"
        ]
        lines += [f"{entry.name}: {entry.summary}", f"from {entry.citation}", f"parameters: {', '.join(takes)}"]
    sizes = network.map_sizes() if network.input_size else {}
    columns = [
        Column("layer", [layer.name for layer in network.layers], "left"),
        Column("op", [layer.op for layer in network.layers], "left"),
        *(
            Column(key, [_param(layer, key) for layer in network.layers], quiet=("",))
            for key in ("kernel", "stride", "dilation", "padding")
        ),
        Column("other", [_others(layer) for layer in network.layers], "left", quiet=("",)),
        Column("map", [per_axis(sizes[x.name]) if sizes else "–" for x in network.layers], quiet=("–",)),
        Column("channels", [_param(layer, "channels") for layer in network.layers], quiet=("",)),
        Column("reads", [", ".join(layer.inputs) for layer in network.layers], "left"),
    ]
    table = folded(columns)
    size = f"input {per_axis(network.input_size)}" if network.input_size else "no input size"
    return [*lines, f"{len(network)} layers, {size}, outputs {', '.join(network.outputs)}", table]


def _param(layer: Layer, key: str) -> str:
    value = layer.params.get(key, "")
    return per_axis(value) if isinstance(value, tuple) else str(value)


def _others(layer: Layer) -> str:
    """Parameters without a column of their own, where they are not the default."""
    shown = {"kernel", "stride", "dilation", "padding", "channels", "bias", "groups"}
    known = OPS[layer.op].params
    cells = []
    for key in layer.params:
        default = known[key].default if key in known else None
        cell = _param(layer, key)
        if key not in shown and cell != str(default):
            cells.append(f"{key} {cell}")
    return ", ".join(cells)
