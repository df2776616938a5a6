"""Open label files of any known format as a source of boxes; the format is guessed where it is not given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.objects.boxes import ArraySource, Source, check_image_labels, reading

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
YAML = (".yaml", ".yml")


class Options(NamedTuple):
    """What a caller says of label files besides their place."""

    images: str | Path | None = None
    image_size: tuple[int, int] | None = None
    crowd: bool = True
    split: str | None = None


class Format(NamedTuple):
    """A format of label files.

    Attributes
    ----------
    open : callable
        Returns the source of a path.
    folder : bool
        It is a folder, else a file.
    options : tuple of str
        Names of `Options` that go with it, besides `crowd`.
    """

    open: Callable[[Path, Options], Source]
    folder: bool = False
    options: tuple[str, ...] = ()


def open_source(
    objects: Any,
    format: str | None = None,
    images: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    crowd: bool = True,
    split: str | None = None,
) -> Source:
    """Return the source of an array, a file or a folder; the format follows from the name unless it is given.

    Raises
    ------
    InputError
        One line: what was given, and what can be read.
    """
    if format is not None and not (isinstance(format, str) and format in FORMATS):
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
    if path.is_dir() and format in (None, "ultralytics"):
        inside = _data_yaml(path)
        if inside is not None:
            path, format = inside, "ultralytics"
    kind = format or _guess(path)
    if path.is_dir() != FORMATS[kind].folder:
        raise InputError(f"objects: {path} is a {'folder' if path.is_dir() else 'file'}, which {kind} is not")
    options = _checked(Options(images, image_size, crowd, split))
    for name in ("images", "image_size", "split"):
        if getattr(options, name) is not None and name not in FORMATS[kind].options:
            having = ", ".join(other for other, form in FORMATS.items() if name in form.options)
            raise InputError((Parameter(name), f" goes with {having}"), remedy=f"leave it out, {path} is {kind}")
    return FORMATS[kind].open(path, options)


def _checked(options: Options) -> Options:
    """The options, once they are of the kind that formats take."""
    images: Any = options.images
    size: Any = options.image_size
    if images is not None and not isinstance(images, str | Path):
        raise InputError(argument=Parameter("images"), value=images, remedy="give the path of a folder of pictures")
    if size is None:
        return options
    pixels: list[Any] = list(size) if isinstance(size, Sequence | np.ndarray) and not isinstance(size, str) else []
    if len(pixels) != 2 or not all(isinstance(n, int | float | np.number) and 0 < n < inf for n in pixels):
        remedy = "give (height, width) in pixels, such as (480, 640)"
        raise InputError(argument=Parameter("image_size"), value=size, remedy=remedy)
    return options._replace(image_size=(pixels[0], pixels[1]))


# formats -------------------------------------------------------------------------------------------------------------


def _coco(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.coco import CocoSource

    return CocoSource(path, options.crowd)


def _voc(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.voc import VocSource

    return VocSource(path)


def _yolo(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.yolo import YoloSource

    return YoloSource(path, options.images, options.image_size)


def _ultralytics(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.ultralytics import UltralyticsSource

    return UltralyticsSource(path, options.split, options.image_size)


def _visdrone(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.visdrone import VisDroneSource

    return VisDroneSource(path, options.images, options.image_size)


def _kitti(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.kitti import KittiSource

    return KittiSource(path, options.images, options.image_size)


def _dota(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.dota import DotaSource

    return DotaSource(path, options.images, options.image_size)


def _csv(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.tables import CsvSource

    return CsvSource(path)


def _parquet(path: Path, options: Options) -> Source:
    from rfscale.engine.objects.formats.tables import ParquetSource

    return ParquetSource(path)


def _npy(path: Path, options: Options) -> Source:
    with reading(path):
        return ArraySource(np.load(path, mmap_mode="r", allow_pickle=False), str(path))


_OF_IMAGES = ("images", "image_size")
FORMATS: dict[str, Format] = {
    "coco": Format(_coco),
    "voc": Format(_voc, folder=True),
    "yolo": Format(_yolo, folder=True, options=_OF_IMAGES),
    "ultralytics": Format(_ultralytics, options=("image_size", "split")),
    "visdrone": Format(_visdrone, folder=True, options=_OF_IMAGES),
    "kitti": Format(_kitti, folder=True, options=_OF_IMAGES),
    "dota": Format(_dota, folder=True, options=_OF_IMAGES),
    "csv": Format(_csv),
    "parquet": Format(_parquet),
    "npy": Format(_npy),
}


# the guess -----------------------------------------------------------------------------------------------------------


def _guess(path: Path) -> str:
    if path.is_dir():
        if any(path.rglob("*.xml")):
            return "voc"
        if any(path.rglob("*.txt")):
            return _guess_text(path)
        raise InputError(
            f"objects: the folder {path} holds neither .xml (Pascal VOC) nor .txt (YOLO, VisDrone, KITTI, DOTA) files"
        )
    name = path.name.lower()
    if name.endswith((".json", ".json.gz")):
        return "coco"
    if name.endswith(YAML):
        return "ultralytics"
    if name.endswith((".parquet", ".npy")):
        return name.rsplit(".", 1)[1]
    if name.endswith(TABLES):
        return "csv"
    raise InputError(
        f"objects: cannot tell the format of {path} from its name; give .json (COCO), data.yaml (Ultralytics), .csv, "
        ".parquet, .npy, a folder of .xml (Pascal VOC) or .txt (YOLO, VisDrone, KITTI, DOTA), or name the format"
    )


def _data_yaml(folder: Path) -> Path | None:
    """The file of Ultralytics at the top of a folder: data.yaml, or the only YAML file that names a split."""
    from rfscale.engine.objects.formats.ultralytics import names_a_split

    found = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in YAML and p.is_file()]
    named = [p for p in found if p.stem == "data"] or [p for p in found if names_a_split(p)]
    return named[0] if len(named) == 1 else None


def _guess_text(folder: Path) -> str:
    """The format of a folder of text files, from its first line of labels."""
    from rfscale.engine.objects.formats.text_folders import label_files

    for path in label_files(folder):
        with reading(path):
            check_image_labels(path)
            lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        if lines:
            return _kind_of(lines[0])
    return "yolo"


def _kind_of(line: str) -> str:
    """The format of a line: YOLO, unless it can only be another."""
    words = line.split()
    if line.startswith(("imagesource:", "gsd:")) or (len(words) in (9, 10) and not _is_number(words[8])):
        return "dota"
    if line.count(",") >= 3:
        return "visdrone"
    if not _is_number(words[0]):
        return "kitti"
    return "yolo"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
