"""A folder of KITTI labels."""

from __future__ import annotations

from rfscale.engine.objects.formats.text_folders import Row, TextFolderSource

COLUMNS = 15  # and a score in files of results


class KittiSource(TextFolderSource):
    """A folder of KITTI text files: ``type truncated occluded alpha left top right bottom …`` in pixels.

    Regions of the type DontCare are left out.
    """

    kind = "KITTI"
    line = "15 values: type, truncated, occluded, alpha, left, top, right, bottom, and 7 more"

    def box(self, line: str, width: float, height: float, where: str) -> Row | None:
        values = line.split()
        if len(values) not in (COLUMNS, COLUMNS + 1):
            self.refuse(line, where, f"it has {len(values)} values")
        try:
            left, top, right, bottom = map(float, values[4:8])
        except ValueError:
            self.refuse(line, where, "left, top, right and bottom must be numbers")
        if values[0] == "DontCare":
            self.left_out["DontCare region"] += 1
            return None
        return left, top, right - left, bottom - top, width, height, values[0]
