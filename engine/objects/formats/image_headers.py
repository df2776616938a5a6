"""Width and height of a picture from its header alone: PNG, JPEG, GIF, BMP, WebP."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")


FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that carry the size


def image_size(path: Path) -> tuple[int, int] | None:
    """Return (height, width) in pixels as stored, or None where the header cannot be read.

    A JPEG's orientation tag is not followed: annotation tools differ on it.
    """
    try:
        with path.open("rb") as file:
            size = _size(file, file.read(30))
    except (OSError, struct.error, IndexError):
        return None
    return size if size and min(size) > 0 else None


def _size(file: IO[bytes], head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", head[16:24])
    elif head.startswith(b"\xff\xd8"):
        return _jpeg(file)
    elif head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", head[6:10])
    elif head.startswith(b"BM"):
        width, height = struct.unpack("<ii", head[18:26])
        height = abs(height)  # negative: rows from top to bottom
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    else:
        return None
    return height, width


def _jpeg(file: IO[bytes]) -> tuple[int, int] | None:
    file.seek(2)
    while True:
        byte = file.read(1)
        while byte and byte != b"\xff":
            byte = file.read(1)
        while byte == b"\xff":
            byte = file.read(1)
        if not byte:
            return None
        if byte[0] in FRAMES:
            height, width = struct.unpack(">xxxHH", file.read(7))
            return height, width
        if 0xD0 <= byte[0] <= 0xD9 or byte[0] == 1:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        file.seek(length - 2, 1)


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        return int.from_bytes(head[27:30], "little") + 1, width
    return None
