"""What may become of scores of which a mask leaves some, until they weigh values: operators by their names.

Before softmax what is left out is far below zero, afterwards it is zero. Whatever might change that, or exchange keys,
ends the analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import (
    UnreadableError,
    as_weights_of,
    has_no_place,
    length,
    scores_of,
    spatial,
    with_dim,
)
from rfscale.engine.readers.tensors.operators.entries import merged_layers
from rfscale.engine.readers.tensors.operators.left_out import known_numbers, with_weight
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker

# in lower case, as torch and ONNX have them
KEEP = frozenset(
    """alias clone contiguous detach lift_fresh to type_as _to_copy cast castlike identity dropout native_dropout
    """.split()
)
MOVE = frozenset(
    """view reshape _unsafe_view _reshape_alias expand unsqueeze squeeze flatten unflatten transpose permute t
    split chunk unbind select
    """.split()
)
SOFTMAX = frozenset("softmax _softmax _safe_softmax _masked_softmax".split())
WEIGH = frozenset("matmul bmm mm einsum".split())
OF_WEIGHTS = frozenset("mean sum reducemean reducesum nan_to_num isnan".split())
TIMES = frozenset("mul multiply div divide true_divide".split())
CHOOSE = frozenset("where masked_fill".split())
MOST_ADDED = 1e3  # to scores of which some have no weight


def check_masked(k: Tracker, name: str, values: Iterable[Any]) -> None:
    """Check that an operator leaves what a mask leaves out of scores as it is.

    Raises
    ------
    UnreadableError
        Where it may give weight to what is left out.
    """
    if not k.masked:
        return
    values = list(values)
    held = [v for v in values if isinstance(v, Tracked) and v.layer in k.masked]
    if not held:
        return
    lows = [k.masked[t.layer].low for t in held]
    others = [v for v in values if not isinstance(v, Tracked)]
    if not _is_kept(k, name.lower(), values[0], held, lows, others):
        raise UnreadableError(f"{name} may give weight to what its mask leaves out")


def _is_kept(
    k: Tracker, name: str, first: Any, held: Sequence[Tracked], lows: Sequence[float], others: Sequence[Any]
) -> bool:
    if name in KEEP:
        return True
    if name in MOVE:
        return _keeps_keys(k, name, held[0])
    if not any(lows):
        if name in TIMES:  # sums over keys have one entry for all of them
            factors = held if name[0] == "m" else [v for v in held if v is first]
            return any(t.shape[-1:] == tuple(k.shape[-1:]) for t in factors)
        return name in WEIGH | OF_WEIGHTS | SOFTMAX or (name in CHOOSE and all(map(_is_nothing, others)))
    if len(held) > 1:
        return False
    if name == "add":
        return all((n <= MOST_ADDED).all() for v in others if (n := known_numbers(v)) is not None)
    if name in CHOOSE:
        return True  # another mask: what reads it decides
    if name in TIMES:
        return all(_keeps_low(known_numbers(v), lows[0], name[0] == "m") for v in others if v is not None)
    return name in SOFTMAX


def _keeps_keys(k: Tracker, name: str, t: Tracked) -> bool:
    """Whether the last dim, of all keys, is as long as it was."""
    if name in ("transpose", "permute", "t", "split", "chunk", "unbind", "select"):
        shapes = k.shape if isinstance(k.shape, list) else [k.shape]
        return all(len(s) > 0 and s[-1] == t.shape[-1] for s in shapes)
    return bool(len(k.shape)) and k.shape[-1] == t.shape[-1] and not spatial(t.dims[-1])


def _is_nothing(value: Any) -> bool:
    """Whether a constant among the arguments is zero, or says only where."""
    known = known_numbers(value)
    return known is not None and (known.dtype == bool or not known.any())


def _keeps_low(value: Any, low: float, times: bool) -> bool:
    """Whether a number that scores are multiplied or divided by leaves those far below zero there."""
    if value is None or value.size != 1 or not value.item() > 0:
        return False
    return low == -np.inf or bool(value.item() >= 1 if times else value.item() <= 1)


def softmaxed(k: Tracker, x: Tracked, which: Iterable[int]) -> Tracked:
    """Scale every entry by what some dims hold together, as softmax does: scores become weights."""
    which = [d % len(x.dims) for d in which]
    x = turned(k, x, which)
    if k.low and any(spatial(x.dims[d]) for d in which) and not k.low.isdisjoint(merged_layers(k, x.layer)):
        raise UnreadableError("its softmax leaves out entries that are far below zero")
    if x.layer in k.masked and not (len(which) == 1 and has_no_place(x.dims[which[0]])):
        raise UnreadableError("it takes softmax of masked scores along others than their keys")
    if x.layer in k.masked and not k.masked[x.layer].low:  # softmax gives weight to zeros
        x = with_weight(k, x)
    out = k.statistic(x, which)
    number = scores_of(x.dims[which[0]]) if len(which) == 1 and x.layer not in k.masked else 0
    if number:
        out = replace(out, dims=with_dim(out.dims, which[0], as_weights_of(length(x.dims[which[0]]), number)))
    return as_weights(k, out)


def turned(k: Tracker, x: Tracked, which: Sequence[int]) -> Tracked:
    """Scores with their keys along a dim, over which the model sums; any other tensor as it is."""
    if k.turned and len(which) == 1 and spatial(x.dims[which[0]]) and (x.layer, x.dims) in k.turned:
        return k.turned[x.layer, x.dims]()
    return x


def as_weights(k: Tracker, t: Any) -> Any:
    """Masked scores after softmax; any other tensor as it is."""
    if not isinstance(t, Tracked) or t.layer not in k.masked:
        return t
    layer = k.emit("pointwise", k.drafts[t.layer].sources)  # a layer that no other tensor has
    k.masked[layer] = k.masked[t.layer]._replace(low=0)
    return Tracked(layer, t.map, t.dims)
