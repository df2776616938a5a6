"""What judges that share no code with the readers say of surveyed models."""

from __future__ import annotations

import warnings
from typing import Any
from zlib import crc32

import torch

import rfscale as rf
from tests.survey.figures import load, made_on
from tests.survey.subjects import Made, Subject

ENTRIES = 6
FEW = 3  # entries of a model with many parameters
MANY = 4e7
MAX_PARAMS = 4e8  # of a model that is run with values


def by_values(subject: Subject) -> dict[str, Any]:
    """Judge seeded entries by runs of the model itself: pixels that are not a number, and finite changes."""
    from tests.engine.readers.nan_judge import judge_model

    if subject.name.startswith("keras:"):
        return _keras(subject)
    torch.manual_seed(0)
    made = made_on(subject, "cpu")
    seed = crc32(subject.name.encode())
    params = sum(p.numel() for p in made.module.parameters())
    if params > MAX_PARAMS:
        return {"compared": 0, "differing": [], "why": "too large"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, network = _smallest(made)
        entries = FEW if params > MANY else ENTRIES
        found = judge_model(made.module, network, shape, entries, seed, made.run, lambda: load(made, shape))
    return {"compared": found.compared, "differing": found.differing, "size": list(shape[2:])}


def by_gradients(subject: Subject) -> dict[str, Any]:
    """Judge seeded entries by gradients in float64 through the exported graph, with positive weights."""
    from tests.engine.readers.judged import judge_small

    library, _, name = subject.name.partition(":")
    place = {"timm": "timm:", "torchvision": "torchvision.models:"}[library]
    found = judge_small(place + name)
    return {"compared": found.compared, "differing": [str(d) for d in found.differing], "size": [found.size] * 2}


def _smallest(made: Made) -> tuple[tuple[int, ...], rf.Network]:
    """The first of the shapes that the model takes, and its network at that."""
    for shape in made.small:
        try:
            return shape, load(made, shape)
        except rf.InputError:
            continue
    return made.shape, load(made)


def _keras(subject: Subject) -> dict[str, Any]:
    from tests.engine.readers.keras_judge import judged

    name = subject.name.partition(":")[2]
    size = 96 if "NASNetLarge" not in name and "Inception" not in name and "Xception" not in name else 160
    compared, differing = judged(
        lambda keras: getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3)),
        entries=ENTRIES,
    )
    return {"compared": compared, "differing": [str(d) for d in differing], "size": [size, size]}
