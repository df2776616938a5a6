"""The document of the explorer: what its page draws of one network, as docs/formats.md describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import prod
from typing import Any, Unpack

from rfscale.engine.analysis.check.check import check
from rfscale.engine.analysis.check.rules import Finding
from rfscale.engine.analysis.explore.families import FamilyTable
from rfscale.engine.analysis.explore.fields import fields_of
from rfscale.engine.analysis.explore.figures import figures_at
from rfscale.engine.analysis.explore.holes import holes_of
from rfscale.engine.analysis.explore.objects import objects_of
from rfscale.engine.analysis.explore.program import program_of
from rfscale.engine.analysis.explore.tiling import tiling_of
from rfscale.engine.analysis.explore.tree import tree_of
from rfscale.engine.analysis.output_lines import output_lines
from rfscale.engine.analysis.tiling.tile_costs import padded_size
from rfscale.engine.errors import INPUT_SIZE, InputError, Parameter
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.network.modules import level_name, modules
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import provenance

FORMAT = 1  # of the document; a page draws those of its own number
USUAL_SIZE = {1: 1024, 2: 224, 3: 64}  # pixels per axis, by number of axes, where no size is known
MOST_PIXELS, MOST_ALONG = 1 << 22, 1 << 13  # of the larger size that is offered unasked


def explorer_document(
    network: NetworkLike,
    objects: Any = None,
    *,
    resize: str | None = None,
    input_size: int | Sequence[int] | None = None,
    more_sizes: Sequence[int | Sequence[int]] = (),
    global_ops: GlobalOps = "include",
    with_objects: bool = True,
    source: Mapping[str, Any] | None = None,
    **reading: Unpack[Reading],
) -> dict[str, Any]:
    """Return what the explorer draws of one network: numbers, texts and lists alone, ready for JSON.

    Parameters
    ----------
    network : Network, or what `load` takes
    objects : path, array, xr.Dataset or None
        As for `match`; None: COCO val2017. Networks of two axes have them.
    resize : str, optional
        What training does to the images of the objects; by default the page offers some usual rules.
    input_size : int or sequence of int, optional
        Pixels per axis; by default the network's own, or a usual size that it takes.
    more_sizes : sequence of (int or sequence of int)
        Further sizes that the page offers; by default a smaller and a larger one that the network takes.
    global_ops : {"include", "skip"}
    with_objects : bool
        Whether object sizes are part of it.
    source : mapping, optional
        Further arguments of `object_sizes`.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Raises
    ------
    InputError
        For an input size that the network does not take, and for objects that cannot be read.
    """
    net = as_network(network, reading, input_size)
    ndim = len(net.axes)
    first = _first_size(net, input_size)
    sizes = [check_size(more, ndim, Parameter("more_sizes")) for more in more_sizes] or _around(net, first)
    table, parts = FamilyTable(), _modules(net)
    views = [figures_at(net, size, global_ops, table) for size in dict.fromkeys([first, *sizes])]
    interior, why = _interior(net, global_ops, table)
    views += [interior] if interior else []
    figures_size = None if interior else sizes[0]  # a network without interior figures has those of its size
    outputs = [_output(net, name) for name in (*net.outputs, *_last_local(net, figures_size))]
    described = objects_of(net, objects, resize, figures_size, **source or {}) if with_objects and ndim == 2 else []
    return {
        "format": FORMAT,
        "kind": "network",
        "name": net.name,
        "axes": list(net.axes),
        "global_ops": global_ops,
        "notes": _notes(net, global_ops, why),
        "layers": _layers(net),
        "modules": parts,
        **tree_of([layer.name for layer in net.layers], parts),
        "outputs": outputs,
        "start": _first_shown(views[0], [output["layer"] for output in outputs]),
        "verdict": output_lines(net, figures_size, global_ops="skip"),
        "findings": [_finding(net, finding) for finding in check(net, global_ops=global_ops)],
        "holes": _holes(net, (interior or views[0])["figures"], outputs, figures_size),
        "halo": tiling_of(net, global_ops, views[0]["figures"]["is_global"]),
        "objects": described,
        "fields": _fields(net, resolve(net, figures_size, global_ops), global_ops),
        "program": program_of(resolve(net, first, global_ops)),
        "families": table.families,
        "shapes": table.shapes,
        "views": views,
        "made": {key: str(value) for key, value in provenance("explore", net).items()},
    }


def _first_size(net: Network, given: int | Sequence[int] | None) -> Size:
    if given is not None:
        return check_size(given, len(net.axes), INPUT_SIZE)
    if net.input_size is not None:
        return net.input_size
    return padded_size(net, (USUAL_SIZE[len(net.axes)],) * len(net.axes))


def _around(net: Network, first: Size) -> list[Size]:
    """Sizes of about half and twice the pixels along each axis that the network takes, where they are usual."""
    found = []
    for factor in (0.5, 2.0):
        try:
            size = padded_size(net, tuple(max(1, round(n * factor)) for n in first))
            net.map_sizes(size)
        except InputError:
            continue
        if prod(size) <= MOST_PIXELS and max(size) <= MOST_ALONG:
            found.append(size)
    return found


def _interior(net: Network, global_ops: GlobalOps, table: FamilyTable) -> tuple[dict[str, Any] | None, str]:
    """Figures without borders, or why there are none."""
    try:
        return figures_at(net, None, global_ops, table), ""
    except InputError as error:
        return None, str(error)


def _notes(net: Network, global_ops: GlobalOps, without_interior: str) -> list[str]:
    notes = [f"{op} is taken for {treatment}" for op, treatment in net.assumed.items()]
    notes += [f"left out: {what} ({reason})" for what, reason in net.left_out.items()]
    on_any_branch, on_every_branch = net.global_layers
    by_branch = len(on_any_branch - on_every_branch)
    if by_branch and global_ops == "include":
        notes.append(
            f"branches such as attention or squeeze-and-excitation make the receptive field of {by_branch} layers "
            "global; the lines above leave them out, and so do footprints with global_ops='skip'"
        )
    return notes + ([f"no figures without borders: {without_interior}"] if without_interior else [])


def _layers(net: Network) -> list[dict[str, Any]]:
    number = {layer.name: i for i, layer in enumerate(net.layers)}
    return [
        {"name": layer.name, "op": layer.op, "inputs": [number.get(source, -1) for source in layer.inputs]}
        for layer in net.layers
    ]


def _holes(
    net: Network, figures: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]], size: Size | None
) -> list[str]:
    """As the first lines, without branches that make the receptive field of an output global."""
    if any(figures["is_global"][output["layer"]] for output in outputs):
        figures = figures_at(net, size, "skip", FamilyTable())["figures"]
    return holes_of(net, figures, outputs)


def _finding(net: Network, finding: Finding) -> dict[str, Any]:
    names = [layer.name for layer in net.layers]
    at = names.index(finding.layer) if finding.layer in names else -1
    return asdict(finding) | {"value": None, "threshold": None, "at": at}


def _output(net: Network, name: str) -> dict[str, Any]:
    level = level_name(net, name)
    return {"layer": net.index(name), "name": f"{level} ({name})" if level else name}


def _first_shown(view: dict[str, Any], outputs: Sequence[int]) -> int:
    """The layer that the page shows at first: of the outputs, then of all from the last on, one that can be drawn."""
    terms, is_global = view["terms"], view["figures"]["is_global"]
    candidates = [*outputs, *reversed(range(len(terms)))]
    return next((i for i in candidates if terms[i] is not None and not is_global[i]), 0)


def _last_local(net: Network, size: Size | None) -> list[str]:
    """The last map without a global receptive field, of a network whose outputs have one: as `output_lines` has it."""
    steps = resolve(net, size, "skip").steps
    local = [step.layer.name for step in steps if not step.is_global]
    outputs = {net.layers[net.index(name)].name for name in net.outputs}
    return local[-1:] if any(step.is_global for step in steps if step.layer.name in outputs) else []


def _modules(net: Network) -> dict[str, int]:
    """The layer that every module returns: of several maps or calls the last."""
    names = [layer.name for layer in net.layers]
    found: dict[str, int] = {}
    for depth in range(1, max(name.count(".") for name in names) + 1):
        for module in modules(names, depth, net.modules):
            if module.layers > 1:
                base = module.name.partition(":")[0].partition("@")[0]
                found[base] = max(found.get(base, -1), module.last)
    return found


def _fields(net: Network, plan: Plan, global_ops: GlobalOps) -> dict[str, Any]:
    """Contours of outputs, of modules from the outer ones on, then of other layers."""
    ends = sorted(_modules(net).items(), key=lambda module: module[0].count("."))
    first = [net.index(name) for name in net.outputs] + [layer for _, layer in ends]
    size = plan.input_size
    return {"input_size": None if size is None else list(size), "of": fields_of(plan, first, global_ops)}
