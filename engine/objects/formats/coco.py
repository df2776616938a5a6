"""COCO JSON, read as a stream: one entry of a list at a time, so that memory does not grow with the file."""

from __future__ import annotations

import gzip
from array import array
from collections.abc import Iterator, Sequence
from math import nan
from pathlib import Path
from typing import IO, Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.objects.boxes import CHUNK, Base, Boxes, number, reading, rows_to_boxes
from rfscale.engine.objects.formats.json_stream import JsonStream
from rfscale.engine.objects.formats.masks import mask_box

LISTS = "'images', 'annotations' and 'categories'"


class ImageSizes:
    """Width and height of every image by its id: 24 bytes each."""

    def __init__(self) -> None:
        self._ids, self._widths, self._heights = array("q"), array("d"), array("d")
        self._numbers: dict[str, int] = {}  # of ids that are text
        self._sorted: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def number(self, label: Any) -> int:
        """An id as a number: 1.0 is 1, as in Python."""
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        if isinstance(label, int) and -(2**62) < label < 2**62:
            return label
        return -(2**62) - self._numbers.setdefault(str(label), len(self._numbers))

    def add(self, label: Any, width: Any, height: Any) -> None:
        self._ids.append(self.number(label))
        for column, value in ((self._widths, width), (self._heights, height)):
            column.append(nan if isinstance(value, str) else number(value))

    def find(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether the file lists some images, and their widths and heights; NaN where it does not say them."""
        if self._sorted is None:
            ids = np.frombuffer(self._ids, np.int64) if self._ids else np.zeros(0, np.int64)
            order = np.argsort(ids, kind="stable")
            self._sorted = (
                np.append(ids[order], np.iinfo(np.int64).max),
                np.append(np.array(self._widths)[order], np.nan),
                np.append(np.array(self._heights)[order], np.nan),
            )
        ids, widths, heights = self._sorted
        at = np.searchsorted(ids, labels)
        known = ids[at] == labels
        return known, widths[at], heights[at]


class CocoSource(Base):
    """A COCO file of instances, plain or gzipped; its lists may come in any order.

    An annotation without a box has the one around its mask.
    """

    def __init__(self, path: Path, crowd: bool = True) -> None:
        super().__init__(str(path))
        self.path = path
        self.crowd = crowd
        self._early = False  # the annotations come before the images

    def chunks(self) -> Iterator[Boxes]:
        """Boxes in the order of the file; a file with its annotations first is read twice."""
        images = ImageSizes()
        found: set[str] = set()
        with reading(self.path):
            yield from self._pass(images, found, again=False)
            missing = [key for key in ("images", "annotations") if key not in found]
            if missing:
                keys = ", ".join(sorted(found)) or "none"
                raise InputError(
                    f"objects: {self.path} has no {missing[0]!r}; a COCO file has {LISTS}, this has: {keys}"
                )
            if self._early:
                yield from self._pass(images, found, again=True)

    def _pass(self, images: ImageSizes, found: set[str], again: bool) -> Iterator[Boxes]:
        with self._open() as file:
            stream = JsonStream(file, self.path)
            if stream.peek() != "{":
                raise InputError(f"objects: {self.path} is no COCO file: a mapping with {LISTS} is needed at its top")
            for key in stream.members():
                found.add(key)
                if key == "annotations" and ("images" in found or again):
                    yield from self._boxes(stream, images)
                elif key == "images" and not again:
                    for entry in self._entries(stream, key):
                        images.add(entry.get("id"), entry.get("width"), entry.get("height"))
                elif key == "categories" and not again:
                    for entry in self._entries(stream, key):
                        label = self._label(entry.get("id"))
                        self.names[label] = str(entry.get("name", label))
                else:
                    self._early = self._early or key == "annotations"
                    stream.skip()

    def _open(self) -> IO[str]:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return gzip.open(self.path, "rt", encoding="utf-8-sig") if packed else self.path.open(encoding="utf-8-sig")

    def _entries(self, stream: JsonStream, key: str) -> Iterator[dict[str, Any]]:
        if stream.peek() != "[":
            raise InputError(f"objects: {self.path}: {key!r} must be a list")
        for place, entry in enumerate(stream.array()):
            if not isinstance(entry, dict):
                raise InputError(f"objects: {self.path}: entry {place} of {key!r} is {shown(entry)}, not a mapping")
            yield entry

    def _label(self, label: Any) -> Any:
        """A category as a key; "none" for what is none, such as a list."""
        if isinstance(label, str | int | float):
            return label
        if label is not None:
            self.notes["categories that are no number or text"] += 1
        return "none"

    def _boxes(self, stream: JsonStream, images: ImageSizes) -> Iterator[Boxes]:
        rows: list[tuple[Any, ...]] = []
        for entry in self._entries(stream, "annotations"):
            if entry.get("iscrowd"):
                self.notes["crowd regions"] += 1
                if not self.crowd:
                    self.left_out["crowd region"] += 1
                    continue
            box = self._box(entry)
            if box is None:
                self.left_out["no box"] += 1
                continue
            rows.append((*box, images.number(entry.get("image_id")), 0, self._label(entry.get("category_id"))))
            if len(rows) == CHUNK:
                yield from self._with_images(rows, images)
                rows = []
        yield from self._with_images(rows, images)

    def _box(self, entry: dict[str, Any]) -> Sequence[Any] | None:
        """The box of an annotation: its own, or where that says nothing the one around its mask."""
        box = entry.get("bbox")
        given = box if isinstance(box, list) and len(box) == 4 else None
        if given is not None and given != [0, 0, 0, 0]:
            return given
        around = mask_box(entry.get("segmentation"))
        if around is not None:
            self.notes["boxes from masks"] += 1
        return around or given

    def _with_images(self, rows: list[tuple[Any, ...]], images: ImageSizes) -> Iterator[Boxes]:
        """Boxes of the rows whose image the file lists."""
        known, widths, heights = images.find(np.array([row[4] for row in rows], np.int64))
        if not known.all():
            self.left_out["unknown image"] += int((~known).sum())
            rows = [row for row, listed in zip(rows, known.tolist(), strict=True) if listed]
        if rows:
            b = rows_to_boxes(rows)
            yield Boxes(b.width, b.height, widths[known], heights[known], b.x, b.y, b.category, b.count)
