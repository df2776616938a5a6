"""What a training pipeline does to the size of its images before the network sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rfscale.engine.errors import InputError, shown

SCALES = 16  # samples of a range of scales
RULES = "none, short=800,cap=1333, short=640-800,cap=1333, square=300, square=480x640, letterbox=640, scale=0.5-2"


@dataclass(frozen=True)
class Resize:
    """The resize rule of a training pipeline.

    Attributes
    ----------
    kind : {"none", "short", "square", "letterbox", "scale"}
        Keep the pixels; bring the short side to a length, unless the long side would exceed `cap`; stretch to a fixed
        size; shrink or enlarge into a fixed size and pad; multiply by a number.
    low, high : float
        Length of the short side, or factor: every value between the two is as likely.
    cap : float or None
        Limit of the long side.
    shape : tuple of int or None
        Height and width of a fixed size.
    """

    kind: str = "none"
    low: float = 1.0
    high: float = 1.0
    cap: float | None = None
    shape: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str | Resize) -> Resize:
        """Return the rule of a text such as ``short=800,cap=1333``."""
        if isinstance(text, Resize):
            return text
        wrong = InputError(f"resize is {shown(text)}; write it as one of: {RULES}")
        if not isinstance(text, str):
            raise wrong
        if text.strip() == "none":
            return cls()
        found = re.fullmatch(
            r"\s*(short|square|letterbox|scale)\s*=\s*([\d.x×-]+)\s*(?:,\s*cap\s*=\s*([\d.]+))?\s*", text
        )
        if not found or (found[3] and found[1] != "short"):
            raise wrong
        kind, given, cap = found[1], re.split("[x×-]", found[2]), found[3]
        fixed = kind in ("square", "letterbox")
        try:
            values = [float(v) for v in given]
            limit = float(cap) if cap else None
        except ValueError:
            raise wrong from None
        if not 1 <= len(values) <= 2 or ("-" if fixed else "x") in found[2].replace("×", "x"):
            raise wrong
        if not all(0 < v < 1e6 for v in values) or (values != sorted(values) and not fixed) or limit == 0:
            raise wrong
        if fixed:
            return cls(kind, shape=(int(values[0]), int(values[-1])))
        return cls(kind, values[0], values[-1], limit)

    @property
    def needs_image(self) -> bool:
        """The image's size decides the factor."""
        return self.kind in ("short", "square", "letterbox")

    def factors(self, width: np.ndarray, height: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Factors of widths and heights for images of these sizes, with their weight; several for a range."""
        if self.shape:
            x, y = self.shape[1] / width, self.shape[0] / height
            both = np.minimum(x, y)
            yield (x, y, 1.0) if self.kind == "square" else (both, both, 1.0)
            return
        n = 1 if self.low == self.high else SCALES
        for i in range(n):
            value = self.low + (self.high - self.low) * (i + 0.5) / n
            factor = np.full(len(width), value)
            if self.kind == "short":
                factor = value / np.minimum(width, height)
                if self.cap:
                    factor = np.minimum(factor, self.cap / np.maximum(width, height))
            yield factor, factor, 1 / n

    def __str__(self) -> str:
        if self.shape:
            return f"{self.kind}={self.shape[0]}x{self.shape[1]}"
        span = f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"
        return "none" if self.kind == "none" else f"{self.kind}={span}" + (f",cap={self.cap:g}" if self.cap else "")
