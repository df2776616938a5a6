"""Folders with a text file for each image, a line for each object: what YOLO, VisDrone, KITTI and DOTA have alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import hypot, isfinite, nan
from pathlib import Path
from typing import Any, NoReturn

from rfscale.engine.errors import InputError, shown
from rfscale.engine.objects.boxes import CHUNK, NOWHERE, Base, Boxes, check_image_labels, reading, rows_to_boxes

Row = tuple[Any, ...]  # x, y, width, height, image_width, image_height, category
PICTURES = frozenset(".avif .bmp .gif .heic .heif .jp2 .jpeg .jpg .mpo .png .tif .tiff .webp".split())
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
LABELS = {"labels": "images", "annotations": "images", "label_2": "image_2", "labelTxt": "images"}  # and the pictures'


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return (height, width) in pixels as stored, from the header alone; None where it cannot be read.

    The orientation tag of a photograph is not followed: annotation tools differ on it.
    """
    import imagesize

    width, height = imagesize.get(path, exif_rotation=False)
    return (height, width) if min(width, height) > 0 else None


def grouped(rows: Iterable[Row]) -> Iterator[Boxes]:
    """Boxes of rows, in chunks."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == CHUNK:
            yield rows_to_boxes(group)
            group = []
    if group:
        yield rows_to_boxes(group)


def label_files(folder: Path) -> list[Path]:
    """Return the text files of a folder that hold labels: those in folders for labels, if there are such, else all."""
    files = [path for path in sorted(folder.rglob("*.txt")) if path.name not in NAME_FILES]
    inside = [path for path in files if any(label_folder(part) for part in path.relative_to(folder).parts[:-1])]
    return inside or files


def label_folder(part: str) -> str:
    """Return the name of the folder of pictures that belongs to a folder of labels; empty for any other folder.

    Examples
    --------
    >>> label_folder("labels"), label_folder("label_2"), label_folder("labelTxt-v1.5"), label_folder("notes")
    ('images', 'image_2', 'images', '')
    """
    return LABELS.get("labelTxt" if part.startswith("labelTxt") else part, "")


class Pictures:
    """The pictures of label files: those of the same name, in a given folder or in that which belongs to the labels'.

    …/labels/train has …/images/train; a folder of labels without such a folder has its pictures beside it.
    """

    def __init__(self, labels: Path, folder: str | Path | None = None) -> None:
        self._labels = labels
        self._folder = None if folder is None else Path(folder)
        self._found: dict[Path, dict[str, Path]] = {}
        if self._folder is not None and not self._folder.is_dir():
            raise InputError(f"images: there is no folder {self._folder}")

    def folder_of(self, label: Path) -> Path | None:
        """Return the folder in which the picture of a label file must be; None where there is none."""
        if self._folder is not None:
            return self._folder / label.relative_to(self._labels).parent
        parts = list(label.absolute().parent.parts)
        for i in range(len(parts) - 1, 0, -1):
            if other := label_folder(parts[i]):
                folder = Path(*parts[:i], other, *parts[i + 1 :])
                return folder if folder.is_dir() else None
        return label.parent

    def of(self, label: Path) -> Path | None:
        """Return the picture of a label file."""
        folder = self.folder_of(label)
        if folder is None:
            return None
        if folder not in self._found:
            files = folder.iterdir() if folder.is_dir() else ()
            self._found[folder] = {p.stem: p for p in files if p.suffix.lower() in PICTURES}
        return self._found[folder].get(label.stem)


class TextFolderSource(Base):
    """A folder of text files, one for each image.

    The sizes of images come from `size` (height, width), or from the headers of the pictures that belong to the labels.
    """

    kind = "text"
    line = "words"  # what a line holds, for messages

    def __init__(
        self, folder: Path, images: str | Path | None = None, size: tuple[int, int] | None = None, label: str = ""
    ) -> None:
        super().__init__(label or str(folder))
        self.folder = folder
        self.size = size
        self.pictures = Pictures(folder, images)

    def files(self) -> Iterable[Path]:
        """Files of labels, in order."""
        return label_files(self.folder)

    def chunks(self) -> Iterator[Boxes]:
        return grouped(self._rows())

    def _rows(self) -> Iterator[Row]:
        for path in self.files():
            with reading(path):
                check_image_labels(path)
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            height, width = self.image_size(path) if any(map(str.strip, lines)) else (nan, nan)
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = self.box(line, width, height, f"{path}, line {number}")
                    if row:
                        yield row

    def image_size(self, path: Path) -> tuple[float, float]:
        """Return (height, width) of the image of a label file; NaN where they are not known."""
        if self.size:
            return self.size
        picture = self.pictures.of(path)
        if picture is None:
            self.notes["label files without a picture"] += 1
        return (picture_size(picture) if picture else None) or (nan, nan)

    def box(self, line: str, width: float, height: float, where: str) -> Row | None:
        """Return the row of a line, or None where it is no object or of no use, which is counted."""
        raise NotImplementedError

    def refuse(self, line: str, where: str, why: str) -> NoReturn:
        """Raise the error of a line that is not of this format."""
        raise InputError(
            f"objects: {where} is {shown(line.strip())}: {why}",
            remedy=f"a line of {self.kind} has {self.line}; mend it, or name another format",
        )


def turned_box(corners: list[float]) -> tuple[Any, Any, float, float]:
    """Return place and sides of a turned box from x and y of its four corners in order; the width is the flatter side.

    A corner that annotators set a little off counts by the mean of opposite sides. The box has no place: whether it
    lies inside its image does not follow from its sides.
    """
    if not all(map(isfinite, corners)):
        return nan, nan, nan, nan
    points = list(zip(corners[0::2], corners[1::2], strict=True))
    edges = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(points, points[1:] + points[:1], strict=True)]
    first = (hypot(*edges[0]) + hypot(*edges[2])) / 2
    second = (hypot(*edges[1]) + hypot(*edges[3])) / 2
    flat = abs(edges[0][0]) + abs(edges[2][0]) >= abs(edges[0][1]) + abs(edges[2][1])
    return (NOWHERE, NOWHERE, first, second) if flat else (NOWHERE, NOWHERE, second, first)
