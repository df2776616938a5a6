"""Annotated boxes from files: one reader per format, each yielding chunks of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rfscale.engine.errors import InputError

CHUNK = 1 << 16  # boxes per chunk
NOWHERE = object()  # the place of a box that is known to have none, such as a turned one
MAX_FILE_BYTES = 64 << 20  # of the labels of one image


@dataclass(frozen=True)
class Boxes:
    """A chunk of boxes: one value per box; NaN where something is not known.

    `category` holds labels, or numbers that the source's `names` translates; `count` says how many boxes a row stands
    for.
    """

    width: np.ndarray
    height: np.ndarray
    image_width: np.ndarray
    image_height: np.ndarray
    x: np.ndarray
    y: np.ndarray
    category: np.ndarray
    count: np.ndarray


class Source(Protocol):
    """Where boxes come from. What `left_out` and `notes` count is complete once `chunks` is exhausted."""

    label: str
    names: dict[Any, str]
    left_out: Counter[str]
    notes: Counter[str]

    def chunks(self) -> Iterator[Boxes]: ...


@dataclass
class Base:
    """What every source has."""

    label: str
    names: dict[Any, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


class ArraySource(Base):
    """Boxes in a numpy array of 2 columns (width, height) or 4 (image_width, image_height, width, height)."""

    def __init__(self, array: np.ndarray, label: str = "array") -> None:
        super().__init__(label)
        if array.ndim != 2 or array.shape[1] not in (2, 4) or array.dtype.kind not in "iuf":
            raise InputError(
                f"objects: {label} has shape {array.shape} and dtype {array.dtype}; it must be numbers of shape "
                "(n, 2), width and height, or (n, 4), image_width, image_height, width, height"
            )
        self.array = array

    def chunks(self) -> Iterator[Boxes]:
        for start in range(0, len(self.array), CHUNK):
            columns = np.asarray(self.array[start : start + CHUNK], float).T
            unknown = np.full(columns.shape[1], np.nan)
            image = columns[:2] if len(columns) == 4 else (unknown, unknown)
            category = np.full(len(unknown), "object", object)
            yield Boxes(columns[-2], columns[-1], image[0], image[1], unknown, unknown, category, np.ones(len(unknown)))


def rows_to_boxes(rows: list[tuple[Any, ...]]) -> Boxes:
    """Boxes of rows (x, y, width, height, image_width, image_height, category), one each.

    A box whose place is not a number has no size either: it is left out as "not a number". One that is `NOWHERE` has.
    """
    columns = list(zip(*rows, strict=True))
    x, y, width, height, image_width, image_height = (numbers(c) for c in columns[:6])
    placeless = np.array([place is NOWHERE for place in columns[0]])
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(x + y) | placeless, width, np.nan)
    category = np.empty(len(rows), object)
    category[:] = columns[6]
    return Boxes(width, height, image_width, image_height, x, y, category, np.ones(len(rows)))


def numbers(values: Any) -> np.ndarray:
    """Values as float64; what is not a number becomes NaN."""
    try:
        out = np.array(values, float)
        if out.ndim == 1:
            return out
    except (TypeError, ValueError, OverflowError):  # the last: a whole number of hundreds of digits
        pass
    return np.array([number(v) for v in values], float)


def number(value: Any) -> float:
    """A value as a number; NaN where it is none."""
    if isinstance(value, bool | list | tuple | dict) or value is None:
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def check_image_labels(path: Path) -> None:
    """Refuse what cannot be the labels of one image: they are read whole."""
    if not path.is_file():
        raise InputError(f"objects: {path} is no regular file")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputError(f"objects: {path} has {size} bytes; at most {MAX_FILE_BYTES} are read per image")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one line."""
    import zlib

    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"objects: {path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (EOFError, zlib.error) as error:
        raise InputError(f"objects: {path} is cut short or damaged: {error}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"objects: cannot read {path}: {' '.join(str(error).split())}") from None
