"""The layers of a network as rules for any input size, of which a page works out other sizes than those it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import Plan
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.layer import Layer
from rfscale.engine.network.layer_sizes import (
    LARGE,
    added_entries,
    least_entries,
    modulus_of,
    proportion,
    size_after,
)
from rfscale.engine.network.ops import OPS

MOST_TAPS = 1 << 12  # of a rule
MOST_LISTED = 1 << 12  # sizes of maps that are listed one by one
Rule = dict[str, Any]


class _NoRuleError(Exception):
    """A layer that has no rule for any size."""


def program_of(plan: Plan) -> dict[str, Any]:
    """Return `layers`, each with sources and the number of a rule per axis, and `rules`; or why there are `missing`.

    Parameters
    ----------
    plan : Plan
        Of any finite size: which branches are dropped depends on no size.
    """
    network = plan.network
    rules: dict[str, int] = {}
    layers = []
    for step in plan.steps:
        numbers = None
        if OPS[step.layer.op].kind != "merge":
            try:
                made = [_rule(step.layer, axis) for axis in range(len(network.axes))]
            except _NoRuleError as error:
                return {"missing": f"{step.layer.name} ({step.layer.op}) {error}", "rules": [], "layers": []}
            numbers = [rules.setdefault(json.dumps(rule), len(rules)) for rule in made]
        spread = step.layer.name in network.global_layers[1]
        layers.append({"sources": list(step.sources), "rules": numbers, "spread": spread})
    return {"missing": "", "rules": [json.loads(rule) for rule in rules], "layers": layers}


def _rule(layer: Layer, axis: int) -> Rule:
    return {"size": _size_rule(layer, axis), "reads": _reads(layer, axis)}


def _size_rule(layer: Layer, axis: int) -> dict[str, Any]:
    """Entries after a map of n: `first[n - 1]`, of larger ones floor((n·mul + add) / div); 0: it takes no such map."""

    def after(n: int) -> int:
        try:
            return max(0, size_after(layer, axis, n))
        except InputError:
            return 0

    added = added_entries(layer, axis)
    div, mul = (1, 1) if added is not None else proportion(layer, axis, Fraction(1), Fraction(1))[:2]
    blocks = layer.op == "space_to_depth" or any(_numbers(layer.params.get("block"))[axis : axis + 1])
    multiple = modulus_of(layer, axis) if blocks else 1
    large = LARGE // (div * multiple) * div * multiple
    places = range(large, large + div * multiple, multiple)
    add = max(div * after(n) - mul * n for n in places)
    rule = {"mul": mul, "add": add, "div": div, "multiple": multiple}
    if any(after(n) != (n * mul + add) // div for n in places):
        raise _NoRuleError("has maps of sizes that follow no simple rule")
    return {**rule, "first": _first_sizes(layer, axis, after, rule)}


def _first_sizes(layer: Layer, axis: int, after: Callable[[int], int], rule: dict[str, int]) -> list[int]:
    """Sizes after small maps, up to the last that is not what the rule says."""
    p = layer.params
    reach = sum(int(v) for key in ("kernel", "padding", "amount") for v in _numbers(p.get(key)))
    span = p["kernel"][axis] * p["dilation"][axis] if "dilation" in p and "kernel" in p else 0
    last = least_entries(layer, axis) + 2 * (reach + span + rule["div"] * rule["multiple"]) + 8
    if last > MOST_LISTED:
        raise _NoRuleError(f"has a rule of its own for maps of up to {last} entries")
    listed = [after(n) for n in range(1, last + 1)]

    def ruled(n: int) -> int:
        return 0 if n % rule["multiple"] else max(0, (n * rule["mul"] + rule["add"]) // rule["div"])

    while listed and listed[-1] == ruled(len(listed)):
        listed.pop()
    return listed


def _numbers(value: Any) -> tuple[Any, ...]:
    return () if value is None or isinstance(value, str) else tuple(value)


def _reads(layer: Layer, axis: int) -> Rule | list[Rule]:
    """What an entry reads; of strided windows with TensorFlow's padding a list, by the remainder of the size."""
    op, p = OPS[layer.op], layer.params
    if op.kind == "global":
        return {"kind": "whole"}
    if op.kind == "one_way":
        return {"kind": "running", "earlier": bool(p["earlier"][axis]), "later": bool(p["later"][axis])}
    if not op.needs_size(p) or (layer.op == "flip" and not p["reverse"][axis]):
        return _table(op.axis_map(p, axis, 1 if op.needs_size(p) else None))
    if "kernel" in p:
        stride = int(p["stride"][axis])
        return [_table(op.axis_map(p, axis, stride + n)) for n in range(stride)]
    if layer.op == "crop" or layer.op == "flip":
        return {"kind": layer.op}
    if layer.op == "adaptive_pool":
        return {"kind": "adaptive"}
    if layer.op in ("resize", "upsample") and not p["antialias"]:
        return {"kind": "resample", "mode": p["mode"], "rounding": p["rounding"], "coordinates": _coordinates(p)}
    raise _NoRuleError("depends on the size of its map in a way that the page does not know")


def _coordinates(p: Any) -> str:
    usual = "asymmetric" if p["mode"] == "nearest" else "half_pixel"
    return "align_corners" if p["align_corners"] else p["coordinates"] or usual


def _table(axis_map: AxisMap) -> Rule:
    if sum(map(len, axis_map.taps)) > MOST_TAPS:
        raise _NoRuleError(f"reads more than {MOST_TAPS} entries")
    taps = [list(row) for row in axis_map.taps]
    return {"kind": "table", "up": axis_map.up, "down": axis_map.down, "taps": taps, "border": axis_map.border}
