"""The libraries that are surveyed: a module each, with a function `subjects` that yields its models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

from tests.survey.subjects import Subject

PACKAGES = {
    "timm": "timm",
    "torchvision": "torchvision",
    "smp": "segmentation_models_pytorch",
    "ultralytics": "ultralytics",
    "transformers": "transformers",
    "monai": "monai",
    "diffusers": "diffusers",
    "kornia": "kornia",
    "keras": "keras",
    "torchaudio": "torchaudio",
}


def installed() -> list[str]:
    """Libraries that are there."""
    return [library for library, package in PACKAGES.items() if find_spec(package)]


@lru_cache
def subjects(library: str) -> dict[str, Subject]:
    """The models of a library by their names."""
    if library != "keras":
        with_torchvision()
    found: Iterator[Subject] = import_module(f"tests.survey.libraries.{library}_models").subjects()
    return {subject.name: subject for subject in found}


def subject(name: str) -> Subject:
    """One model by its name."""
    return subjects(name.partition(":")[0])[name]


def with_torchvision() -> None:
    """Import torchvision, with its operators declared where it lacks compiled code."""
    try:
        import torchvision
    except RuntimeError:
        from rfscale.engine.readers.torch.torchvision import declare_torchvision_operators

        declare_torchvision_operators()
        import torchvision  # noqa: F401
