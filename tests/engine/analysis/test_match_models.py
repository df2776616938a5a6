"""Match of detectors as their library makes them: which outputs are levels, and what attention adds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("ultralytics")

import rfscale as rf

pytestmark = pytest.mark.torch
SMALL = np.full((10, 2), 12.0)


@pytest.mark.parametrize(
    ("name", "levels", "p2", "whole"),
    [
        ("yolov8n-seg", "P3 P4 P5", "yes", False),  # prototypes of masks have stride 4, and detect nothing
        ("yolov8n-p2", "P2 P3 P4 P5", "yes", False),
        ("yolo11n", "P3 P4 P5", "yes", True),  # attention on P5 reaches every level
    ],
)
def test_levels_of_ultralytics(name, levels, p2, whole):
    found = rf.match(f"ultralytics:{name}.yaml", SMALL, effective=False)
    assert found.level.values.tolist() == levels.split()
    assert found.stride.values.tolist() == [2.0 ** int(level[1:]) for level in levels.split()]
    assert found.question.values.tolist() == ["Do I need P2?"]
    assert found.answer.values.tolist() == [p2]
    assert found.whole_image.values.tolist() == [whole] * len(levels.split())
