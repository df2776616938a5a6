"""A folder of YOLO label files: boxes, turned boxes or outlines in shares of the image."""

from __future__ import annotations

from math import isfinite, isnan
from pathlib import Path

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.objects.boxes import check_image_labels, reading
from rfscale.engine.objects.formats.text_folders import NAME_FILES, Row, TextFolderSource, turned_box

TOO_LARGE = 1.5  # a relative size above this is no relative size


class YoloSource(TextFolderSource):
    """A folder of YOLO text files, in shares of the image.

    A line is ``class cx cy w h``, perhaps with a confidence, ``class x1 y1 x2 y2 x3 y3 x4 y4`` for a turned box, or an
    outline of another number of points, which counts by the box around it.
    """

    kind = "YOLO"
    line = "a class, and 4 numbers for a box, 8 for a turned box, or pairs for an outline"

    def __init__(
        self, folder: Path, images: str | Path | None = None, size: tuple[int, int] | None = None, label: str = ""
    ) -> None:
        super().__init__(folder, images, size, label)
        for name in NAME_FILES:
            if (folder / name).is_file():
                with reading(folder / name):
                    check_image_labels(folder / name)
                    lines = (folder / name).read_text(encoding="utf-8-sig").splitlines()
                self.names = {str(i): line.strip() for i, line in enumerate(lines)}
        self._check_pictures()

    def _check_pictures(self) -> None:
        """Refuse labels for which there cannot be a picture, before all of them are read."""
        first = next(iter(self.files()), None)
        if self.size or first is None:
            return
        folder = self.pictures.folder_of(first)
        if folder is None or (folder == first.parent and self.pictures.of(first) is None):
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

    def box(self, line: str, width: float, height: float, where: str) -> Row | None:
        values = line.split()
        try:
            given = [float(v) for v in values[1:]]
        except ValueError:
            self.refuse(line, where, "numbers are needed after the class")
        if len(given) < 4 or (len(given) > 5 and len(given) % 2):
            self.refuse(line, where, f"it has {len(given)} numbers after the class")
        self.notes["relative boxes"] += 1
        if not all(map(isfinite, given)):
            self.left_out["not a number"] += 1
            return None
        if isnan(width):
            self.left_out["image size unknown"] += 1
            return None
        if len(given) in (4, 5):  # the fifth is a detector's confidence
            w, h = given[2:4]
            x, y = given[0] - w / 2, given[1] - h / 2
        else:
            x, y = min(given[0::2]), min(given[1::2])
            w, h = max(given[0::2]) - x, max(given[1::2]) - y
        if max(w, h) > TOO_LARGE:
            self.left_out["mixed units"] += 1
            self._refuse_pixels(where)
            return None
        if len(given) == 8:
            corners = [v * (height if i % 2 else width) for i, v in enumerate(given)]
            return *turned_box(corners), width, height, values[0]
        return x * width, y * height, w * width, h * height, width, height, values[0]

    def _refuse_pixels(self, where: str) -> None:
        wrong, all_boxes = self.left_out["mixed units"], self.notes["relative boxes"]
        if wrong >= 100 and wrong > all_boxes / 2:
            raise InputError(
                f"objects: {wrong} of the first {all_boxes} boxes are larger than the image, the last in {where}: YOLO "
                "sizes are shares of the image, these look like pixels"
            )
