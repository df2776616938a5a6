"""Every architecture of timm."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import timm
from timm.models import _registry

from tests.survey.subjects import Made, Subject, squares


def subjects() -> Iterator[Subject]:
    """All that timm lists, at the size that each is made for."""
    for name in timm.list_models():
        yield Subject(f"timm:{name}", _registry._model_to_module[name], partial(_made, name))


def _made(name: str, **size: int) -> Made:
    module = timm.create_model(name, pretrained=False, **size).eval()
    channels, *made_for = module.default_cfg["input_size"]
    if module.default_cfg.get("fixed_input_size"):
        own = [size["img_size"]] * 2 if size else made_for
        return Made(module, (1, channels, *own), smaller=lambda n: _made(name, img_size=n))
    return Made(module, (1, channels, *made_for), squares(channels, *(n for n in (96, 128) if n < made_for[0])))
