"""Small programs of single ATen operators, run twice: by torch on images with a NaN, and by the reader's handlers."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch

import rfscale as rf
from rfscale.engine.readers.tensors.calls import check_result, guarded
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.layout import spatial
from rfscale.engine.readers.tensors.operators.settled import settle
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns
from rfscale.engine.readers.torch.aten import ops, window_ops
from rfscale.engine.readers.torch.registry import ATEN

FILLED_BY = ops, window_ops


class Ref(NamedTuple):
    """The value of an earlier step; the image has number 0. `part` is one of several that it returned."""

    step: int
    part: int | None = None


class Program:
    """Operators one after another. `call` returns what stands for the result in later calls."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.shape = shape
        self.generator = torch.Generator().manual_seed(seed)
        self.image = self.rand(*shape)
        self.steps: list[tuple[str, str, Any, Any]] = []
        self.values: list[Any] = [self.image]

    def rand(self, *shape: int) -> torch.Tensor:
        """Positive numbers."""
        return torch.rand(shape, dtype=torch.float64, generator=self.generator) + 0.5

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Append an operator, ``name`` or ``name.overload``, and run it."""
        made = _run((name, args, kwargs), self.values)
        self.steps.append((name.partition(".")[0], name, args, kwargs))
        self.values.append(made)
        number = len(self.values) - 1
        return [Ref(number, i) for i in range(len(made))] if isinstance(made, list | tuple) else Ref(number)

    def of(self, ref: Ref) -> torch.Tensor:
        """What torch made of a step."""
        return _picked(self.values, ref)

    def torch_result(self, image: torch.Tensor, ref: Ref) -> torch.Tensor:
        """What torch makes of another image."""
        values: list[Any] = [image]
        for _, name, args, kwargs in self.steps:
            values.append(_run((name, args, kwargs), values))
        return _picked(values, ref)

    def tracked(self, ref: Ref) -> tuple[rf.Network | None, Tracked | Constant]:
        """Network and tensor of a step by the reader's handlers; no network of a constant."""
        tracker, first, channels = image_tracker(self.shape)
        values: list[Any] = [first]
        for (name, _, args, kwargs), made in zip(self.steps, self.values[1:], strict=True):
            several = isinstance(made, list | tuple)
            shapes = [tuple(m.shape) for m in made] if several else tuple(made.shape)
            tracker.shape = shapes
            given, named = (_mapped(v, lambda r: _picked(values, r), _constant) for v in (args, kwargs))
            if not any(isinstance(v, Tracked) for v in _flat((given, named))):  # as readers do
                values.append([Constant(s) for s in shapes] if several else Constant(shapes))
                continue
            out = guarded(ATEN[name], tracker, *given, **named)
            check_result(out, shapes)
            values.append(out)
        out = _picked(values, ref)
        if isinstance(out, Constant):
            return None, out
        out = settle(tracker, out)
        return finished(tracker, "program", [out], channels, Unknowns(None, "torch")), out


def _run(step: Any, values: list[Any]) -> Any:
    name, args, kwargs = step
    base, _, overload = name.partition(".")
    packet = getattr(torch.ops.aten, base)
    function = getattr(packet, overload) if overload else packet
    given, named = (_mapped(v, lambda r: _picked(values, r), lambda t: t) for v in (args, kwargs))
    return function(*given, **named)


def _picked(values: list[Any], ref: Ref) -> Any:
    value = values[ref.step]
    return value if ref.part is None else value[ref.part]


def _mapped(value: Any, refs: Any, tensors: Any) -> Any:
    if isinstance(value, Ref):
        return refs(value)
    if isinstance(value, torch.Tensor):
        return tensors(value)
    if isinstance(value, list | tuple):
        return [_mapped(v, refs, tensors) for v in value]
    if isinstance(value, dict):
        return {key: _mapped(v, refs, tensors) for key, v in value.items()}
    return value


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [x for v in value for x in _flat(v)] if isinstance(value, list | tuple) else [value]


def _constant(tensor: torch.Tensor) -> Constant:
    return Constant(tuple(tensor.shape), tensor.numpy())


# judging ------------------------------------------------------------------------------------------------------------


def reads_by_nan(program: Program, ref: Ref) -> np.ndarray:
    """Which pixels each element of the result reads: bool (shape of the result…, pixels per axis…)."""
    size = program.shape[2:]
    reads = np.zeros((*program.of(ref).shape, *size), bool)
    for pixel in np.ndindex(*size):
        image = program.image.clone()
        image[(slice(None), slice(None), *pixel)] = torch.nan
        reads[(..., *pixel)] = torch.isnan(program.torch_result(image, ref)).numpy()
    return reads


def reads_by_gradient(program: Program, ref: Ref) -> np.ndarray:
    """The same by float64 autograd, for operators whose weights may be zero."""
    image = program.image.clone().requires_grad_()
    out = program.torch_result(image, ref)
    reads = np.zeros((*out.shape, *program.shape[2:]), bool)
    for index in np.ndindex(*out.shape):
        (gradient,) = torch.autograd.grad(out[index], image, retain_graph=True, allow_unused=True)
        if gradient is not None:
            reads[index] = (gradient.abs() > 1e-12).any(0).any(0).numpy()
    return reads


def entries(t: Tracked) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Elements of a tensor by the entry of the map that they hold; extra tokens are left out."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    places = [_places(dim, len(t.map)) for dim in t.dims]
    for index in itertools.product(*(range(n) for n in t.shape)):
        parts = [places[d][i] for d, i in enumerate(index)]
        if all(p is not None for p in parts):
            found.setdefault(tuple(map(sum, zip(*parts, strict=True))), []).append(index)
    return found


def _places(dim: Any, ndim: int) -> list[tuple[int, ...] | None]:
    if len(dim) == 1 and dim[0].inner:
        inside = _places(dim[0].inner, ndim)
        return [None] * dim[0].lead + inside + [None] * (dim[0].size - dim[0].lead - len(inside))
    out = []
    for index in itertools.product(*(range(f.size) for f in dim)):
        place = [0] * ndim
        for i, f in zip(index, dim, strict=True):
            if spatial((f,)):
                place[f.axis] += i * f.stride
        out.append(tuple(place))
    return out


def _shown(value: Any) -> str:
    """Arguments with steps as numbers and tensors as shapes."""
    if isinstance(value, Ref):
        return f"%{value.step}" + (f".{value.part}" if value.part is not None else "")
    if isinstance(value, torch.Tensor):
        return (
            "×".join(map(str, value.shape))
            if value.numel() > 9 or value.dtype.is_floating_point
            else str(value.tolist())
        )
    return ", ".join(map(_shown, value)) if isinstance(value, tuple | list) else str(value)


def judge(program: Program, ref: Ref, reads: Any = reads_by_nan, every: int = 1) -> rf.Network | None:
    """Compare the footprints of the reader's network with what torch reads, entry by entry."""
    net, out = program.tracked(ref)
    assert out.shape == tuple(program.of(ref).shape)
    wanted = reads(program, ref)
    if net is None:
        assert not wanted.any()
        return None
    size = program.shape[2:]
    (name,) = net.outputs
    for number, (entry, elements) in enumerate(entries(out).items()):
        if number % every:
            continue
        expected = np.any([wanted[e] for e in elements], axis=0)
        found = rf.footprint(net, name, entry, size).values
        if not np.array_equal(found, expected):
            steps = "; ".join(f"{full}({_shown(args)}{kwargs or ''})" for _, full, args, kwargs in program.steps)
            raise AssertionError(f"{steps}\nentry {entry}: {found.astype(int)}\nis {expected.astype(int)}")
    return net
