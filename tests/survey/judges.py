"""What judges that share no code with the readers say of surveyed models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any
from zlib import crc32

import torch

import rfscale as rf
from tests.engine.readers.judges.shared_values import with_shared_values
from tests.survey.figures import load
from tests.survey.subjects import Made, Subject, squares

ENTRIES = 6
FEW = 3  # entries of a model with many parameters
MANY = 4e7
RANK = 4  # of an image with batch and channels
MAX_PARAMS = 4e8  # of a model that is run with values of its own
SIZES = 64, 96, 112, 128, 160, 192, 256, 512  # of images
FIGURES = ["jump", "extent", "start", "area", "max_gap", "is_global"]  # that do not depend on the image's size


def by_values(subject: Subject) -> dict[str, Any]:
    """Judge seeded entries by runs of the model itself: pixels that are not a number, and finite changes."""
    if subject.name.startswith("keras:"):
        return _keras(subject)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _by_values(subject, _with_shared_values)
        except Exception:  # code that is not ours: it needs parameters that are tensors of their own
            return _by_values(subject, _with_values)


def _by_values(subject: Subject, make: Callable[[Callable[[], Made]], Made]) -> dict[str, Any]:
    from tests.engine.readers.judges.nan_judge import judge_model

    torch.manual_seed(0)
    made, shape, (network, held) = _smallest(make(subject.make), make)
    seed, large = crc32(subject.name.encode()), _params(made) > MANY
    entries, kind = (FEW, torch.bfloat16) if large else (ENTRIES, torch.float32)
    found = judge_model(
        made.module, network, shape, entries, seed, made.run, held, copied=False, kind=kind, numbers=made.numbers
    )
    return {"compared": found.compared, "differing": found.differing, "size": list(shape[2:])}


def _with_shared_values(make: Callable[[], Made]) -> Made:
    """A model of any size."""
    return with_shared_values(make, lambda made: made.module)


def _with_values(make: Callable[[], Made]) -> Made:
    """A model as its library makes it."""
    made = make()
    if _params(made) > MAX_PARAMS:
        raise MemoryError("it takes more memory than the survey gives it")
    return made


def by_gradients(subject: Subject) -> dict[str, Any]:
    """Judge seeded entries by gradients in float64 through the exported graph, with positive weights."""
    from tests.engine.readers.judges.judged import judge_small

    library, _, name = subject.name.partition(":")
    place = {"timm": "timm:", "torchvision": "torchvision.models:"}[library]
    found = judge_small(place + name)
    return {"compared": found.compared, "differing": [str(d) for d in found.differing], "size": [found.size] * 2}


def _smallest(made: Made, make: Callable[[Callable[[], Made]], Made]) -> tuple[Made, tuple[int, ...], Any]:
    """The model, the first of the shapes that it takes, its network at that and where tensors hold the maps.

    A model that has a size of its own is made again for a smaller one at which it has the same figures.
    """
    smallest = squares(made.shape[1], SIZES[0]) if _params(made) > MANY and len(made.shape) == RANK else ()
    for shape in (*smallest, *made.small) if made.small else ():
        try:
            return made, shape, _read(made, shape)
        except rf.InputError:
            continue
    found = _read(made, made.shape)
    for size in SIZES if made.smaller else ():
        if size >= min(made.shape[2:]):
            break
        try:
            again = make(partial(made.smaller, size))
            small = _read(again, again.shape)
        except Exception:  # code that is not ours: it does not take that size
            continue
        if _figures(small[0]).equals(_figures(found[0])):
            return again, again.shape, small
    return made, made.shape, found


def _read(made: Made, shape: tuple[int, ...]) -> tuple[rf.Network, Any]:
    from tests.engine.readers.judges.nan_judge import held_maps

    return held_maps(lambda: load(made, shape))


def _params(made: Made) -> int:
    return sum(p.numel() for p in made.module.parameters())


def _figures(network: rf.Network) -> Any:
    return rf.profile(network, global_ops="skip")[FIGURES]


def _keras(subject: Subject) -> dict[str, Any]:
    from tests.engine.readers.keras.keras_judge import judged

    name = subject.name.partition(":")[2]
    size = 96 if "NASNetLarge" not in name and "Inception" not in name and "Xception" not in name else 160
    compared, differing = judged(
        lambda keras: getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3)),
        entries=ENTRIES,
    )
    return {"compared": compared, "differing": [str(d) for d in differing], "size": [size, size]}
