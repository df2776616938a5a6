"""Operators that a reader does not know: listed all at once, or taken for what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors.calls import check_result, guarded
from rfscale.engine.readers.tensors.combined import common
from rfscale.engine.readers.tensors.layout import (
    UnreadableError,
    neutral,
    spatial,
    whole_axis,
    with_dim,
)
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.tracking import Stop, Tracked, Tracker, Unknown

WORDS = ("pointwise", "everything")
OPERATORS_WITH_NODE = 12  # of a message; of the further ones it has the names


class Unknowns:
    """What the user allows for unknown operators or nodes, and those that came up.

    Parameters
    ----------
    allowed : {"pointwise", "everything"}, mapping or None
    source : str
        "torch" or "ONNX", for messages.

    Attributes
    ----------
    found : list of Unknown
        What stands for each operator at which the analysis ends.
    assumed : dict
        What operators were taken for, as in `Network`.
    """

    def __init__(self, allowed: str | Mapping[str, Any] | None, source: str) -> None:
        if isinstance(allowed, str) and allowed not in WORDS:
            raise InputError(
                argument=Parameter("unknown"),
                value=allowed,
                remedy="it must be 'pointwise', 'everything' or a mapping by operator",
            )
        for op, treatment in allowed.items() if isinstance(allowed, Mapping) else ():
            several = isinstance(treatment, list | tuple) and bool(treatment)
            if not all(map(_is_treatment, treatment if several else [treatment])):
                raise InputError(
                    argument=Parameter("unknown", key=str(op)),
                    value=treatment,
                    remedy="it must be 'pointwise', 'everything', a layer such as "
                    "{'op': 'conv', 'kernel': 3, 'padding': 1}, or a list of these, one for each output",
                )
        self.allowed = allowed
        self.source = source
        self.found: list[Unknown] = []
        self.assumed: dict[str, str] = {}
        self.fitting = set(WORDS)  # what the message can offer

    def replace(
        self, tracker: Tracker, op: str, node: str, values: Sequence[Any], reason: str, shape_known: bool = True
    ) -> Any:
        """Return what stands for an operator that cannot be read: as the user says, or `Unknown`, where analysis ends.

        Parameters
        ----------
        tracker : Tracker
            With the shape of the result, or a list of the shapes of several.
        op, node : str
            Its operator and name, in torch after its module and a colon.
        values : sequence
            What it reads.
        reason : str
            Why it cannot be read; empty where nothing is known of the operator.
        shape_known : bool
            Whether the tracker has its shape.

        Returns
        -------
        Tracked, Unknown, or list of Tracked
            A list where the tracker has several shapes.

        Raises
        ------
        InputError
            Where what the user says of this operator or node cannot stand for it.
        """
        key, treatment = self._treatment(op, node)
        if treatment is not None:
            try:
                out = _stand_in(tracker, treatment, [v for v in values if isinstance(v, Tracked)], shape_known)
                self.assumed[key] = treatment if isinstance(treatment, str) else _written(treatment)
                return out
            except UnreadableError as error:
                wanted = treatment if isinstance(treatment, str) else "the layer given"
                reason = f"cannot be {wanted}: {error}"
                if isinstance(self.allowed, Mapping):
                    raise InputError(f"{op} (at {node}) {reason}", argument=Parameter("unknown", key=key)) from None
        if shape_known:
            self._leave_what_fits(tracker.shape, [v.shape for v in values if isinstance(v, Tracked)])
        stands = Unknown(tuple(values), Stop(node, op, reason))
        self.found.append(stands)
        return stands

    def _leave_what_fits(self, shape: Any, given: Sequence[Any]) -> None:
        """Of the words, keep those that can stand for an operator of that result and those inputs, as well."""
        if any(part not in given for part in _shapes(shape)):
            self.fitting.discard("pointwise")

    def _treatment(self, op: str, node: str) -> tuple[str, Any]:
        """What the user says of a node, by its name, its module or its operator, and under which of these."""
        if not isinstance(self.allowed, Mapping):
            return op, self.allowed
        parts = op.split(".")
        of_operator = (op, ".".join(parts[:2]), parts[1] if len(parts) > 1 else op, parts[-1])
        names = (node, *node.rsplit(":", 1)[::-1], *of_operator)
        found = next((n for n in names if n in self.allowed), None)
        if found is None:
            return op, None
        return op if found in of_operator else found, self.allowed[found]

    def error(self, name: str, stops: Sequence[Stop]) -> InputError:
        """Return the error that lists operators where nothing is left without them."""
        by_operator: dict[str, list[Stop]] = {}
        for stop in stops:
            by_operator.setdefault(stop.operator, []).append(stop)
        listed: list[str] = []
        for op, here in by_operator.items():
            if len(listed) >= OPERATORS_WITH_NODE:
                listed.append(op)
                continue
            times, reason = f" and {len(here) - 1} more" if len(here) > 1 else "", here[0].reason
            listed.append(f"{op} (at {here[0].node}{times}{': ' + reason if reason else ''})")
        problem = f"{name} has {self.source} operators that are not known: {'; '.join(listed)}"
        return InputError(problem, remedy=self.remedy(stops) or "take the part of the model before them")

    def remedy(self, stops: Sequence[Stop]) -> tuple[Any, ...]:
        """Return how to go on past operators, if there is a way: part of a text."""
        words = [w for w in WORDS if w in self.fitting]
        if not words:
            return ()
        offered = [part for w in words for part in (Parameter("unknown", w), ", ")]
        one_by_one = Parameter("unknown", {stops[0].operator: words[0]})
        return ("to go on, say what to take them for: ", *offered, "or one by one ", one_by_one)


def _is_treatment(treatment: Any) -> bool:
    is_layer = isinstance(treatment, Mapping) and OPS.get(str(treatment.get("op", "conv"))) is not None
    return treatment in WORDS or is_layer


def _written(treatment: Any) -> str:
    """What an operator was taken for, as a text."""
    return str(dict(treatment) if isinstance(treatment, Mapping) else list(treatment))


def _shapes(shape: Any) -> list[Any]:
    """Shapes of the tensors that an operator returns: of one, or of several."""
    return list(shape) if isinstance(shape, list) else [shape]


def _stand_in(k: Tracker, treatment: Any, values: list[Tracked], shape_known: bool) -> Any:
    """What stands for an operator: one tensor, or a list of as many as it returns."""
    shapes = _shapes(k.shape)
    several = isinstance(treatment, list | tuple)
    treatments = list(treatment) if several else [treatment] * len(shapes)
    if len(treatments) != len(shapes):
        raise UnreadableError(f"it returns {len(shapes)} tensors, and {len(treatments)} treatments are given")
    made = []
    for shape, one in zip(shapes, treatments, strict=True):
        tracker = replace(k, shape=shape)  # the same layers
        out = guarded(_one_stand_in, tracker, one, values, shape_known)
        if shape_known:
            check_result(out, shape)
        made.append(out)
    return made if isinstance(k.shape, list) else made[0]


def _one_stand_in(k: Tracker, treatment: Any, values: list[Tracked], shape_known: bool) -> Tracked:
    if treatment == "pointwise":
        same = [v for v in values if v.shape == k.shape]
        if not same:
            raise UnreadableError("it changes the shape")
        return k.merge("add", values, common([v.dims for v in values], k.shape))
    if treatment == "everything":
        return _whole_image(k, values)
    given = {key: v for key, v in treatment.items() if key not in ("op", "inputs", "name")}
    x, axes = sp.clean(k, values[0], len(values[0].map))
    op, first = treatment.get("op", "conv"), len(x.dims) - len(axes)
    if not shape_known:  # that of the layer
        size = k.after(x, op, x.dims, **given).map
        k.shape = (*x.shape[:first], *(n if a is None else size[a] for a, n in zip(axes, x.shape[first:], strict=True)))
    out = sp.write_along(k, x, axes, op, **given)
    return replace(out, dims=with_dim(out.dims, first - 1, neutral(k.shape[first - 1]))) if first else out


def _whole_image(k: Tracker, values: list[Tracked]) -> Tracked:
    seen = [k.after(replace(v, dims=()), "global_pool", ()) for v in values]
    out = k.merge("add", seen, ())
    same = next((v for v in values if v.shape == k.shape), None)
    ndim = len(k.image)
    if same is not None and any(map(spatial, same.dims)):
        return replace(k.after(out, "resize", (), size=same.map), dims=same.dims)
    if len(k.shape) == ndim + 2 and prod(k.shape[2:]) > 1:
        size = k.shape[2:]
        dims = (*map(neutral, k.shape[:2]), *(whole_axis(a, n) for a, n in enumerate(size)))
        return replace(k.after(out, "resize", (), size=size), dims=dims)
    return replace(out, dims=tuple(map(neutral, k.shape)))
