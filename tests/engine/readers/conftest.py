"""Marks and deselects: tests of ONNX need `onnx` alone, those of PyTorch torch and timm."""

from __future__ import annotations

from importlib.util import find_spec


def pytest_configure(config):
    config.addinivalue_line("markers", "onnx: reads ONNX graphs; needs the onnx extra")


def pytest_collection_modifyitems(config, items):
    """Leave ONNX tests out where onnx is not installed, as the torch tests are left out unless asked for."""
    if find_spec("onnx") is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("onnx")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("onnx")]
