"""Real models by name, "timm:resnet26d" or "torchvision.models:vgg16", for the tests that read and judge them."""

from __future__ import annotations

from tests.survey.libraries import with_torchvision


def arguments(model: str) -> dict[str, object]:
    """What the factory of a model is called with."""
    if model.startswith("timm:"):
        return {"pretrained": False}
    if model.startswith("segmentation_models"):
        return {"encoder_name": "resnet18", "encoder_weights": None}
    return {"weights": None, **({"weights_backbone": None} if "segmentation" in model else {})}


def module(model: str):
    """The PyTorch module of a model, without memory for weights where its code allows that."""
    from importlib import import_module

    import torch

    with_torchvision()
    package, _, name = model.partition(":")
    factory = getattr(import_module(package), "create_model" if package == "timm" else name)
    given = arguments(model) | ({"model_name": name} if package == "timm" else {})
    try:
        with torch.device("meta"):
            return factory(**given).eval()
    except (RuntimeError, NotImplementedError):
        return factory(**given).eval()


def default_size(model: str, made) -> int:
    """Pixels per axis that a model is made for."""
    if model.startswith("timm:"):
        return made.default_cfg.get("input_size", (3, 224, 224))[-1]
    return 299 if "inception" in model else 256 if model.startswith("segm") else 224
