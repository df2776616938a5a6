"""The box around a mask of COCO: outlines, or run lengths, plain or compressed."""

from __future__ import annotations

from typing import Any

import numpy as np

Box = tuple[float, float, float, float]  # x, y, width, height


def mask_box(mask: Any) -> Box | None:
    """Return the box around a `segmentation`; None where it is none, or empty.

    Examples
    --------
    >>> mask_box([[1, 2, 5, 2, 5, 9]])
    (1.0, 2.0, 4.0, 7.0)
    >>> mask_box({"size": [4, 3], "counts": [5, 2, 5]})
    (1.0, 1.0, 1.0, 2.0)
    """
    if isinstance(mask, list) and mask:
        return _outline_box(mask if isinstance(mask[0], list) else [mask])
    if isinstance(mask, dict):
        return _runs_box(mask.get("counts"), mask.get("size"))
    return None


def _outline_box(parts: list[Any]) -> Box | None:
    """The box around outlines, each x, y, x, y and so on."""
    points: list[float] = []
    for part in parts:
        if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
            return None
        points += part
    try:
        values = np.array(points, float).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        return None
    if not np.isfinite(values).all():
        return None
    low, high = values.min(axis=0), values.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def _runs_box(counts: Any, size: Any) -> Box | None:
    """The box around the pixels of the odd runs, which go down the columns, first those outside the mask."""
    if not isinstance(size, list) or len(size) != 2 or not all(_is_count(n) and n > 0 for n in size):
        return None
    runs = run_lengths(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(_is_count(n) for n in runs):
        return None
    if sum(runs) > size[0] * size[1]:
        return None
    ends = np.cumsum(np.array(runs, np.int64))
    first, after = ends[0:-1:2], ends[1::2]
    filled = after > first
    if not filled.any():
        return None
    height = size[0]
    first, last = first[filled], after[filled] - 1
    left, right = int((first // height).min()), int((last // height).max())
    if (first // height != last // height).any():  # a run that goes on in the next column has its end and its start
        top, bottom = 0, height - 1
    else:
        top, bottom = int((first % height).min()), int((last % height).max())
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def run_lengths(text: str) -> list[int] | None:
    """Return the run lengths of COCO's compressed text; None where it is cut short or has other characters.

    Numbers are written in groups of 5 bits from the least, a group in a character from "0" on: bit 5 says that another
    follows, bit 4 of the last is the sign; from the fourth number on they are differences to the one before the last.

    Examples
    --------
    >>> run_lengths("52203")
    [5, 2, 2, 2, 5]
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            return None
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return None if shift else runs
