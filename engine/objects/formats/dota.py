"""A folder of DOTA labels: turned boxes."""

from __future__ import annotations

from rfscale.engine.objects.formats.text_folders import Row, TextFolderSource, turned_box

HEADERS = ("imagesource:", "gsd:")  # lines before the objects


class DotaSource(TextFolderSource):
    """A folder of DOTA text files: ``x1 y1 x2 y2 x3 y3 x4 y4 category difficult`` in pixels.

    The size of an object is that of its turned box, not of the upright one around it.
    """

    kind = "DOTA"
    line = "the x and y of 4 corners, a category, and perhaps a difficulty"

    def box(self, line: str, width: float, height: float, where: str) -> Row | None:
        values = line.split()
        if values[0].startswith(HEADERS):
            return None
        if len(values) not in (9, 10):
            self.refuse(line, where, f"it has {len(values)} values")
        try:
            corners = [float(value) for value in values[:8]]
        except ValueError:
            self.refuse(line, where, "the corners must be numbers")
        return *turned_box(corners), width, height, values[8]
