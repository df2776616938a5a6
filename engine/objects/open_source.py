"""Open label files of any known format as a source of boxes; the format is guessed where it is not given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.objects.boxes import ArraySource, Source, reading

FORMATS = ("coco", "voc", "yolo", "csv", "parquet", "npy")
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


def open_source(
    objects: Any,
    format: str | None = None,
    images: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    crowd: bool = True,
) -> Source:
    """Return the source of an array, a file or a folder; the format follows from the name unless it is given.

    Raises
    ------
    InputError
        One line: what was given, and what can be read.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"format is {shown(format)}; {nearest(format, FORMATS)}")
    if isinstance(objects, np.ndarray):
        return ArraySource(objects)
    if not isinstance(objects, str | Path):
        raise InputError(f"objects is a {type(objects).__name__}; give a path or a numpy array")
    path = Path(objects)
    if not path.exists():
        raise InputError(f"objects: there is no file or folder {path}")
    if not path.is_dir() and not path.is_file():  # a device or a pipe may have no end, and is read once
        raise InputError(f"objects: {path} is no regular file")
    kind = format or _guess(path)
    if path.is_dir() != (kind in ("voc", "yolo")):
        raise InputError(f"objects: {path} is a {'folder' if path.is_dir() else 'file'}, which {kind} is not")
    if (images is not None or image_size is not None) and kind != "yolo":
        raise InputError(
            (Parameter("images"), " and ", Parameter("image_size"), " go with YOLO folders"),
            remedy=f"{kind} says the image sizes itself",
        )
    return _made(kind, path, images, image_size, crowd)


def _made(kind: str, path: Path, images: str | Path | None, size: tuple[int, int] | None, crowd: bool) -> Source:
    if kind == "coco":
        from rfscale.engine.objects.formats.coco import CocoSource

        return CocoSource(path, crowd)
    if kind == "voc":
        from rfscale.engine.objects.formats.folders import VocSource

        return VocSource(path)
    if kind == "yolo":
        from rfscale.engine.objects.formats.folders import YoloSource

        return YoloSource(path, images, size)
    if kind == "npy":
        with reading(path):
            return ArraySource(np.load(path, mmap_mode="r", allow_pickle=False), str(path))
    from rfscale.engine.objects.formats.tables import CsvSource, ParquetSource

    return ParquetSource(path) if kind == "parquet" else CsvSource(path)


def _guess(path: Path) -> str:
    if path.is_dir():
        for kind, suffix in (("voc", ".xml"), ("yolo", ".txt")):
            if any(path.rglob(f"*{suffix}")):
                return kind
        raise InputError(f"objects: the folder {path} holds neither .xml (Pascal VOC) nor .txt (YOLO) files")
    name = path.name.lower()
    if name.endswith((".json", ".json.gz")):
        return "coco"
    if name.endswith((".parquet", ".npy")):
        return name.rsplit(".", 1)[1]
    if name.endswith(TABLES):
        return "csv"
    raise InputError(
        f"objects: cannot tell the format of {path} from its name; give .json (COCO), .csv, .parquet, .npy, a folder "
        "of .xml (Pascal VOC) or .txt (YOLO), or name the format"
    )
