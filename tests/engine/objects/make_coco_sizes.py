"""Make coco_val2017_sizes.csv.gz, the object sizes that rfscale carries, from a table of all boxes.

    python -m tests.engine.objects.make_coco_sizes coco_val2017_boxes.csv.gz

The table has the columns image_width, image_height, category, width, height, one box a row, in pixels. Boxes of one
image size and category whose sqrt(width*height) falls into one bin of 1/16 octave and whose aspect falls into one of
1/4 octave become one row: the centre of the bins (kept inside the image), and how many they are.
"""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pandas as pd

from tests import ROOT

TARGET = ROOT / "engine" / "objects" / "data" / "coco_val2017_sizes.csv.gz"
NOTE = "# Object sizes of COCO 2017 val, binned. (c) COCO Consortium, CC BY 4.0, cocodataset.org\n"


SIZE_BINS, ASPECT_BINS = 16, 4  # per octave


def binned(boxes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image size, category and bin, with a count."""
    size = np.sqrt(boxes.width * boxes.height)
    cells = boxes[["category", "image_width", "image_height"]].assign(
        size=np.floor(np.log2(size) * SIZE_BINS),
        aspect=np.floor(np.log2(boxes.width / boxes.height) * ASPECT_BINS),
    )
    rows = cells.groupby(list(cells.columns)).size().rename("count").reset_index()
    size = 2 ** ((rows["size"] + 0.5) / SIZE_BINS)
    root = 2 ** ((rows["aspect"] + 0.5) / ASPECT_BINS / 2)
    width = np.minimum(size * root, rows.image_width)
    height = np.minimum(size**2 / width, rows.image_height)
    width = np.minimum(size**2 / height, rows.image_width)
    rows = rows.assign(width=width.map("{:.4g}".format), height=height.map("{:.4g}".format))
    return rows[["image_width", "image_height", "category", "width", "height", "count"]]


def main() -> None:
    """Read the table named on the command line, write the file of the package."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.engine.objects.make_coco_sizes coco_val2017_boxes.csv.gz")
    text = NOTE + binned(pd.read_csv(sys.argv[1])).to_csv(index=False, lineterminator="\n")
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
