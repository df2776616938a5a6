"""Figures of some thousand models of libraries, which ship with the package: looked up without PyTorch."""

from __future__ import annotations

import gzip
import json
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.variables import SURVEY, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

FILE = "survey.json.gz"
AXES = ("z", "y", "x")
TEXTS = ("library", "family", "status", "reason", "unjudged")  # of a model
NUMBERS = ("seconds", "layers", "params", "macs")
COUNTS = ("compared", "wrong")
NAMES = ("layer", "pyramid", "role")  # of a map
PER_AXIS = ("map_size", "stride", "extent", "padding", "effective", "max_gap", "overlap")


def zoo_survey(models: str = "*") -> xr.Dataset:
    """Return what a survey of the models of libraries found: how each was read, and figures of its feature maps.

    Parameters
    ----------
    models : str
        A pattern as a shell has it (`*`, `?`, `[abc]`) of names such as "timm:resnet50d"; one without a colon is of
        the part after it. Capitals do not count.

    Returns
    -------
    xr.Dataset
        Over `model`: `library`, `family`, `status` (whole; part; not; unmade: its library did not make it), `reason`
        (what ended it), `seconds`, `layers`, `params`, `macs`, `interior`, `compared` and `wrong` (entries that were
        judged), `unjudged` (why none was), and `input_size` (model, axis).
        Over (model, level), where level 0 is what the model returns, or its last map without a global receptive
        field, then its other outputs, then of every other stride the last map: `layer`, `pyramid`, `role` (output;
        last; stage; empty: no map), `density`, `is_global`. Over (model, level, axis): `map_size`, `stride`, `extent`,
        `padding`, `effective` (sides of the box of 95 % of the path counts), `max_gap`, `overlap`. Branches with a
        global receptive field are skipped, and footprints are interior where `interior`, else those of the centre
        entry. nan is what is not known, or an axis that a model has not. Attrs: versions of the libraries, the date.

    Raises
    ------
    InputError
        Where no model has such a name.

    Examples
    --------
    >>> found = zoo_survey("timm:resnet50").isel(model=0, level=0).sel(axis="x")
    >>> found.layer.item(), found.extent.item(), found.stride.item(), found.effective.item()
    ('layer4.2', 427.0, 32.0, 213.0)
    """
    if not isinstance(models, str):
        raise InputError(argument="models", value=models, remedy="give a name or a pattern, such as 'timm:resnet*'")
    data, names = _all()
    pattern = models.lower()
    chosen = [i for i, (whole, part) in enumerate(names) if fnmatchcase(whole if ":" in pattern else part, pattern)]
    if not chosen:
        known = [name for pair in names for name in pair]
        hint = nearest(pattern, known)
        hint = hint if hint.startswith("did you mean") else "give a pattern of names, such as 'resnet*' or 'timm:*'"
        raise InputError(f"the survey has no model {shown(models)}; {hint}")
    out = data.isel(model=chosen)
    used = max(1, int((out.role.values != "").any(axis=0).sum()))
    return out.isel(level=slice(used)).assign_attrs(call=f"zoo_survey({models!r})").copy(deep=True)


@lru_cache(maxsize=1)
def _all() -> tuple[xr.Dataset, list[tuple[str, str]]]:
    """The whole dataset; and names in small letters, with and without their library."""
    kept = json.loads(gzip.decompress((resources.files(__package__) / FILE).read_bytes()))
    data = survey_dataset(kept)
    names = [str(name).lower() for name in data.model.values]
    return data, [(name, name.partition(":")[2]) for name in names]


def survey_dataset(kept: dict[str, Any]) -> xr.Dataset:
    """Return the dataset of what the file holds.

    Parameters
    ----------
    kept : dict
        "attrs"; "models" and "maps", columns of values by name. A map has the row of its model and its level, and for
        figures by axis one value where axes are alike, else one for each axis; None for what is not known.
    """
    import xarray as xr

    models, maps = kept["models"], kept["maps"]
    n = len(models["model"])
    levels = 1 + max(maps["level"], default=0)
    ranks = np.array(models["rank"])
    by_model, by_map, by_axis = ("model",), ("model", "level"), ("model", "level", "axis")
    at = np.array(maps["model"], int), np.array(maps["level"], int)

    def spread(values: list[Any], empty: Any, dtype: Any) -> np.ndarray:
        out = np.full((n, levels), empty, dtype)
        out[at] = values
        return out

    variables: dict[str, Any] = {name: (by_model, np.array(models[name], str)) for name in TEXTS}
    variables |= {name: (by_model, _floats(models[name])) for name in NUMBERS}
    variables |= {name: (by_model, np.array(models[name], int)) for name in COUNTS}
    variables["interior"] = by_model, np.array(models["interior"], bool)
    variables["input_size"] = ("model", "axis"), _by_axis(models["input_size"], ranks)
    variables |= {name: (by_map, spread(maps[name], "", np.array(maps[name], str).dtype)) for name in NAMES}
    variables["density"] = by_map, spread(_floats(maps["density"]).tolist(), nan, float)
    variables["is_global"] = by_map, spread(maps["is_global"], False, bool)
    for name in PER_AXIS:
        figures = np.full((n, levels, len(AXES)), nan)
        figures[at] = _by_axis(maps[name], ranks[at[0]])
        variables[name] = by_axis, figures
    coords = {"model": np.array(models["model"], str), "level": np.arange(levels), "axis": list(AXES)}
    return annotate(xr.Dataset(variables, coords, provenance("zoo_survey", **kept["attrs"])), SURVEY)


def _floats(values: list[Any]) -> np.ndarray:
    return np.array([nan if v is None else v for v in values], float)


def _by_axis(values: list[Any], ranks: np.ndarray) -> np.ndarray:
    """Rows of one figure per axis, the last axes where a model has fewer than three."""
    out = np.full((len(values), len(AXES)), nan)
    for row, value, rank in zip(out, values, ranks.tolist(), strict=True):
        if isinstance(value, list):
            row[len(AXES) - len(value) :] = [nan if v is None else v for v in value]
        elif value is not None:
            row[len(AXES) - rank :] = value
    return out
