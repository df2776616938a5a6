"""Sums over images that go on where they stopped: the mean of maps, and its standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.files import replacing

RESUME = Parameter("resume")


class Sums:
    """The sum of maps and of their squares, in float64.

    Parameters
    ----------
    size : tuple of int
    what : mapping
        What was measured and how: state of something else is refused.
    path : path, optional
        A .npz file that holds them between processes.
    """

    def __init__(self, size: tuple[int, ...], what: Mapping[str, Any], path: str | PathLike[str] | None = None) -> None:
        self.what = json.loads(json.dumps(dict(what), default=str))
        if path is not None and not isinstance(path, str | PathLike):
            raise InputError(argument=RESUME, value=path, remedy="name a file that ends in .npz")
        self.path = None if path is None else Path(path)
        self.count = 0
        self.total = np.zeros(size)
        self.squares = np.zeros(size)
        if self.path is not None:
            if self.path.suffix != ".npz":
                raise InputError(argument=RESUME, value=str(path), remedy="name a file that ends in .npz")
            if self.path.exists():
                self._read(self.path)

    def add(self, maps: np.ndarray) -> None:
        """Add maps, (images, pixels …)."""
        self.count += len(maps)
        self.total += maps.sum(0)
        self.squares += np.square(maps).sum(0)

    @property
    def mean(self) -> np.ndarray:
        """The mean map."""
        return self.total / max(self.count, 1)

    @property
    def standard_error(self) -> np.ndarray:
        """The standard error of the mean map; NaN for one image."""
        if self.count < 2:
            return np.full(self.total.shape, np.nan)
        spread = np.maximum(self.squares - self.total**2 / self.count, 0) / (self.count - 1)
        return np.sqrt(spread / self.count)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        if self.path is None:
            return
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            what = np.frombuffer(json.dumps(self.what).encode(), np.uint8)
            np.savez(file, count=self.count, total=self.total, squares=self.squares, what=what)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as held:
                what = json.loads(bytes(held["what"]).decode())
                count, total, squares = int(held["count"]), held["total"], held["squares"]
        except Exception as error:  # a file that may hold anything
            raise InputError(f"{path} is no state of a measurement: {type(error).__name__}", argument=RESUME) from None
        other = [key for key in (*self.what, *what) if what.get(key) != self.what.get(key)]
        if other or total.shape != self.total.shape:
            key = other[0] if other else "size"
            raise InputError(
                f"{path} is the state of another measurement: {key} is {what.get(key)}, not {self.what.get(key)}",
                remedy=("give another file for ", RESUME),
            )
        self.count, self.total, self.squares = count, total, squares
