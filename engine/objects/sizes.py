"""Object sizes: histograms of annotated boxes, as a network sees them after the resize of its training pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, Parameter, Text, shown
from rfscale.engine.objects.boxes import Boxes, Source
from rfscale.engine.objects.histogram import BINS, MEASURES, OCTAVES, PIXELS, QUANTILES, modes, quantile
from rfscale.engine.objects.open_source import open_source
from rfscale.engine.objects.resize import Resize
from rfscale.engine.variables import OBJECT_SIZES, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

SLACK = 1.0  # pixels by which a box may stick out of its image: annotators round
MAX_CATEGORIES = 20_000
DEFAULT = "coco_val2017_sizes.csv.gz"
ATTRIBUTION = "object sizes of COCO 2017 val, binned; (c) COCO Consortium, CC BY 4.0, cocodataset.org"


def object_sizes(
    objects: str | Path | np.ndarray | None = None,
    resize: str | Resize = "none",
    *,
    format: str | None = None,
    images: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    split: str | None = None,
    crowd: bool = True,
    categories: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return the histogram of object sizes of an annotated data set.

    Parameters
    ----------
    objects : path, numpy array or None
        COCO JSON, data.yaml of Ultralytics, a folder of Pascal VOC, YOLO, VisDrone, KITTI or DOTA files, CSV or Parquet
        (image_width, image_height, width, height[, category, x, y, count]), .npy, or an array (n, 2) of width and
        height or (n, 4) with the image's before. None: COCO val2017, which is built in.
    resize : str or Resize
        What training does to the images first: "none", "short=800,cap=1333", "short=640-800,cap=1333", "square=300",
        "letterbox=640" or "scale=0.5-2". A range counts each box as shares over it.
    format : {"coco", "voc", "yolo", "ultralytics", "visdrone", "kitti", "dota", "csv", "parquet", "npy"}, optional
        By default it follows from the name, or from the first line.
    images, image_size : path, (height, width)
        Where the sizes of images come from that YOLO, VisDrone, KITTI and DOTA do not say: a folder of pictures, by
        default the one that belongs to the labels, or one size for all.
    split : {"train", "val", "test"}, optional
        Of data.yaml; by default the first that it has.
    crowd : bool
        Whether COCO's crowd regions count as objects.
    categories : sequence of str, optional
        Only objects of these.

    Returns
    -------
    xr.Dataset
        Number of objects by category over log2 bins of `size` (sqrt(width·height)), `width` and `height` (in pixels
        after the resize), `aspect` (width / height) and `relative` (size / sqrt of the image's area, before the
        resize); `quantiles` (measure, q), interpolated in the bins; `modes`, the peaks of `size`; `left_out` (reason);
        `scale`, the mean factor of the resize, `scale_low` and `scale_high`; `image_width` and `image_height`, means.

    Raises
    ------
    InputError
        One line, for files that cannot be read, and where no box is left.

    Examples
    --------
    >>> sizes = object_sizes(np.array([[30, 30], [60, 60], [60, 0]]))
    >>> sizes.attrs["objects"], sizes.left_out.to_series().to_dict()
    (2, {'zero size': 1})
    """
    rule = Resize.parse(resize)
    if categories is not None and (isinstance(categories, str) or not len(categories)):
        raise InputError(argument=Parameter("categories"), value=categories, remedy="give a list of names")
    if objects is None:
        return _default(rule, tuple(categories) if categories is not None else None).copy()
    source = open_source(objects, format, images, image_size, crowd, split)
    return _dataset(_counted(source, rule, categories), source, rule)


@lru_cache(maxsize=8)
def _default(rule: Resize, categories: tuple[str, ...] | None) -> xr.Dataset:
    with resources.as_file(resources.files("rfscale.engine.objects.data") / DEFAULT) as path:
        source = open_source(path, "csv")
        source.label = "COCO val2017"
        out = _dataset(_counted(source, rule, categories), source, rule)
    out.attrs["attribution"] = ATTRIBUTION
    return out


class Mean:
    """A geometric mean, the least and the largest of weighted values, of those that are known."""

    def __init__(self) -> None:
        self.weight, self.logs, self.low, self.high = 0.0, 0.0, nan, nan

    def add(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Take in a chunk."""
        known = values[np.isfinite(values)]
        if len(known):
            self.weight += float(weights[np.isfinite(values)].sum())
            self.logs += float((np.log2(known) * weights[np.isfinite(values)]).sum())
            self.low, self.high = float(np.fmin(self.low, known.min())), float(np.fmax(self.high, known.max()))

    @property
    def value(self) -> float:
        """The mean; NaN of nothing."""
        if self.low == self.high:
            return self.low  # without the rounding of a logarithm
        return float(2 ** (self.logs / self.weight)) if self.weight else nan


class Tally:
    """Counts of boxes per category and bin; its size does not depend on how many boxes there are."""

    def __init__(self, rule: Resize) -> None:
        self.rule = rule
        self.labels: dict[Any, int] = {}
        self.total = 0
        self.left_out: Counter[str] = Counter()
        self.used = 0.0
        self.scale, self.image = Mean(), (Mean(), Mean())
        octaves = {m: OCTAVES.get(m, PIXELS) for m in MEASURES}
        self.low = {m: o[0] * BINS for m, o in octaves.items()}
        self.counts = {m: np.zeros((0, (o[1] - o[0]) * BINS)) for m, o in octaves.items()}

    def add(self, boxes: Boxes) -> None:
        """Count a chunk."""
        count = np.where(np.isfinite(boxes.count) & (boxes.count > 0), boxes.count, 0)
        wrong = int((~(np.isfinite(boxes.count) & (boxes.count >= 0))).sum())
        self.total += round(float(count.sum())) + wrong
        if wrong:
            self.left_out["count that is no number"] += wrong
        good = self._sound(boxes, count)
        category = self._numbers(boxes.category)
        image_width, image_height = _known_sizes(boxes)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            relative = np.sqrt(boxes.width * boxes.height / (image_width * image_height))
            aspect = boxes.width / boxes.height
            for mean, pixels in zip(self.image, (image_width, image_height), strict=True):
                mean.add(pixels[good], count[good])
            for x, y, weight in self.rule.factors(image_width, image_height):
                width, height = boxes.width * x, boxes.height * y
                size = np.sqrt(width * height)
                inside = good & self._in_range(width, height, size)
                if weight == 1.0:
                    self._leave(good & ~inside, count, f"outside 2^{PIXELS[0]} … 2^{PIXELS[1]} pixels")
                self.used += float(count[inside].sum()) * weight
                self.scale.add(np.sqrt(x * y)[inside], count[inside] * weight)
                values = (size, width, height, aspect, relative)
                for measure, value in zip(MEASURES, values, strict=True):
                    known = inside & np.isfinite(value) & (value > 0)
                    self._count(measure, value[known], category[known], count[known] * weight)

    def _sound(self, boxes: Boxes, count: np.ndarray) -> np.ndarray:
        """Which boxes can be used; the others are counted by reason, each under its first."""
        width, height = boxes.width, boxes.height
        image_width, image_height = _known_sizes(boxes)
        right = np.where(np.isnan(boxes.x), 0, boxes.x) + width
        bottom = np.where(np.isnan(boxes.y), 0, boxes.y) + height
        left = np.ones(len(width), bool)
        with np.errstate(invalid="ignore"):
            reasons = {
                "not a number": ~np.isfinite(width + height),
                "negative size": (width < 0) | (height < 0),
                "zero size": (width == 0) | (height == 0),
                "image size unknown": np.isnan(image_width) & self.rule.needs_image,
                "outside the image": (np.minimum(boxes.x, boxes.y) < -SLACK)
                | (right > image_width + SLACK)
                | (bottom > image_height + SLACK),
                "below one pixel": (width < 1) & (height < 1),
            }
        for reason, wrong in reasons.items():
            self._leave(left & wrong, count, reason)
            left &= ~wrong
        return left & (count > 0)

    def _leave(self, boxes: np.ndarray, count: np.ndarray, reason: str) -> None:
        number = round(float(count[boxes].sum()))
        if number:
            self.left_out[reason] += number

    @staticmethod
    def _in_range(*values: np.ndarray) -> np.ndarray:
        return np.logical_and.reduce([(v >= 2.0 ** PIXELS[0]) & (v < 2.0 ** PIXELS[1]) for v in values])

    def _numbers(self, category: np.ndarray) -> np.ndarray:
        """Labels as row numbers of the counts."""
        import pandas as pd

        codes, found = pd.factorize(category)
        rows = np.array([self.labels.setdefault(label, len(self.labels)) for label in found], np.int64)
        if len(self.labels) > MAX_CATEGORIES:
            raise InputError(f"objects: more than {MAX_CATEGORIES} categories; is the column category one?")
        for measure, counts in self.counts.items():
            if len(counts) < len(self.labels):
                grown = np.zeros((2 * len(self.labels), counts.shape[1]))
                grown[: len(counts)] = counts
                self.counts[measure] = grown
        return rows[codes] if len(rows) else codes

    def _count(self, measure: str, values: np.ndarray, category: np.ndarray, weights: np.ndarray) -> None:
        counts = self.counts[measure]
        bins = np.floor(np.log2(values) * BINS).astype(np.int64) - self.low[measure]
        cells = category * counts.shape[1] + np.clip(bins, 0, counts.shape[1] - 1)
        counts += np.bincount(cells, weights, counts.size).reshape(counts.shape)


def _known_sizes(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Widths and heights of the images; NaN where a file says 0, −1 or nothing."""
    width, height = boxes.image_width, boxes.image_height
    with np.errstate(invalid="ignore"):
        known = (width > 0) & (height > 0) & np.isfinite(width + height)
    return np.where(known, width, np.nan), np.where(known, height, np.nan)


def _counted(source: Source, rule: Resize, categories: Sequence[str] | None) -> Tally:
    tally = Tally(rule)
    for chunk in source.chunks():
        tally.add(chunk)
    tally.left_out.update(source.left_out)
    tally.total += sum(source.left_out.values())
    if not tally.total:
        raise InputError(f"objects: {source.label} holds no boxes")
    if tally.left_out["below one pixel"] > tally.total / 2:
        raise InputError(
            f"objects: {tally.left_out['below one pixel']} of {tally.total} boxes of {source.label} are smaller than "
            "one pixel: sizes must be in pixels, these look like shares of the image"
        )
    if not tally.used:
        reasons = ", ".join(f"{n} {reason}" for reason, n in tally.left_out.most_common())
        raise InputError(
            f"objects: none of the {tally.total} boxes of {source.label} can be used: {reasons}",
            remedy=_remedy_of_unknown(source, tally),
        )
    _choose(tally, source, categories)
    return tally


def _remedy_of_unknown(source: Source, tally: Tally) -> Text | None:
    """What helps where no image has a known size; shares of the image need it whatever the resize."""
    if source.left_out["image size unknown"]:
        return ("give ", Parameter("images"), " (a folder of pictures) or ", Parameter("image_size"))
    if tally.left_out["image size unknown"]:
        return ("give ", Parameter("image_size"), " or ", Parameter("resize", "none"))
    return None


def _choose(tally: Tally, source: Source, categories: Sequence[str] | None) -> None:
    """Join labels of one name, sort them by name, and keep those asked for."""
    names = [str(source.names.get(label, label)) for label in tally.labels]
    kept = sorted(set(names))
    if categories is not None:
        from rfscale.engine.errors import nearest

        for name in categories:
            if name not in kept:
                raise InputError(f"categories: {source.label} has no {shown(name)}; {nearest(name, kept)}")
        kept = sorted(set(categories))
    for measure, counts in tally.counts.items():
        rows = np.zeros((len(kept), counts.shape[1]))
        for row, name in zip(counts, names, strict=False):
            if name in kept:
                rows[kept.index(name)] += row
        tally.counts[measure] = rows
    tally.labels = {name: i for i, name in enumerate(kept)}
    tally.used = float(tally.counts["size"].sum())


def _dataset(tally: Tally, source: Source, rule: Resize) -> xr.Dataset:
    import xarray as xr

    data: dict[str, Any] = {}
    coords: dict[str, Any] = {"category": np.array(list(tally.labels), str)}
    ranges = {m: _occupied([tally.counts[m]]) for m in OCTAVES}
    ranges |= dict.fromkeys(MEASURES[:3], _occupied([tally.counts[m] for m in MEASURES[:3]]))
    for measure in MEASURES:
        first, last = ranges[measure]
        dim = f"{measure}_bin" if measure in OCTAVES else "bin"
        edges = 2.0 ** ((np.arange(first, last + 1) + tally.low[measure]) / BINS)
        coords[dim] = (dim, np.sqrt(edges[:-1] * edges[1:]))
        coords[f"{dim}_low"], coords[f"{dim}_high"] = (dim, edges[:-1]), (dim, edges[1:])
        data[measure] = (("category", dim), tally.counts[measure][:, first:last])
    out = xr.Dataset(data, coords)
    table = [[quantile(out, q, m) for q in QUANTILES] for m in MEASURES]
    reasons = {r: n for r, n in tally.left_out.most_common() if n}
    labels = {"measure": list(MEASURES), "q": list(QUANTILES), "reason": np.array(list(reasons), str)}
    out = out.assign_coords(labels)
    out["quantiles"] = (("measure", "q"), table)
    out["modes"] = ("mode", modes(out))
    for name, figure in (("", tally.scale.value), ("_low", tally.scale.low), ("_high", tally.scale.high)):
        out[f"scale{name}"] = ((), figure)
    out["image_width"], out["image_height"] = ((), tally.image[0].value), ((), tally.image[1].value)
    out["left_out"] = ("reason", np.array(list(reasons.values()), np.int64))
    out.attrs = provenance(
        "object_sizes",
        source=source.label,
        resize=str(rule),
        boxes=tally.total,
        objects=round(tally.used),
        notes="; ".join(f"{n} {what}" for what, n in source.notes.items()),
    )
    return annotate(out, OBJECT_SIZES)


def _occupied(counts: list[np.ndarray]) -> tuple[int, int]:
    """Range of bins outside which nothing was counted; one bin at least."""
    used = np.flatnonzero(np.sum([c.sum(axis=0) for c in counts], axis=0))
    return (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
