"""Print the tables of docs/models.md from the survey that ships; `docs/refresh.py docs/models.md` writes them."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

import rfscale as rf

READ = {"part": "in part", "not": "not", "unmade": "not made"}
EXAMPLES = 3  # models that a row names


def libraries(data: xr.Dataset) -> Iterator[tuple[object, ...]]:
    """How the models of each library were read and judged."""
    yield "library", "models", "whole", "in part", "not read", "not made", "median s", "judged", "entries", "wrong"
    names = [*dict.fromkeys(data.library.values.tolist()), "all"]
    for name in names:
        some = data if name == "all" else data.isel(model=data.library.values == name)
        status = Counter(some.status.values.tolist())
        yield (
            name, some.sizes["model"], status["whole"], status["part"], status["not"], status["unmade"],
            f"{np.nanmedian(some.seconds.values):.2f}", int((some.compared > 0).sum()), int(some.compared.sum()),
            int(some.wrong.sum()),
        )  # fmt: skip


def families(data: xr.Dataset) -> Iterator[tuple[object, ...]]:
    """The last map of the models of timm and torchvision by family: ranges of their figures."""
    yield "library", "family", "models", "stride", "extent", "95 % box", "holes", "global"
    last = data.isel(level=0).max("axis")
    last = last.assign(density=data.isel(level=0).density, is_global=data.isel(level=0).is_global)
    for library in ("timm", "torchvision"):
        some = last.isel(model=np.flatnonzero((data.library.values == library) & np.isfinite(last.extent.values)))
        for family in sorted(set(some.family.values.tolist())):
            members = some.isel(model=some.family.values == family)
            yield (
                library, family, members.sizes["model"], _range(members.stride), _range(members.extent),
                _range(members.effective), _share(members.density.values < 1), _share(members.is_global.values),
            )  # fmt: skip


def partly(data: xr.Dataset) -> Iterator[tuple[object, ...]]:
    """What ended the reading of models that were not read whole."""
    yield "read", "what ended it", "models", "such as"
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, status, reason in zip(data.model.values, data.status.values, data.reason.values, strict=True):
        if status != "whole":
            found[str(status), _kind(str(reason))].append(str(name))
    for (status, kind), models in sorted(found.items(), key=lambda item: (item[0][0], -len(item[1]))):
        named = ", ".join(f"`{name}`" for name in models[:EXAMPLES])
        yield READ[status], kind.replace("|", "\\|"), len(models), named


def unjudged(data: xr.Dataset) -> Iterator[tuple[object, ...]]:
    """Models that were read of which no entry was judged, all by their names."""
    yield "why no entry was judged", "models", "which"
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, why in zip(data.model.values, data.unjudged.values, strict=True):
        if why:
            found[_kind(str(why))].append(f"`{name}`")
    for kind, models in sorted(found.items(), key=lambda item: -len(item[1])):
        yield kind.replace("|", "\\|"), len(models), ", ".join(models)


def _kind(reason: str) -> str:
    """The first of the reasons, without the node that it stands for and without numbers."""
    first = re.sub(r"^[\w.:@#/]+: (?=[\w.]+: )", "", reason.partition("; ")[0])
    return re.sub(r"\d+", "n", first)[:120].rstrip("… ")


def _range(values: xr.DataArray) -> str:
    found = values.values[np.isfinite(values.values)]
    if not len(found):
        return "–"
    low, high = (f"{v:.4g}" for v in (found.min(), found.max()))
    return low if low == high else f"{low}–{high}"


def _share(which: np.ndarray) -> str:
    return "no" if not which.any() else "yes" if which.all() else f"{which.sum()} of {len(which)}"


TABLES: dict[str, Callable[[xr.Dataset], Iterator[tuple[object, ...]]]] = {
    "libraries": libraries,
    "families": families,
    "partly": partly,
    "unjudged": unjudged,
}


def table(name: str, data: xr.Dataset) -> list[str]:
    """Return the lines of a Markdown table."""
    header, *rows = TABLES[name](data)
    lines = [
        header,
        ["---" if isinstance(cell, str) and not cell[:1].isdigit() else "---:" for cell in (rows or [header])[0]],
    ]
    return ["| " + " | ".join(map(str, row)) + " |" for row in [*lines, *rows]]


if __name__ == "__main__":
    print("\n".join(table(sys.argv[1], rf.zoo_survey())))
