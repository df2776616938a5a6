"""The applications of Keras, without weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras

from tests.survey.subjects import Made, Subject


def subjects() -> Iterator[Subject]:
    """Every function of keras.applications that makes a model."""
    for name in sorted(vars(keras.applications)):
        make = getattr(keras.applications, name)
        if name[0].isupper() and callable(make):
            yield Subject(f"keras:{name}", make.__module__.rpartition(".")[2], partial(_made, make))


def _made(make: Any) -> Made:
    module = make(weights=None)
    _, *size, channels = module.input_shape
    return Made(module, (1, channels, *(n or 224 for n in size)))
