"""Vision models of transformers, each by the default configuration of its kind, which is in the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tests.survey.libraries.transformers_calls import WRAPPERS
from tests.survey.subjects import Made, Subject, squares

TASKS = """
BACKBONE IMAGE_CLASSIFICATION SEMANTIC_SEGMENTATION OBJECT_DETECTION DEPTH_ESTIMATION IMAGE_SEGMENTATION
UNIVERSAL_SEGMENTATION IMAGE_TO_IMAGE MASKED_IMAGE_MODELING INSTANCE_SEGMENTATION
""".split()
TASK_NAMES = [f"MODEL_FOR_{task}_MAPPING_NAMES" for task in TASKS]
SIZE = 224
SIZES = {"rf_detr": 448, "lw_detr": 512, "depth_pro": 1536}  # of kinds whose windows or scales do not fit that
COMPLETED: dict[str, dict[str, Any]] = {  # where the defaults make no model
    "Sapiens2ForSemanticSegmentation": {
        "head_config": {"upsample_out_channels": [768, 768], "conv_out_channels": [512, 256]}
    },
    "BeitForSemanticSegmentation": {"out_indices": [3, 5, 7, 11]},
    "lw_detr": {"projector_scale_factors": [1.0]},
    "perceiver": {"num_cross_attention_heads": 1},
    "pp_ocrv6_small_det": {
        "backbone_config": {
            "model_type": "pp_lcnet_v3",
            "scale": 0.75,
            "divisor": 16,
            "out_features": [f"stage{n}" for n in range(2, 6)],
        },
        "layer_list_out_channels": [48, 96, 192, 384],
    },
    "timm_backbone": {"backbone": "resnet18", "out_indices": [1, 2, 3, 4]},
}
AS_LISTS = ("convnext", "convnextv2", "focalnet")  # kinds that join rows of their configuration to lists
TASK_WORDS = 77  # of OneFormer


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
    config = _config(name, kind)
    module = getattr(transformers, name)(config).eval()
    channels = getattr(config, "num_channels", 3)
    size = getattr(config, "image_size", None) or SIZES.get(kind, SIZE)
    size = tuple(size) if isinstance(size, list | tuple) else (size, size)
    channels = channels if isinstance(channels, int) else 3
    shape, small = (1, channels, *size), squares(channels, 96)
    if name == "ImageGPTForImageClassification":  # numbers of colours: a clustering of pixels
        colours = torch.zeros(1, config.n_positions, dtype=torch.long, device="cpu")
        made = Made(module, tuple(colours.shape), inputs=lambda: {"input_ids": colours}, image="input_ids")
        return made._replace(numbers=config.vocab_size - 1)
    if kind in WRAPPERS:
        return Made(WRAPPERS[kind](module), shape, small)
    if kind == "oneformer":
        words = torch.zeros(1, TASK_WORDS, device="cpu")
        return Made(module, shape, inputs=lambda: {"pixel_values": shape, "task_inputs": words}, image="pixel_values")
    return Made(module, shape, small)


def _config(name: str, kind: str) -> Any:
    """The default configuration, completed, without a backbone that is fetched from elsewhere."""
    made = CONFIG_MAPPING[kind](**COMPLETED.get(name, COMPLETED.get(kind, {})))
    todo = [made]
    while todo:
        part = todo.pop()
        for key, value in list(vars(part).items()):
            if key == "use_pretrained_backbone":
                part.use_pretrained_backbone = False
            elif hasattr(value, "to_dict"):
                todo.append(value)
            elif kind in AS_LISTS and isinstance(value, tuple):
                setattr(part, key, list(value))
    return made
