"""Boxes in every format of labels."""

from __future__ import annotations

import json
import struct
import zlib

BOXES = [(10, 20, 30, 40), (0, 0, 64, 64), (5, 5, 100, 25), (200, 100, 8, 8)]
IMAGES = {1: (640, 480), 2: (320, 240)}
WHERE = [1, 1, 2, 2]
NAMES = ["cat", "dog", "cat", "dog"]


def coco(boxes=BOXES, **more) -> dict:
    return {
        "info": {"year": 2017, "nested": [{"a": [1, 2, {"b": "]}"}]}]},
        "images": [{"id": i, "width": w, "height": h, "file_name": f"{i}.jpg"} for i, (w, h) in IMAGES.items()],
        "annotations": [
            {"id": n, "image_id": WHERE[n % 4], "category_id": 17 + n % 2, "bbox": list(b), "segmentation": [[1.5, 2]]}
            for n, b in enumerate(boxes)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        **more,
    }


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def rows(text: str = "") -> str:
    lines = ["image_width,image_height,category,x,y,width,height"]
    for (x, y, w, h), image, name in zip(BOXES, WHERE, NAMES, strict=True):
        lines.append(f"{IMAGES[image][0]},{IMAGES[image][1]},{name},{x},{y},{w},{h}")
    return "\n".join(lines) + "\n" + text


def voc(folder, boxes=BOXES):
    for image, (width, height) in IMAGES.items():
        things = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox><part><name>head</name><bndbox><xmin>0</xmin></bndbox></part></object>"
            for (x, y, w, h), where, name in zip(boxes, WHERE, NAMES, strict=True)
            if where == image
        )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        (folder / f"{image}.xml").write_text(f"<annotation>{size}{things}</annotation>")
    return folder


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def yolo(root):
    labels, images = root / "labels", root / "images"
    labels.mkdir()
    images.mkdir()
    for image, (width, height) in IMAGES.items():
        lines = [
            f"{['cat', 'dog'].index(name)} {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}"
            for (x, y, w, h), where, name in zip(BOXES, WHERE, NAMES, strict=True)
            if where == image
        ]
        (labels / f"{image}.txt").write_text("\n".join(lines) + "\n")
        (images / f"{image}.png").write_bytes(png(width, height))
    (labels / "classes.txt").write_text("cat\ndog\n")
    return labels


def same(a, b) -> bool:
    return all(a[m].equals(b[m]) for m in ("size", "width", "height", "aspect", "relative"))
