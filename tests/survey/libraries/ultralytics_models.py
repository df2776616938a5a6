"""The YAML files in the package of Ultralytics, each at its smallest scale."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import yaml
from ultralytics.nn import tasks

from rfscale.engine.readers.names.library_names import named_model
from tests.survey.subjects import Made, Subject

FOLDER = Path(tasks.__file__).parents[1] / "cfg" / "models"


def subjects() -> Iterator[Subject]:
    """Every file, where it has scales at the first of them."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        scales = list(yaml.safe_load(path.read_text()).get("scales") or {})
        stem = path.stem
        if scales:
            head, dash, tail = stem.partition("-")
            stem = f"{head}{scales[0]}{dash}{tail}" if head[-1].isdigit() else stem
        yield Subject(f"ultralytics:{stem}", path.parent.name, partial(_made, stem))


def _made(stem: str) -> Made:
    on_meta = torch.empty(0).is_meta
    module = named_model(f"ultralytics:{stem}", {}, on_meta=on_meta).eval()
    classifies = "-cls" in stem
    return Made(module, (1, 3, 224, 224) if classifies else (1, 3, 640, 640), ((1, 3, 64, 96), (1, 3, 128, 128)))
