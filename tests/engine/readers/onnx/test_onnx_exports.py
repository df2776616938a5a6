"""ONNX exports of PyTorch models against the models themselves: a sample of `tests.engine.readers.onnx.exports`."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

pytestmark = pytest.mark.torch

SAMPLE = {
    "resnet26d.bt_in1k": "dynamo 18",
    "squeezenet1_1": "dynamo 20",
    "mobilenet_v3_small": "script 9",
    "mixnet_s": "script 17",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", SAMPLE)
def test_an_export_gives_the_figures_of_its_model(name):
    from tests.engine.readers.onnx.exports import differing, models

    make = next(make for known, make, _ in models() if known == name)
    shared, wrong = differing(make(), 64, SAMPLE[name])
    assert shared > 30
    assert not wrong
