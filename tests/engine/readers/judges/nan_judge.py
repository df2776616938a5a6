"""Seeded entries of any model that runs, judged by the model itself: pixels that are not a number, and finite changes.

The footprint of an entry is right if nothing outside of it matters, and each pixel inside does. The first is one run
with every pixel outside not a number; the second one run for each of some pixels inside, among them its first and last
rows and columns. Not-a-number spreads further than values do (a masked score is one too) and ends at a comparison:
what it says against a footprint counts only if finite changes of those pixels say it, too.

Where the entries of a map are in a tensor (windows, tokens in an order of the model's own) is what the reader makes of
the module: a footprint at a place that it has wrong is found wrong, and a tensor that does not hold each entry of its
map, or not by itself, is not judged.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch

import rfscale as rf
from rfscale.engine.readers.tensors.layout import NEUTRAL, Dim, Dims, has_no_place, length, spatial
from rfscale.engine.readers.tensors.naming import Returned
from rfscale.engine.readers.tensors.tracking import Joined, single_maps
from rfscale.engine.readers.torch.trace import run as trace
from rfscale.engine.readers.torch.trace.module_calls import tensors
from tests.engine.readers.judges.kept_state import state_restored
from tests.engine.readers.judges.shared_values import Values

INSIDE = 5  # pixels inside a footprint that are changed, one at a time
TOGETHER = 3 * 300**2  # numbers of an image of which several are run at once
TRIES = 3  # finite changes of different size
SMALL = 0.01  # of all parameters, where the model's own overflow


Key = tuple[str, int, str]  # of a tensor: module, call, position in what the call returns


class Verdict(NamedTuple):
    """How many entries were compared, and what differs: "layer entry: why"."""

    compared: int
    differing: list[str]


class Held(NamedTuple):
    """A map that a tensor holds: where it starts along one dim, and how the dims hold its axes."""

    returned: Returned
    dims: Dims
    dim: int = 0
    first: int = 0

    def is_complete(self, size: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Whether each entry of a map of this size has a place of its own in a tensor of this shape."""
        held = [length(dim) for dim in self.dims]
        fits = len(held) == len(shape) and all(
            n == m or (d == self.dim and self.first + n <= m) for d, (n, m) in enumerate(zip(held, shape, strict=True))
        )
        known = not any(has_no_place(dim) or any(f.inner for f in dim) for dim in self.dims)
        return fits and known and all(_is_complete(self.dims, axis, n) for axis, n in enumerate(size))


Maps = dict[Key, list[Held]]


class Place(NamedTuple):
    """A map of the network, and the tensor that holds it."""

    key: Key
    layer: str
    size: tuple[int, ...]
    held: Held

    def entry(self, value: torch.Tensor, entry: tuple[int, ...]) -> torch.Tensor:
        """Everything that a tensor holds at an entry."""
        for d, dim in enumerate(self.held.dims):
            first = self.held.first if d == self.held.dim else 0
            value = value.index_select(d, torch.from_numpy(first + _positions(dim, entry)))
        return value.flatten()


def _is_complete(dims: Dims, axis: int, size: int) -> bool:
    """Whether the parts of an axis count its entries: the lowest from 1 to 1, each other in steps of all below it."""
    parts = sorted((f.stride, f.size) for dim in dims for f in spatial(dim) if f.axis == axis and f.size > 1)
    steps = list(accumulate((n for _, n in parts), int.__mul__, initial=1))
    return [stride for stride, _ in parts] == steps[:-1] and steps[-1] == size


def _positions(dim: Dim, entry: tuple[int, ...]) -> np.ndarray:
    """The positions along a dim that hold an entry of the map, as far as this dim decides."""
    at = [slice(None) if f.axis == NEUTRAL else entry[f.axis] // f.stride % f.size for f in dim]
    return np.arange(length(dim)).reshape([f.size for f in dim])[tuple(at)].reshape(-1)


def judge_model(
    module: torch.nn.Module,
    network: rf.Network,
    shape: tuple[int, ...],
    entries: int = 3,
    seed: int = 0,
    call: Callable[[torch.nn.Module, torch.Tensor], Any] | None = None,
    held: Maps | None = None,
    *,
    copied: bool = True,
    kind: torch.dtype = torch.float32,
    numbers: int = 0,
) -> Verdict:
    """Compare footprints of seeded entries with what the model reads; the deepest map is among them.

    Parameters
    ----------
    module : torch.nn.Module
    network : Network
        What the reader made of it.
    shape : tuple of int
        Of the image, with batch and channels.
    entries, seed : int
    call : callable, optional
        Runs the model on an image, ``call(module, image)``, where it takes other things too.
    held : dict, optional
        What `held_maps` finds of that network, where it was read with that.
    copied : bool
        Whether the module stays as it is, and a copy is run.
    kind : torch.dtype
        Numbers of the runs in which it only counts what is not a number: bfloat16 is quick.
    numbers : int
        Of an image of whole numbers, such as colours of a table, how many there are: all is judged by changes of them.
    """
    held = held or held_maps(lambda: rf.load(module, example_input=shape))[1]
    run = Runs(_on_cpu(module) if copied else module, shape, seed, call or (lambda m, image: m(image)), kind, numbers)
    places = run.places(network, held)
    if not places:
        return Verdict(0, [])
    rng, size = random.Random(seed), shape[-len(network.axes) :]  # channels may be an axis, too
    drawn = [places[-1], *rng.choices(places, k=4 * entries)]
    cases = []
    for place in drawn:
        entry = tuple(rng.randrange(n) for n in place.size)
        cases.append((place, entry, rf.footprint(network, place.layer, entry, size).values))
    differing = []
    judged = [cases[0], *sorted(cases[1:], key=lambda case: bool(case[2].all()))][:entries]  # local ones first
    for place, entry, found in judged:
        for reason in run.against(place, entry, found, rng):
            differing.append(f"{place.layer} {entry}: {reason}")
    return Verdict(len(judged), differing)


def held_maps(read: Callable[[], rf.Network]) -> tuple[rf.Network, Maps]:
    """What `read` returns, and the maps that it finds in what modules return, by the tensors."""
    found: Maps = {}
    given = trace.returned_maps

    def kept(tracker: Any, path: str, call: int, key: str, value: Any) -> list[Returned]:
        maps = given(tracker, path, call, key, value)
        parts = zip(maps, single_maps(value), strict=True)
        if isinstance(value, Joined):
            firsts = dict(zip(map(id, value.parts), accumulate(value.lengths, initial=0), strict=False))
            held = [Held(one, part.dims, value.dim, firsts[id(part)]) for one, part in parts]
        else:
            held = [Held(one, part.dims) for one, part in parts]
        found[path, call, key] = held
        return maps

    with mock.patch.object(trace, "returned_maps", kept):
        network = read()
    return network, found


class _ReachedError(Exception):
    """The tensor that a run is for is there; what follows is not run."""


class Runs:
    """A model, run on images of which some pixels are changed: in float32, and where values count in float64.

    The module is converted from one to the other as it is needed.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        shape: tuple[int, ...],
        seed: int,
        call: Callable[..., Any],
        kind: torch.dtype = torch.float32,
        numbers: int = 0,
    ) -> None:
        self.module, self.values = module.eval(), Values(module)
        self.call, self.numbers = call, numbers
        self.kinds = [*dict.fromkeys((kind, torch.float32))]  # of runs of several images
        self.image = self._drawn(shape, seed)
        self.shapes = self._shapes()

    def _drawn(self, shape: tuple[int, ...], seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        if self.numbers:
            return torch.randint(self.numbers, shape, generator=generator)
        return torch.rand(shape, dtype=torch.float64, generator=generator)

    def _shapes(self) -> dict[Key, tuple[int, ...]]:
        """Shapes of all that calls of modules return."""
        finite = []

        def keep(value: torch.Tensor) -> tuple[int, ...]:
            finite.append(bool(value.isfinite().all()))
            return tuple(value.shape)

        found = self.returned(self.image, keep)
        if not all(finite):
            for value in (*self.module.parameters(), *self.module.buffers()):
                if value.is_floating_point():
                    value.data.fill_(SMALL)
            self.values = Values(self.module)
        return found

    def returned(
        self,
        image: torch.Tensor,
        keep: Callable[[torch.Tensor], Any],
        wanted: Key | None = None,
        kind: torch.dtype = torch.float32,
    ) -> dict[Key, Any]:
        """What `keep` makes of each tensor that a call of a module returns, or of the one that is wanted."""
        self.values.use(kind)
        found: dict[Key, Any] = {}
        calls: dict[str, int] = {}

        def hook(path: str, output: Any) -> None:
            number = calls[path] = calls.get(path, -1) + 1
            if wanted is not None and wanted[:2] != (path, number):
                return
            for key, value in tensors(output):
                if value.is_floating_point():
                    found[path, number, key] = keep(value.detach())
            if wanted is not None:
                raise _ReachedError

        handles = [
            part.register_forward_hook(lambda _, __, output, path=path: hook(path, output))
            for path, part in self.module.named_modules()
            if wanted is None or path == wanted[0]
        ]
        default = torch.get_default_dtype()
        torch.set_default_dtype(kind)  # of what a model makes by itself, or of whole numbers
        try:
            with torch.no_grad(), state_restored(self.module):
                self.call(self.module, image if self.numbers else image.to(kind))
        except _ReachedError:
            pass
        except (RuntimeError, ValueError, IndexError, AssertionError):
            if not found:
                raise  # otherwise it decides by values, after what was kept
        finally:
            torch.set_default_dtype(default)
            for handle in handles:
                handle.remove()
        return found

    def places(self, network: rf.Network, held: Maps) -> list[Place]:
        """Maps of a network that are found in what the model returns, in the order of the layers."""
        sizes = network.map_sizes()
        found = []
        for key, shape in self.shapes.items():
            for one in held.get(key, ()):
                name = _name(network, one.returned)
                if name and one.is_complete(size := tuple(sizes[name]), shape):
                    found.append(Place(key, name, size, one))
        return sorted(found, key=lambda p: network.index(p.layer))

    def against(self, place: Place, entry: tuple[int, ...], found: np.ndarray, rng: random.Random) -> list[str]:
        """What speaks against a footprint of an entry."""
        inside = torch.from_numpy(found)
        outside = [] if inside.all() else [~inside]
        pixels = _some(found, rng)
        single = [torch.zeros_like(inside) for _ in pixels]
        for mask, pixel in zip(single, pixels, strict=True):
            mask[pixel] = True
        if self.numbers:
            spread = [True] * len(outside) + [False] * len(single)
        else:
            spread = self._spreads(place, entry, outside + single)
        out = []
        if outside and spread.pop(0) and self._counts(place, entry, outside[0], 1e-10):
            out.append("it reads pixels outside")
        for mask, pixel, reached in zip(single, pixels, spread, strict=True):
            if not reached and not self._counts(place, entry, mask, 0):
                out.append(f"it does not read {pixel}")
        return out

    def _spreads(self, place: Place, entry: tuple[int, ...], masks: list[torch.Tensor]) -> list[bool]:
        """Whether an entry is not a number where some pixels are none, of each of some masks."""
        images = [self.image.masked_fill(mask, torch.nan) for mask in masks]
        values = self.together(place, [self.image, *images])
        if not values:
            values = [self.returned(image, torch.clone, place.key)[place.key] for image in images]
        return [bool(place.entry(value, entry).isnan().any()) for value in values]

    def together(self, place: Place, images: list[torch.Tensor]) -> list[torch.Tensor]:
        """What the model makes of all images but the first in one run; nothing where it does not keep them apart.

        It does not if what it makes of the first, which has numbers only, is not finite everywhere.
        """
        one, n = self.shapes[place.key], len(images)
        for kind in list(self.kinds) if self.image.numel() <= TOGETHER else ():
            try:
                value = self.returned(torch.cat(images), torch.clone, place.key, kind)[place.key]
            except Exception:  # code that is not ours: it takes one image, or other numbers
                self.kinds.remove(kind)
                continue
            longer = [d for d, size in enumerate(one) if value.ndim == len(one) and value.shape[d] != size]
            if len(longer) == 1 and value.shape[longer[0]] == n * one[longer[0]]:
                first, *others = value.chunk(n, longer[0])
                if first.isfinite().all():
                    return others
        return []

    def _counts(self, place: Place, entry: tuple[int, ...], pixels: torch.Tensor, least: float) -> bool:
        """Whether finite changes of some pixels change an entry by more than some part of it."""
        before = self._entry(place, entry, self.image)
        for number in range(TRIES):
            after = self._entry(place, entry, torch.where(pixels, self._changed(number), self.image))
            scale = before.abs().max().clamp(min=1e-300)
            if ((after - before).abs() > least * scale).any() if least else (after != before).any():
                return True
        return False

    def _changed(self, number: int) -> torch.Tensor:
        """An image of which every pixel is another, by more with each number."""
        generator = torch.Generator().manual_seed(number)
        if self.numbers:
            return (self.image + torch.randint(1, self.numbers, self.image.shape, generator=generator)) % self.numbers
        noise = torch.randn(self.image.shape, dtype=torch.float64, generator=generator)
        return self.image + 10.0 ** (2 * number) * noise

    def _entry(self, place: Place, entry: tuple[int, ...], image: torch.Tensor) -> torch.Tensor:
        """An entry's values in float64."""
        return place.entry(self.returned(image, torch.clone, place.key, torch.float64)[place.key], entry)


def _on_cpu(module: torch.nn.Module) -> torch.nn.Module:
    if not any(v.is_meta for v in (*module.parameters(), *module.buffers())):
        try:
            return copy.deepcopy(module)
        except TypeError:  # it holds what cannot be copied
            return module
    module = copy.deepcopy(module).to_empty(device="cpu")
    for value in (*module.parameters(), *module.buffers()):
        if value.is_floating_point():
            value.data.fill_(SMALL)
    return module


def _name(network: rf.Network, returned: Returned) -> str:
    """The layer of a map that a module returns; empty where the network names none."""
    path, number, key = returned.path, returned.call, returned.key
    call, at = f"@{number}", f":{key}" if key else ""
    options = [path + call + at, path + at] if path else [at, key]
    if at:  # of a module whose call returns one map only, however often
        options += [path + call, path]
    for name in options:
        if name and (name in network or name in network.modules):
            return network[name].name
    is_output = not path and not key and len(network.outputs) == 1 and not network.left_out
    return network[network.outputs[0]].name if is_output else ""


def _some(found: np.ndarray, rng: random.Random) -> list[tuple[int, ...]]:
    """Pixels of a footprint: one in its first and last row on each axis, and some anywhere."""
    pixels = np.argwhere(found)
    if not len(pixels):
        return []
    picked = []
    for axis in range(found.ndim):
        for edge in (pixels[:, axis].min(), pixels[:, axis].max()):
            picked.append(rng.choice(pixels[pixels[:, axis] == edge].tolist()))
    while len(picked) < INSIDE:
        picked.append(rng.choice(pixels.tolist()))
    return [tuple(p) for p in picked]
