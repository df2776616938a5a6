"""Vision models of transformers, each by the default configuration of its kind, which is in the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tests.survey.subjects import Made, Subject, squares

TASKS = """
BACKBONE IMAGE_CLASSIFICATION SEMANTIC_SEGMENTATION OBJECT_DETECTION DEPTH_ESTIMATION IMAGE_SEGMENTATION
UNIVERSAL_SEGMENTATION IMAGE_TO_IMAGE MASKED_IMAGE_MODELING INSTANCE_SEGMENTATION
""".split()
TASK_NAMES = [f"MODEL_FOR_{task}_MAPPING_NAMES" for task in TASKS]
SIZE = 224
SIZES = {"rf_detr": 448, "lw_detr": 256}  # of kinds whose windows do not fit that


def subjects() -> Iterator[Subject]:
    """The classes that are listed for tasks of vision."""
    found = set()
    for table in TASK_NAMES:
        for kind, classes in getattr(modeling_auto, table, {}).items():
            for name in classes if isinstance(classes, list | tuple) else [classes]:
                if name not in found and "Gemma" not in name:
                    found.add(name)
                    yield Subject(f"transformers:{name}", kind, partial(_made, name, kind))


def _made(name: str, kind: str) -> Made:
    config = _config(kind)
    module = getattr(transformers, name)(config).eval()
    channels = getattr(config, "num_channels", 3)
    size = getattr(config, "image_size", None) or SIZES.get(kind, SIZE)
    size = tuple(size) if isinstance(size, list | tuple) else (size, size)
    channels = channels if isinstance(channels, int) else 3
    return Made(module, (1, channels, *size), squares(channels, 96))


def _config(kind: str) -> Any:
    """The default configuration, without a backbone that is fetched from elsewhere."""
    made = CONFIG_MAPPING[kind]()
    todo = [made]
    while todo:
        part = todo.pop()
        for key, value in list(vars(part).items()):
            if key == "use_pretrained_backbone":
                part.use_pretrained_backbone = False
            elif hasattr(value, "to_dict"):
                todo.append(value)
    return made
