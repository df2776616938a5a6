"""The data.yaml of Ultralytics: folders or lists of pictures, and YOLO labels beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.files import read_mapping
from rfscale.engine.objects.boxes import check_image_labels, reading
from rfscale.engine.objects.formats.text_folders import NAME_FILES, PICTURES
from rfscale.engine.objects.formats.yolo import YoloSource

SPLITS = ("train", "val", "test")


class UltralyticsSource(YoloSource):
    """The labels of one split of a data.yaml.

    The split is a folder of pictures, a text file that lists pictures, or a list of both; the labels of
    ``…/images/a.jpg`` are ``…/labels/a.txt``. A picture without a file of labels has no objects.
    """

    def __init__(self, path: Path, split: str | None = None, size: tuple[int, int] | None = None) -> None:
        self.yaml = path
        try:
            self.content = read_mapping(path)
        except InputError as error:
            raise error.within("objects") from None
        self.split = _split(path, self.content, split)
        self._labels = list(self._label_files())
        super().__init__(path.parent, None, size, f"{path} ({self.split})")
        self.names = _names(path, self.content.get("names"))

    def files(self) -> list[Path]:
        return self._labels

    def _label_files(self) -> Iterator[Path]:
        entries = self.content[self.split]
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, str):
                raise InputError(f"objects: {self.yaml}: {self.split} has {shown(entry)}, which is no path")
            yield from self._labels_of(entry)

    def _labels_of(self, entry: str) -> Iterator[Path]:
        """Files of labels of one folder or list of pictures."""
        tried: list[Path] = []
        for base in self._bases():
            for given in dict.fromkeys([entry, entry.removeprefix("../")]):
                place = base / given
                labels = _labels_beside(place)
                if labels.is_dir():
                    yield from sorted(p for p in labels.rglob("*.txt") if p.name not in NAME_FILES)
                    return
                if place.is_dir():
                    raise InputError(
                        f"objects: {self.yaml}: {self.split} has pictures in {place}, but there are no labels in "
                        f"{labels}",
                        remedy=("give another ", Parameter("split"), ", or put them there"),
                    )
                if place.is_file():
                    yield from _listed(place)
                    return
                tried.append(place)
        raise InputError(
            f"objects: {self.yaml}: {self.split} is {shown(entry)}, and there is no {', '.join(map(str, tried))}",
            remedy="set path to the folder of the data set",
        )

    def _bases(self) -> list[Path]:
        """Folders that paths may start from: those that `path` may mean, and that of the file.

        `path` starts at the file, here, or in a folder `datasets` here or beside, where Ultralytics puts data sets.
        """
        beside, path = self.yaml.parent, self.content.get("path")
        if path is not None and not isinstance(path, str):
            raise InputError(f"objects: {self.yaml}: path is {shown(path)}; it must be a text")
        if not path:
            return [beside]
        bases = [beside / path, Path(path), Path("datasets") / path, Path("../datasets") / path, beside]
        return list(dict.fromkeys(bases))


def names_a_split(path: Path) -> bool:
    """Whether a YAML file can be read and has a split with something in it."""
    try:
        content = read_mapping(path)
    except InputError:
        return False
    return any(content.get(name) for name in SPLITS)


def _split(path: Path, content: Mapping[str, Any], split: str | None) -> str:
    """The split that is asked for, or the first that there is."""
    there = [name for name in SPLITS if content.get(name)]
    if split is not None and split not in SPLITS:
        raise InputError(argument=Parameter("split"), value=split, remedy=f"it must be one of {', '.join(SPLITS)}")
    if not there:
        raise InputError(f"objects: {path} is no data.yaml of Ultralytics: it has none of {', '.join(SPLITS)}")
    if split is not None and split not in there:
        raise InputError(f"objects: {path} has no {split}", remedy=("give ", Parameter("split", there[0])))
    return split or there[0]


def _names(path: Path, names: Any) -> dict[Any, str]:
    """Names of the classes, by their number as the labels have it."""
    if names is None:
        return {}
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping):
        raise InputError(f"objects: {path}: names is {shown(names)}; it must be a list, or names by number")
    return {str(number): str(name) for number, name in names.items()}


def _labels_beside(pictures: Path) -> Path:
    """The folder of labels, or the file of labels, of a folder of pictures or a picture."""
    parts = list(pictures.parts)
    for i in range(len(parts) - 1, -1, -1):
        if parts[i] == "images":
            return Path(*parts[:i], "labels", *parts[i + 1 :])
    return pictures


def _listed(path: Path) -> Iterator[Path]:
    """Files of labels of the pictures that a text file lists."""
    with reading(path):
        check_image_labels(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line:
            continue
        picture = Path(line) if Path(line).is_absolute() else path.parent / line
        if picture.suffix.lower() not in PICTURES:
            raise InputError(f"objects: {path}, line {number} is {shown(line)}; it must be the path of a picture")
        labels = _labels_beside(picture).with_suffix(".txt")
        if labels.is_file():
            yield labels
