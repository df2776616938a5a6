"""Operators that sum products: linear layers, matrix products, einsum, attention."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.broadcasts import keys
from rfscale.engine.readers.tensors.layout import (
    NEUTRAL,
    Dim,
    UnreadableError,
    has_no_place,
    has_some_gone,
    is_alike,
    length,
    mixed,
    neutral,
    restrided,
    some_of,
    spatial,
    whole_axis,
    with_dim,
)
from rfscale.engine.readers.tensors.operators.extra_tokens import after_reading
from rfscale.engine.readers.tensors.operators.left_out import (
    NO_WEIGHT,
    Scores,
    known_numbers,
    weighed,
    weightless,
    without_entries,
)
from rfscale.engine.readers.tensors.operators.masked_scores import as_weights, turned
from rfscale.engine.readers.tensors.operators.moves import cumulate, in_each_window
from rfscale.engine.readers.tensors.relations import related
from rfscale.engine.readers.tensors.tracking import IMAGE_LAYER, Constant, Shape, Tracked, Tracker


def contract(
    k: Tracker, operands: Sequence[object], inputs: Sequence[str], output: str, shape: Shape | None = None
) -> Any:
    """Sum products over the labels that the output lacks, as einsum does; `shape` is that of the node by default."""
    shape = k.shape if shape is None else shape
    tracked = [(v, labels) for v, labels in zip(operands, inputs, strict=True) if isinstance(v, Tracked)]
    for c, labels in zip(operands, inputs, strict=True):
        if _has_zeros(c) and tracked:
            tracked = _without_zeros(k, c, labels, tracked, output)
    if not all(isinstance(t, Tracked) for t, _ in tracked):
        return Constant(shape)
    if k.turned:
        summed = [[d for d, label in enumerate(labels) if label not in output] for _, labels in tracked]
        tracked = [(turned(k, v, gone), labels) for (v, labels), gone in zip(tracked, summed, strict=True)]
    for at, (v, labels) in enumerate(tracked):
        if v.layer in k.masked:
            return weighed(k, v, labels, [*tracked[:at], *tracked[at + 1 :]], output)
    tracked = [(_in_windows(k, v, labels, tracked), labels) for v, labels in tracked]
    try:
        return _contract(k, tracked, output, shape)
    except UnreadableError:
        aligned = k.aligned([t for t, _ in tracked])
        if all(a is t for a, (t, _) in zip(aligned, tracked, strict=True)):
            raise
        return _contract(k, [(a, labels) for a, (_, labels) in zip(aligned, tracked, strict=True)], output, shape)


def _has_zeros(c: object) -> bool:
    """Whether some factors of a constant that is not trained are zero; not all: then it waits for values."""
    value = known_numbers(c) if isinstance(c, Constant) else None
    return value is not None and bool(value.any()) and not value.all()


def _without_zeros(
    k: Tracker, c: Any, labels: str, tracked: Sequence[tuple[Any, str]], output: str
) -> list[tuple[Any, str]]:
    """Tensors without what the zeros of a constant factor take out of a sum of products.

    Of zeros that no layers express those of weights count as any other number: zeros of a mask end the analysis.
    """
    kept: Any = np.asarray(c.value != 0)
    own = {x for _, others in tracked for x in others}
    for d, x in reversed(list(enumerate(labels))):
        some = kept.any(d, keepdims=True)
        if kept.shape[d] == 1 or (x not in own and (x not in output or (kept == some).all())):
            kept, labels = np.asarray(some.any(d)), labels.replace(x, "")
    for at, (t, others) in enumerate(tracked):
        if isinstance(t, Tracked) and set(labels) <= set(others):
            laid_out = kept.transpose(sorted(range(len(labels)), key=lambda i: others.index(labels[i])))
            gone = ~laid_out.reshape([n if x in labels else 1 for x, n in zip(others, t.shape, strict=True)])
            return [*tracked[:at], (without_entries(k, t, gone), others), *tracked[at + 1 :]]
    if len(labels) == 2 and len(tracked) == 1 and len(kept) == len(kept.T):
        ((t, others),) = tracked
        table, new, old = (kept, labels[0], labels[1]) if labels[1] in others else (kept.T, labels[1], labels[0])
        dim: Dim = t.dims[others.index(old)] if old in others and old not in output else ()
        if len(dim) == 1 and dim[0].axis != NEUTRAL and dim == whole_axis(dim[0].axis, t.map[dim[0].axis]):
            with suppress(UnreadableError):
                return [(related(k, t, dim[0].axis, table), others.replace(old, new))]
    of_axes = any(x in labels and spatial(dim) for t, others in tracked for x, dim in zip(others, t.dims, strict=True))
    if of_axes and _is_mask(np.abs(c.value)):
        raise UnreadableError("a constant takes out some of the factors of an axis over which it sums")
    return list(tracked)


def _is_mask(value: np.ndarray) -> bool:
    """Whether all numbers of an array but its zeros are one, or those of each row or column, as of averages."""
    tops = (value.max(axis, keepdims=True) for axis in (None, -1, 0))
    return any((np.where(value == 0, top, value) == top).all() for top in tops)


def _in_windows(k: Tracker, t: Tracked, labels: str, others: Sequence[tuple[Tracked, str]]) -> Tracked:
    """A map that is multiplied by each window of another map, as one of that size; any other tensor as it is."""
    for other, own in others:
        for d, label in enumerate(labels):
            windows = other.dims[own.index(label)] if label in own and other.map != t.map else ()
            if len(windows) and all(f.axis != NEUTRAL and not f.inner for f in windows):
                found = in_each_window(k, t, d, windows, other.map)
                if found is not None:
                    return found
    return t


def _check_all_there(tracked: Sequence[tuple[Tracked, str]], output: str) -> None:
    """Check that no sum over an axis has factors of which a constant took some out: it does not read all entries."""
    summed = [(x, dim) for t, own in tracked for x, dim in zip(own, t.dims, strict=True) if x not in output]
    of_axes = {x for x, dim in summed if spatial(dim)}
    if any(x in of_axes and has_some_gone(dim) for x, dim in summed):
        raise UnreadableError("a constant takes out some of the factors of an axis over which it sums")


def _contract(k: Tracker, tracked: Sequence[tuple[Tracked, str]], output: str, shape: Shape) -> Tracked:
    _check_all_there(tracked, output)
    held: dict[str, Any] = {}
    parts: list[Tracked] = []
    read: list[tuple[Tracked, Tracked, str]] = []
    lost: dict[str, Dim] = {}
    of_keys: Any = None
    for n, (t, labels) in enumerate(tracked):
        gone = []
        for d, label in enumerate(labels):
            held_here = {(f.axis, f.stride) for f in spatial(t.dims[d])}
            others = {(f.axis, f.stride) for x, dim in held.items() if x != label for f in spatial(dim)}
            if label not in output or held_here & others:
                gone.append(d)
                if label in output:
                    lost[label] = keys(k, t, d)
                    of_keys = label, n, d, gone
        part = k.reduce(t, gone, shrink=len(tracked) == 1)
        for d, label in enumerate(labels):
            if label in output and spatial(part.dims[d]):
                held.setdefault(label, part.dims[d])
        parts.append(part)
        read.append((t, part, labels))
    here = [(x, dim) for _, part, labels in read for x, dim in zip(labels, part.dims, strict=True)]
    lost |= {x: dim for x, dim in here if has_no_place(dim)}
    if lost.keys() & held.keys():
        raise UnreadableError("it combines entries whose place on the map is not known with those of a map")
    unlike = {x: mixed(length(dim)) for x, dim in here if not spatial(dim) and not is_alike(dim) and x not in lost}
    unlike |= {x: mixed(length(dim), some_gone=True) for x, dim in here if x in unlike and has_some_gone(dim)}
    if unlike.keys() & held.keys():
        raise UnreadableError("it combines the entries of a map with others that hold different maps, or nothing")
    for t, part, labels in read:
        for x, dim in zip(labels, part.dims, strict=True):
            if x in held and spatial(dim):
                reached = [b for _, b, own in read if not (x in own and spatial(b.dims[own.index(x)]))]
                held[x] = after_reading(k, held[x], t, reached)
    dims = tuple(held.get(x) or lost.get(x) or unlike.get(x) or neutral(n) for x, n in zip(output, shape, strict=True))
    inside = {s for p in parts if p.layer >= 0 for s in _contained(k, p.layer)}
    out = k.merge("add", [p for p in parts if p.layer not in inside], dims)
    if of_keys and len(tracked) == 2 and len(lost) == 1:
        label, n, d, gone = of_keys
        out = _numbered(k, out, output.index(label), read[1 - n][1], tracked[n][0], d, gone)
    if len(parts) == 1:
        k.products.add(out.layer)
    if of_keys and len(tracked) == 2:
        k.turned.setdefault((out.layer, out.dims), lambda: _contract(k, tracked[::-1], output, shape))
    return out


def _numbered(k: Tracker, out: Tracked, at: int, query: Tracked, key: Tracked, d: int, gone: Sequence[int]) -> Tracked:
    """Scores whose dim of all keys at once has a number that says which they are."""
    dim = out.dims[at]
    others = [e for e in gone if e != d]
    if len(dim) != 1 or any(f.inner for f in key.dims[d]) or any(spatial(key.dims[e]) for e in others):
        return out
    k.scores.append(Scores(query, key, key.dims[d], out.layer))
    return replace(out, dims=with_dim(out.dims, at, (dim[0]._replace(number=len(k.scores)),)))


def _contained(k: Tracker, layer: int) -> tuple[int, ...]:
    """Layers whose entries those of a window or a sum surely hold."""
    draft = k.drafts[layer]
    return draft.sources if draft.op in ("window_attention", "add") else ()


def weighted(
    k: Tracker, t: Tracked, dim: int, inputs: int, outputs: int, groups: int = 1, bias: bool = True
) -> Tracked:
    """A linear layer over one dim: a 1×1 convolution, one with kernel = stride, or one over the whole map."""
    dim %= len(t.dims)
    factors = spatial(t.dims[dim])
    made = some_of(t.dims[dim], outputs) if groups > 1 and not factors else neutral(outputs)
    dims = with_dim(t.dims, dim, made)
    given: dict[str, Any] = {"channels": outputs, "bias": bias, **({"groups": groups} if groups > 1 else {})}
    before = inputs // prod(f.size for f in factors)
    if not factors:
        return k.after(t, "conv", dims, before, kernel=1, **given)
    if groups > 1:
        raise UnreadableError("a grouped convolution over channels that hold pixels")
    rest = any(spatial(x) for x in dims)
    seen = [prod(f.size for f in factors if f.axis == a) for a in range(len(t.map))]
    if not rest and all(s == n or n == 1 for s, n in zip(seen, t.map, strict=True)):
        return k.after(t, "linear", dims, inputs // prod(t.map), **given)
    if all(f.stride == 1 for f in factors) and len({f.axis for f in factors}) == len(factors):
        return k.after(t, "conv", restrided(dims, seen), before, kernel=seen, stride=seen, **given)
    return k.after(k.mix(t, factors), "conv", dims, None, kernel=1, channels=outputs)


def matmul(k: Tracker, a: Any, b: Any, bias: bool = False) -> Tracked:
    """Matrix product as numpy has it; by constant weights a linear layer."""
    ra, rb = len(a.shape), len(b.shape)
    if isinstance(a, Tracked) and isinstance(b, Constant) and rb == 2 and not (spatial(a.dims[-1]) and _has_zeros(b)):
        return weighted(k, a, -1, b.shape[0], b.shape[1], bias=bias)
    batch = "abcdefgh"[: max(ra, rb, 2) - 2]
    left = batch[len(batch) - ra + 2 :] + "mk" if ra > 1 else "k"
    right = batch[len(batch) - rb + 2 :] + "kn" if rb > 1 else "k"
    return contract(k, [a, b], [left, right], batch + ("m" if ra > 1 else "") + ("n" if rb > 1 else ""))


def einsum(k: Tracker, equation: str, values: Sequence[Any]) -> Tracked:
    """Einsum, with dots or without, its output given or not."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    free = [c for c in ascii_letters if c not in equation]
    hidden = [len(v.shape) - len(x) + 3 if "..." in x else 0 for v, x in zip(values, inputs, strict=True)]
    dots = "".join(free[: max(hidden)])
    inputs = [x.replace("...", dots[len(dots) - n :]) for x, n in zip(inputs, hidden, strict=True)]
    if not arrow:  # what is in one place only, in the order of the alphabet
        letters = "".join(inputs)
        output = "..." + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    if any(len(set(x)) < len(x) for x in inputs):
        raise UnreadableError(f"einsum {equation!r} takes a diagonal")
    return contract(k, values, inputs, output.replace("...", dots))


def tensordot(k: Tracker, a: Any, b: Any, of_a: Sequence[int], of_b: Sequence[int]) -> Tracked:
    """Sum products over pairs of dims; the other dims of `a` come first."""
    left = list(ascii_letters[: len(a.shape)])
    right = list(ascii_letters[len(left) : len(left) + len(b.shape)])
    for i, j in zip(of_a, of_b, strict=True):
        right[j] = left[i]
    gone = {left[i] for i in of_a}
    output = "".join(x for x in left + right if x not in gone)
    return contract(k, [a, b], ["".join(left), "".join(right)], output)


# attention -----------------------------------------------------------------------------------------------------------


def attend(k: Tracker, q: Any, key: Any, v: Any, mask: Any = None, causal: bool = False) -> Tracked:
    """Attention of queries to keys along the last dim but one.

    A mask whose values are not known leaves all.
    """
    if causal:
        return _one_way(k, q, key, v)
    batch = "abcdefgh"[: len(q.shape) - 2]
    weights: Any = Constant((*q.shape[:-1], key.shape[-2]))
    if isinstance(q, Tracked) or isinstance(key, Tracked):
        weights = contract(k, [q, key], [batch + "qe", batch + "ke"], batch + "qk", weights.shape)
    read_anyway = isinstance(mask, Tracked) and _is_read(k, mask, (q, key, v))
    if isinstance(mask, Tracked) and not read_anyway:
        weights = k.elementwise([weights, mask], shape=weights.shape)
    elif isinstance(mask, Constant) and mask.value is not None and not mask.varies:
        value = np.asarray(mask.value)
        truth = value.dtype == bool
        if isinstance(weights, Tracked) and any(map(has_no_place, weights.dims)):
            gone = ~value if truth else weightless(weights, value)
            weights = as_weights(k, without_entries(k, weights, gone))
        elif (~value if truth else value <= NO_WEIGHT).any():
            raise UnreadableError("its mask leaves out some keys")
    out = contract(k, [weights, v], [batch + "qk", batch + "kf"], batch + "qf")
    if not read_anyway:
        return out
    return k.merge("add", [out, k.reduce(mask, [d for d, dim in enumerate(mask.dims) if spatial(dim)])], out.dims)


def _is_read(k: Tracker, mask: Tracked, operands: Sequence[Any]) -> bool:
    """Whether each query reads all that a mask depends on anyway: it reads all entries of the layer of its keys."""
    if not all(isinstance(t, Tracked) for t in operands) or len({k.base(t.layer) for t in operands}) > 1:
        return False
    key = operands[1]
    held = [d for d, dim in enumerate(key.dims) if spatial(dim)]
    if held != [len(key.dims) - 2] or prod(f.size for f in spatial(key.dims[-2])) != prod(key.map):
        return False
    reached = {k.base(key.layer), *(n for f in key.dims[-2] for n in f.extra if n >= 0)}
    todo, met = [mask.layer], set(reached)
    while todo:
        layer = todo.pop()
        if layer not in met:
            if layer == IMAGE_LAYER:
                return False
            met.add(layer)
            todo += k.drafts[layer].sources
    return True


def _one_way(k: Tracker, q: Any, key: Any, v: Any) -> Tracked:
    if not all(isinstance(t, Tracked) and t.dims[-2] == q.dims[-2] for t in (q, key, v)):
        raise UnreadableError("it attends one way to another sequence")
    shape = (*k.shape[:-1], 1)
    parts = [k.reduce(t, [-1], shrink=False) for t in (q, key, v)]
    seen = cumulate(k, k.elementwise(parts, shape=shape), len(shape) - 2)
    out: Tracked = k.elementwise([seen], shape=k.shape)
    return out
