"""Seeded entries of any model that runs, judged by the model itself: pixels that are not a number, and finite changes.

The footprint of an entry is right if nothing outside of it matters, and each pixel inside does. The first is one run
with every pixel outside not a number; the second one run for each of some pixels inside, among them its first and last
rows and columns. Not-a-number spreads further than values do (a masked score is one too) and ends at a comparison:
what it says against a footprint counts only if finite changes of those pixels say it, too.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch

import rfscale as rf
from rfscale.engine.readers.torch.trace.module_calls import tensors

INSIDE = 5  # pixels inside a footprint that are changed, one at a time
TRIES = 3  # finite changes of different size
SMALL = 0.01  # of all parameters, where the model's own overflow


Key = tuple[str, int, str]  # of a tensor: module, call, position in what the call returns


class Verdict(NamedTuple):
    """How many entries were compared, and what differs: "layer entry: why"."""

    compared: int
    differing: list[str]


class Place(NamedTuple):
    """Where a map of the network is in what the model returns: the tensor, its dims, and the first of its entries."""

    key: Key
    layer: str
    size: tuple[int, ...]
    dims: tuple[int, ...]  # one for each axis, or one that holds all of them
    first: int

    def entry(self, value: torch.Tensor, entry: tuple[int, ...]) -> torch.Tensor:
        """Everything that a tensor holds at an entry."""
        at = entry if len(self.dims) == len(entry) > 1 else (self.first + int(np.ravel_multi_index(entry, self.size)),)
        for dim, i in sorted(zip(self.dims, at, strict=True), reverse=True):
            value = value.select(dim, i)
        return value.flatten()


def judge_model(
    module: torch.nn.Module,
    network: rf.Network,
    shape: tuple[int, ...],
    entries: int = 3,
    seed: int = 0,
    call: Callable[[torch.nn.Module, torch.Tensor], Any] | None = None,
) -> Verdict:
    """Compare footprints of seeded entries with what the model reads; the deepest map is among them.

    Parameters
    ----------
    module : torch.nn.Module
        It is copied.
    network : Network
        What the reader made of it.
    shape : tuple of int
        Of the image, with batch and channels.
    entries, seed : int
    call : callable, optional
        Runs the model on an image, ``call(module, image)``, where it takes other things too.
    """
    run = Runs(module, shape, seed, call or (lambda m, image: m(image)))
    places = run.places(network)
    if not places:
        return Verdict(0, [])
    rng = random.Random(seed)
    drawn = [places[-1], *rng.choices(places, k=4 * entries)]
    local, whole = [], []
    for place in drawn:
        entry = tuple(rng.randrange(n) for n in place.size)
        found = rf.footprint(network, place.layer, entry, shape[2:]).values
        (whole if found.all() else local).append((place, entry, found))
    differing = []
    judged = (local + whole)[:entries]
    for place, entry, found in judged:
        for reason in run.against(place, entry, found, rng):
            differing.append(f"{place.layer} {entry}: {reason}")
    return Verdict(len(judged), differing)


class _ReachedError(Exception):
    """The tensor that a run is for is there; what follows is not run."""


class Runs:
    """A model, run on images of which some pixels are changed: in float32, and where values count in float64."""

    def __init__(self, module: torch.nn.Module, shape: tuple[int, ...], seed: int, call: Callable[..., Any]) -> None:
        self.module = _on_cpu(module).eval().float()
        self.precise: torch.nn.Module | None = None
        self.call = call
        self.image = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        self.shapes = self._shapes()

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
        return found

    def returned(
        self,
        image: torch.Tensor,
        keep: Callable[[torch.Tensor], Any],
        wanted: Key | None = None,
        *,
        double: bool = False,
    ) -> dict[Key, Any]:
        """What `keep` makes of each tensor that a call of a module returns, or of the one that is wanted."""
        if double and self.precise is None:
            self.precise = copy.deepcopy(self.module).double()
        module: Any = self.precise if double else self.module
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
            for path, part in module.named_modules()
            if wanted is None or path == wanted[0]
        ]
        try:
            with torch.no_grad():
                self.call(module, image if double else image.float())
        except _ReachedError:
            pass
        except (RuntimeError, ValueError, IndexError, AssertionError):
            if not found:
                raise  # otherwise it decides by values, after what was kept
        finally:
            for handle in handles:
                handle.remove()
        return found

    def places(self, network: rf.Network) -> list[Place]:
        """Maps of a network that are found in what the model returns, in the order of the layers."""
        sizes = network.map_sizes()
        found = []
        for key, shape in self.shapes.items():
            names = _names(network, *key)
            if not names and key[0] == key[2] == "" and len(network.outputs) == 1 and not network.left_out:
                names = list(network.outputs)
            maps = [tuple(sizes[network[n].name]) for n in names]
            found += _places(key, [network[n].name for n in names], maps, shape)
        return sorted(found, key=lambda p: network.index(p.layer))

    def against(self, place: Place, entry: tuple[int, ...], found: np.ndarray, rng: random.Random) -> list[str]:
        """What speaks against a footprint of an entry."""
        inside = torch.from_numpy(found)
        out = []
        if not inside.all() and self._reads(place, entry, ~inside):
            out.append("it reads pixels outside")
        for pixel in _some(found, rng):
            one = torch.zeros_like(inside)
            one[pixel] = True
            if not self._reads(place, entry, one):
                out.append(f"it does not read {pixel}")
        return out

    def _reads(self, place: Place, entry: tuple[int, ...], pixels: torch.Tensor) -> bool:
        """Whether an entry depends on any of some pixels."""
        value = self._entry(place, entry, self.image.masked_fill(pixels, torch.nan))
        outside = pixels.sum() > 1
        if bool(value.isnan().any()) != outside:
            return not outside
        before = self._entry(place, entry, self.image, double=True)
        for number in range(TRIES):
            noise = torch.randn(self.image.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
            changed = torch.where(pixels, self.image + 10.0 ** (2 * number) * noise, self.image)
            after = self._entry(place, entry, changed, double=True)
            scale = before.abs().max().clamp(min=1e-300)
            if ((after - before).abs() > 1e-10 * scale).any() if outside else (after != before).any():
                return True
        return False

    def _entry(
        self, place: Place, entry: tuple[int, ...], image: torch.Tensor, *, double: bool = False
    ) -> torch.Tensor:
        kept = self.returned(image, torch.clone, place.key, double=double)
        return place.entry(kept[place.key], entry)


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


def _names(network: rf.Network, path: str, number: int, key: str) -> list[str]:
    """The name of a tensor's map, or the names of several maps one after another that it holds."""
    call, at = f"@{number}", f":{key}" if key else ""
    options = [path + call + at, path + at] if path else [at, key]
    if at:  # of a module whose call returns one map only, however often
        options += [path + call, path]
    for name in options:
        if name and (name in network or name in network.modules):
            return [name]
    for name in options:
        start = f"{name}." if at or not path else f"{name}:"
        several = [n for n in network.modules if n.startswith(start) and "." not in n[len(start) :]]
        if name and several:
            return several
    return []


def _places(key: Any, layers: list[str], maps: list[tuple[int, ...]], shape: tuple[int, ...]) -> list[Place]:
    if len(layers) == 1:
        (size,) = maps
        rank = len(size)
        firsts = (2, 1) if len(shape) == 2 + rank else (len(shape) - rank,)  # channels before or after the axes
        for first in firsts:
            if first > 0 and shape[first : first + rank] == size:
                return [Place(key, layers[0], size, tuple(range(first, first + rank)), 0)]
    lengths = [prod(size) for size in maps]
    fitting = [d for d in range(1, len(shape)) if shape[d] == sum(lengths)]
    if len(fitting) != 1 or not layers or len(shape) != 3 or sum(lengths) == 1:
        return []
    return [
        Place(key, name, size, (fitting[0],), sum(lengths[:i]))
        for i, (name, size) in enumerate(zip(layers, maps, strict=True))
    ]


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
