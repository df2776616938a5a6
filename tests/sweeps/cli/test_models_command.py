"""The command on real libraries: torchvision as it is installed, timm, ONNX files. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT


def rfscale(*args, **kwargs):
    done = subprocess.run(
        [sys.executable, "-m", "rfscale", *map(str, args)], cwd=ROOT, text=True, capture_output=True, **kwargs
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.torch
def test_torchvision_as_it_is_installed():
    out = rfscale("profile", "torchvision.models:resnet50", "--arg", "weights=None", "--input-size", "96")
    assert out.startswith("resnet50: image 96×96")
    assert "72 layers, folded by module to depth 2" in out
    assert "layer4.2: extent 96, stride 32, first pixel 0, no holes" in out


@pytest.mark.torch
def test_timm_by_its_model_names():
    out = rfscale("profile", "timm:create_model", "--arg", "model_name=convnext_atto", "--outputs-only")
    assert out.startswith("create_model(convnext_atto): interior")
    assert "stages.3.blocks.1: extent 1136, stride 32, padding 552, no holes" in out


@pytest.mark.onnx
def test_onnx_files():
    import onnx

    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    out = rfscale("profile", light / "light_resnet50.onnx", "--global-ops", "skip")
    assert "extent 619, stride 32" in out  # after the average of 7×7 entries
    assert next(line for line in out.splitlines() if line.startswith("n170 ")).split()[2:5] == ["7", "32", "427"]
    assert max(len(line) for line in out.split("\n\n")[1].splitlines()) <= 100
