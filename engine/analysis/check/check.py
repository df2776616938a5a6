"""Check: what an expert would flag in a network, each with layer, figure, threshold and remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from rfscale.engine.analysis.check.context import Context
from rfscale.engine.analysis.check.detectors import DETECTORS
from rfscale.engine.analysis.check.rules import LEVELS, RULES, Findings, Limits, Rule
from rfscale.engine.errors import INPUT_SIZE, InputError, nearest, shown
from rfscale.engine.fields.given_fields import given_fields
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.network.network import check_size
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading


def check(
    network: NetworkLike,
    input_size: int | Sequence[int] | None = None,
    *,
    global_ops: GlobalOps = "include",
    limits: Mapping[str, Limits] | None = None,
    fields: Any = None,
    **reading: Unpack[Reading],
) -> Findings:
    """Return what an expert would flag, worst first, otherwise in depth order.

    Parameters
    ----------
    network : Network, or what `load` takes
    input_size : int or sequence of int, optional
        Pixels per axis; by default the network's own. Without any, the rules that need one are left out:
        beyond_input, wasted_growth, border_padding, padded_taps, dead_pixels.
    global_ops : {"include", "skip"}
        "skip" leaves out branches such as squeeze-and-excitation at merges.
    limits : mapping, optional
        Other limits for rules, (note, warning, error) each.
    fields : xr.Dataset, xr.DataArray or sequence of these, optional
        Fields of the model, measured or predicted, as from `effective_field` or `all_fields`: for the rules
        small_field and uneven_field.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    Findings
        A list of `Finding`.

    Raises
    ------
    InputError
        For an input size that the network cannot take, and unknown rules.

    Examples
    --------
    >>> import rfscale as rf
    >>> [(f.rule, f.level, f.layer) for f in check(rf.load("dilated5"))][:1]
    [('gridding', 'error', 'conv5')]
    >>> [f for f in check(rf.load("vgg16")) if f.level != "note"]
    []
    """
    network = as_network(network, reading, input_size)
    rules = dict(RULES)
    for name, values in (limits or {}).items():
        if name not in rules:
            raise InputError(f"limits: there is no rule {shown(name)}; {nearest(name, rules)}")
        old = rules[name]
        rules[name] = Rule(old.summary, old.figure, values, old.remedy, old.below)
    context = Context(
        network,
        check_size(input_size, len(network.axes), INPUT_SIZE) if input_size is not None else None,
        global_ops,
        rules,
        {} if fields is None else given_fields(network, fields),
    )
    found = [finding for detect in DETECTORS for finding in detect(context)]
    order = {layer.name: i for i, layer in enumerate(network.layers)} | {"input": -1}
    found.sort(key=lambda f: (-LEVELS.index(f.level), order[f.layer], f.rule))
    return Findings(found, network.name, [layer.name for layer in network.layers])
