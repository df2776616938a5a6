"""Folders of annotations, one file per image: Pascal VOC (XML) and YOLO (relative sizes in text files)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.objects.boxes import CHUNK, Base, Boxes, check_image_labels, reading, rows_to_boxes

Row = tuple[Any, ...]  # x, y, width, height, image_width, image_height, category
PICTURES = frozenset(".avif .bmp .gif .heic .heif .jp2 .jpeg .jpg .mpo .png .tif .tiff .webp".split())
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
TOO_LARGE = 1.5  # a relative size above this is no relative size


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return (height, width) in pixels as stored, from the header alone; None where it cannot be read.

    The orientation tag of a photograph is not followed: annotation tools differ on it.
    """
    import imagesize

    width, height = imagesize.get(path, exif_rotation=False)
    return (height, width) if min(width, height) > 0 else None


def _grouped(rows: Iterable[Row]) -> Iterator[Boxes]:
    """Boxes of rows, in chunks."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == CHUNK:
            yield rows_to_boxes(group)
            group = []
    if group:
        yield rows_to_boxes(group)


class VocSource(Base):
    """A folder of Pascal VOC files. The width of a box is xmax − xmin; parts of objects are not boxes of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder

    def chunks(self) -> Iterator[Boxes]:
        return _grouped(self._rows())

    def _rows(self) -> Iterator[Row]:
        for path in sorted(self.folder.rglob("*.xml")):
            with reading(path):
                check_image_labels(path)
                try:
                    root = ElementTree.parse(path).getroot()
                except ElementTree.ParseError as error:
                    raise InputError(f"objects: {path} is not XML, or truncated: {error}") from None
            if root.tag != "annotation":
                raise InputError(f"objects: {path} is no Pascal VOC file: its root is <{root.tag}>, not <annotation>")
            size = [_text(root, f"size/{side}") for side in ("width", "height")]
            image = [float(s) if s.replace(".", "", 1).isdigit() and float(s) > 0 else nan for s in size]
            for thing in root.findall("object"):
                row = self._box(thing, image)
                if row:
                    yield row

    def _box(self, thing: ElementTree.Element, image: list[float]) -> Row | None:
        if thing.find("bndbox") is None:
            self.left_out["no box"] += 1
            return None
        try:
            x0, y0, x1, y1 = (float(_text(thing, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            x0 = y0 = x1 = y1 = nan
        return x0, y0, x1 - x0, y1 - y0, *image, _text(thing, "name") or "none"


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


class YoloSource(Base):
    """A folder of YOLO text files: ``class cx cy w h`` or ``class x1 y1 x2 y2 …`` in shares of the image.

    Image sizes come from `size` (height, width), or from the headers of the pictures in the folder `images`: by default
    the folder of that name where the labels' folder says `labels`.
    """

    def __init__(self, folder: Path, images: str | Path | None, size: tuple[int, int] | None) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.size = size
        self.pictures = {} if size else self._pictures(images)
        for name in NAME_FILES:
            if (folder / name).is_file():
                with reading(folder / name):
                    check_image_labels(folder / name)
                    lines = (folder / name).read_text(encoding="utf-8").splitlines()
                self.names = {str(i): line.strip() for i, line in enumerate(lines)}

    def _pictures(self, images: str | Path | None) -> dict[str, Path]:
        folder = Path(images) if images is not None else _sibling(self.folder)
        if folder is None:
            raise InputError(
                f"objects: YOLO sizes in {self.folder} are relative to the image",
                remedy=(
                    "give ",
                    Parameter("images"),
                    " (a folder of pictures) or ",
                    Parameter("image_size"),
                    " (height, width)",
                ),
            )
        if not folder.is_dir():
            raise InputError(f"images: there is no folder {folder}")
        found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
        return {str(p.relative_to(folder).with_suffix("")): p for p in found}

    def chunks(self) -> Iterator[Boxes]:
        return _grouped(self._rows())

    def _rows(self) -> Iterator[Row]:
        for path in sorted(self.folder.rglob("*.txt")):
            if path.name in NAME_FILES:
                continue
            with reading(path):
                check_image_labels(path)
                lines = path.read_text(encoding="utf-8").splitlines()
            height, width = self._image(path) if lines else (nan, nan)
            for number, line in enumerate(lines, start=1):
                values = line.split()
                if values:
                    row = self._box(values, width, height, f"{path}, line {number}")
                    if row:
                        yield row

    def _image(self, path: Path) -> tuple[float, float]:
        if self.size:
            return self.size
        picture = self.pictures.get(str(path.relative_to(self.folder).with_suffix("")))
        if picture is None:
            self.notes["label files without a picture"] += 1
        return (picture_size(picture) if picture else None) or (nan, nan)

    def _box(self, values: list[str], width: float, height: float, where: str) -> Row | None:
        try:
            given = [float(v) for v in values[1:]]
        except ValueError:
            raise InputError(
                f"objects: {where} is {shown(' '.join(values))}; numbers are needed after the class"
            ) from None
        if len(given) in (4, 5):  # the fifth is a detector's confidence
            w, h = given[2:4]
            x, y = given[0] - w / 2, given[1] - h / 2
        elif len(given) >= 6 and len(given) % 2 == 0:
            x, y = min(given[0::2]), min(given[1::2])
            w, h = max(given[0::2]) - x, max(given[1::2]) - y
        else:
            raise InputError(
                f"objects: {where} has {len(given)} numbers after the class; a box has 4, an outline pairs"
            )
        self.notes["relative boxes"] += 1
        if not all(map(isfinite, given)):
            self.left_out["not a number"] += 1
            return None
        if isnan(width):
            self.left_out["image size unknown"] += 1
            return None
        if max(w, h) > TOO_LARGE:
            self.left_out["mixed units"] += 1
            self._refuse_pixels(where)
            return None
        return x * width, y * height, w * width, h * height, width, height, values[0]

    def _refuse_pixels(self, where: str) -> None:
        wrong, all_boxes = self.left_out["mixed units"], self.notes["relative boxes"]
        if wrong >= 100 and wrong > all_boxes / 2:
            raise InputError(
                f"objects: {wrong} of the first {all_boxes} boxes are larger than the image, the last in {where}: YOLO "
                "sizes are shares of the image, these look like pixels"
            )


def _sibling(folder: Path) -> Path | None:
    """The folder of pictures that belongs to a folder of labels: …/labels/train has …/images/train."""
    parts = list(folder.absolute().parts)
    for i in range(len(parts) - 1, 0, -1):
        if parts[i] == "labels":
            other = Path(*parts[:i], "images", *parts[i + 1 :])
            return other if other.is_dir() else None
    return folder if any(p.suffix.lower() in PICTURES for p in folder.iterdir()) else None
