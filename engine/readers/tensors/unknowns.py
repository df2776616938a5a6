"""Operators that a reader does not know: listed all at once, or taken for what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors import spatial_ops as sp
from rfscale.engine.readers.tensors.layout import UnreadableError, common, neutral, spatial, whole_axis, with_dim
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker, Unknown, check_result

WORDS = ("pointwise", "everything")
OPERATORS_WITH_NODE = 12  # of a message; of the further ones it has the names


class Unknowns:
    """What the user allows for unknown operators or nodes, and those that came up.

    Parameters
    ----------
    allowed : {"pointwise", "everything"}, mapping or None
    source : str
        "torch" or "ONNX", for messages.
    """

    def __init__(self, allowed: str | Mapping[str, Any] | None, source: str) -> None:
        if isinstance(allowed, str) and allowed not in WORDS:
            raise InputError(
                argument=Parameter("unknown"),
                value=allowed,
                remedy="it must be 'pointwise', 'everything' or a mapping by operator",
            )
        for op, treatment in allowed.items() if isinstance(allowed, Mapping) else ():
            is_layer = isinstance(treatment, Mapping) and OPS.get(str(treatment.get("op", "conv"))) is not None
            if treatment not in WORDS and not is_layer:
                raise InputError(
                    argument=Parameter("unknown", key=str(op)),
                    value=treatment,
                    remedy="it must be 'pointwise', 'everything' or a layer such as "
                    "{'op': 'conv', 'kernel': 3, 'padding': 1}",
                )
        self.allowed = allowed
        self.source = source
        self.found: dict[str, list[tuple[str, str]]] = {}
        self.assumed: dict[str, str] = {}
        self.fitting = set(WORDS)  # what the message can offer

    def replace(
        self, tracker: Tracker, op: str, node: str, values: Sequence[Any], reason: str, shape_known: bool = True
    ) -> Any:
        """Return what stands for an operator that cannot be read: as the user says, or `Unknown` for the list.

        `node` is its name, in torch after its module and a colon; `shape_known` whether the tracker has its shape.
        """
        key, treatment = self._treatment(op, node)
        if treatment is not None:
            try:
                out = _stand_in(tracker, treatment, [v for v in values if isinstance(v, Tracked)], shape_known)
                if shape_known:
                    check_result(out, tracker.shape)
                self.assumed[key] = treatment if isinstance(treatment, str) else str(dict(treatment))
                return out
            except UnreadableError as error:
                wanted = treatment if isinstance(treatment, str) else "the layer given"
                reason = f"cannot be {wanted}: {error}"
        if shape_known:
            self._leave_what_fits(tracker.shape, [v.shape for v in values if isinstance(v, Tracked)])
        self.found.setdefault(op, []).append((node, reason))
        return Unknown()

    def _leave_what_fits(self, shape: Any, given: Sequence[Any]) -> None:
        """Of the words, keep those that can stand for an operator of that result and those inputs, as well."""
        if shape and not isinstance(shape[0], int):  # several tensors
            self.fitting.clear()
        elif shape not in given:
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

    def check(self, name: str) -> None:
        """Raise InputError if any operator stayed unknown: one line that lists them all."""
        if not self.found:
            return
        listed: list[str] = []
        for op, nodes in self.found.items():
            node, reason = nodes[0]
            if len(listed) >= OPERATORS_WITH_NODE:
                listed.append(op)
                continue
            times = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
            listed.append(f"{op} (at {node}{times}{': ' + reason if reason else ''})")
        first, word = next(iter(self.found)), next((w for w in WORDS if w in self.fitting), None)
        words = [part for w in WORDS if w in self.fitting for part in (Parameter("unknown", w), ", ")]
        remedy: tuple[Any, ...] = ("take the part of the model before them",)
        if word is not None:
            one_by_one = ("or one by one ", Parameter("unknown", {first: word}))
            remedy = ("to go on, say what to take them for: ", *words, *one_by_one)
        raise InputError(f"{name} has {self.source} operators that are not known: {'; '.join(listed)}", remedy=remedy)


def _stand_in(k: Tracker, treatment: Any, values: list[Tracked], shape_known: bool) -> Any:
    if k.shape and not isinstance(k.shape[0], int):
        raise UnreadableError("it returns several tensors")
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
