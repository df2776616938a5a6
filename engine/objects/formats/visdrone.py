"""A folder of VisDrone annotations."""

from __future__ import annotations

from pathlib import Path

from rfscale.engine.objects.formats.text_folders import Row, TextFolderSource

CLASSES = (
    "ignored pedestrian people bicycle car van truck tricycle awning-tricycle bus motor others".split()
)  # of VisDrone-DET 2018 to 2021


class VisDroneSource(TextFolderSource):
    """A folder of VisDrone text files: ``left,top,width,height,score,category,truncation,occlusion`` in pixels.

    Regions with the score 0 or the category 0 are ignored by the benchmark, and left out.
    """

    kind = "VisDrone"
    line = "8 whole numbers with commas between: left, top, width, height, score, category, truncation, occlusion"

    def __init__(
        self, folder: Path, images: str | Path | None = None, size: tuple[int, int] | None = None, label: str = ""
    ) -> None:
        super().__init__(folder, images, size, label)
        self.names = {str(i): name for i, name in enumerate(CLASSES)}

    def box(self, line: str, width: float, height: float, where: str) -> Row | None:
        values = [value.strip() for value in line.strip().rstrip(",").split(",")]
        if len(values) != 8:
            self.refuse(line, where, f"it has {len(values)} values")
        try:
            x, y, w, h, score, category, _, _ = map(int, values)
        except ValueError:
            self.refuse(line, where, "a value is no whole number")
        if not score or not category:
            self.left_out["ignored region"] += 1
            return None
        return x, y, w, h, width, height, str(category)
