"""Built-in COCO, relative sizes, quantiles, modes, headers of pictures."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from rfscale.engine.objects.formats.text_folders import picture_size
from rfscale.engine.objects.histogram import fpn_levels, modes, quantile, share_below
from rfscale.engine.objects.sizes import object_sizes
from tests.engine.objects.labelled import png

# ------------------------------------------------------------------ COCO, which is built in


def test_coco_val2017_figures():
    sizes = object_sizes()
    assert sizes.attrs["objects"] == 36_781
    assert "CC BY 4.0" in sizes.attrs["attribution"]
    assert round(quantile(sizes, 0.5)) == 57
    assert round(quantile(sizes, 0.5, "relative"), 3) == 0.111
    wanted = {0.05: 10, 0.25: 26, 0.5: 57, 0.75: 131, 0.95: 341}
    assert {q: round(quantile(sizes, q)) for q in wanted} == wanted
    levels = fpn_levels(object_sizes(resize="short=800"))
    assert [round(100 * s, 1) for s in levels.values()] == pytest.approx([52, 21, 16, 10.5], abs=0.5)
    assert len(sizes.category) == 80


def test_relative_sizes_do_not_change_with_the_resize():
    assert object_sizes().relative.sum("category").equals(object_sizes(resize="square=300").relative.sum("category"))


def test_quantiles_and_shares_invert_each_other():
    sizes = object_sizes()
    for q in (0.01, 0.2, 0.5, 0.9, 0.999):
        assert share_below(sizes, [quantile(sizes, q)])[0] == pytest.approx(q)
    assert share_below(sizes, [1e-9, 1e9]).tolist() == [0, 1]


def test_quantiles_are_within_a_bin_of_the_exact_ones():
    values = np.exp(np.random.default_rng(0).normal(4, 1, 5000))
    sizes = object_sizes(np.column_stack([values, values]))
    for q in (0.05, 0.5, 0.95):
        assert abs(np.log2(quantile(sizes, q) / np.quantile(values, q))) < 1 / 16


def test_two_peaks_are_two_modes():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.exp(rng.normal(2.5, 0.3, 3000)), np.exp(rng.normal(5, 0.3, 1500))])
    found = modes(object_sizes(np.column_stack([values, values])))
    assert np.log(found).tolist() == pytest.approx([2.5, 5], abs=0.2)


# ------------------------------------------------------------------ headers of pictures


def test_headers(tmp_path):
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x11\x08" + struct.pack(">HH", 48, 64) + b"\3" + b"\0" * 9
    pictures = {
        "a.png": png(64, 48),
        "a.jpg": jpeg,
        "a.gif": b"GIF89a" + struct.pack("<HH", 64, 48) + b"\0" * 20,
        "a.bmp": b"BM" + b"\0" * 16 + struct.pack("<ii", 64, -48) + b"\0" * 8,
        "x.webp": b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + (63).to_bytes(3, "little") + (47).to_bytes(3, "little"),
        "l.webp": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 63 | 47 << 14) + b"\0" * 9,
        "k.webp": b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 10 + struct.pack("<HH", 64, 48),
        "a.tif": b"II*\0"
        + struct.pack("<IH", 8, 2)
        + b"".join(struct.pack("<HHII", t, 4, 1, n) for t, n in ((256, 64), (257, 48)))
        + b"\0" * 4,
    }
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
        assert picture_size(tmp_path / name) == (48, 64), name
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"text", png(0, 4)):
        (tmp_path / "bad.png").write_bytes(data)
        assert picture_size(tmp_path / "bad.png") is None
