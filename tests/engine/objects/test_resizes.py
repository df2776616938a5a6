"""Values cut anywhere in a stream; factors of resizes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects.formats.json_stream import READ, JsonStream
from rfscale.engine.objects.histogram import quantile, shares
from rfscale.engine.objects.resize import Resize
from rfscale.engine.objects.sizes import object_sizes

# ------------------------------------------------------------------ the stream


class Dripping:
    """A file that hands out a few characters at a time."""

    def __init__(self, text: str, step: int) -> None:
        self.text, self.step, self.at = text, step, 0

    def read(self, _: int) -> str:
        self.at += self.step
        return self.text[self.at - self.step : self.at]


@pytest.mark.parametrize("step", [1, 2, 3, 7, READ])
def test_values_cut_anywhere(step):
    values = [1, -2.5e10, 'a\\"]}ü\u2028', None, True, [[], {}], {"k": [1]}, float("inf"), 12345678901234567890]
    text = " [ " + " ,\n".join(json.dumps(v) for v in values) + " ] "
    assert list(JsonStream(Dripping(text, step), "x").array()) == values
    assert list(JsonStream(Dripping("[]", step), "x").array()) == []
    stream = JsonStream(Dripping('{"a": [1, {"b": 2}], "c": {"d": []}, "e": 3}', step), "x")
    keys = []
    for key in stream.members():
        keys.append(key)
        stream.skip()
    assert keys == ["a", "c", "e"]


# ------------------------------------------------------------------ resize


@pytest.mark.parametrize(
    ("text", "image", "expected"),
    [
        ("none", (640, 480), (1, 1)),
        ("short=800", (640, 480), (800 / 480, 800 / 480)),
        ("short=800,cap=1333", (1000, 400), (1.333, 1.333)),
        ("square=300", (600, 400), (0.5, 0.75)),
        ("square=200x400", (800, 800), (0.5, 0.25)),
        ("letterbox=300", (600, 400), (0.5, 0.5)),
        ("scale=2", (600, 400), (2, 2)),
    ],
)
def test_factors(text, image, expected):
    rule = Resize.parse(text)
    ((x, y, weight),) = rule.factors(np.array([image[0]], float), np.array([image[1]], float))
    assert (x[0], y[0], weight) == (pytest.approx(expected[0]), pytest.approx(expected[1]), 1)
    assert Resize.parse(str(rule)) == rule


def test_a_range_of_scales_spreads_the_counts():
    found = object_sizes(np.full((10, 2), 64.0), "scale=0.5-2")
    assert found["size"].sum().item() == pytest.approx(10)
    assert (shares(found)[1] > 0).sum() > 8
    assert quantile(found, 0.5) == pytest.approx(64 * 1.25, rel=0.05)
    assert str(Resize.parse("short=640-800,cap=1333")) == "short=640-800,cap=1333"


@pytest.mark.parametrize("text", ["short=", "short=0", "square=3-4", "scale=1x2", "scale=3-1", "square=9,cap=3", "1"])
def test_bad_rules(text):
    with pytest.raises(InputError, match="write it as one of"):
        Resize.parse(text)
