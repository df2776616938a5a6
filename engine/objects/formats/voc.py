"""A folder of Pascal VOC files (XML), one for each image."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from pathlib import Path
from xml.etree import ElementTree

from rfscale.engine.errors import InputError
from rfscale.engine.objects.boxes import Base, Boxes, check_image_labels, number, reading
from rfscale.engine.objects.formats.text_folders import Row, grouped


class VocSource(Base):
    """A folder of Pascal VOC files. The width of a box is xmax − xmin; parts of objects are not boxes of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder

    def chunks(self) -> Iterator[Boxes]:
        return grouped(self._rows())

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
            image = [number(s) for s in size]
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
