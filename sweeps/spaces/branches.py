"""Branches of a stage, read and validated: `branches: [...]`, or `branches: {choose: [1, 2], of: [...]}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import comb
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import listed, text_name, whole
from rfscale.sweeps.spaces.wiring import MERGES, Block, Parallel

MAX_SUBSETS = 1 << 20  # of one `choose`: more is a typo
Subsets = tuple[tuple[int, ...], ...]


def read_branches(
    given: Mapping[str, Any], what: str, block: Callable[[object, str], Block], factor: str | None
) -> tuple[Parallel, list[str]]:
    """Return the branches of a mapping with "branches", "merge" and "aligned", and the labels of the subsets.

    Parameters
    ----------
    block : callable
        Reads one layer of a branch.
    factor : str, optional
        Name of the factor of `choose`; without it, `choose` is refused.
    """
    merge, aligned = given.get("merge", "add"), given.get("aligned", True)
    if merge not in MERGES:
        raise InputError(f"merge of {what} is {shown(merge)}; it must be add or concat")
    if not isinstance(aligned, bool):
        raise InputError(f"aligned of {what} is {shown(aligned)}; it must be true or false")
    value = given["branches"]
    choose: object = None
    if isinstance(value, Mapping):
        for key in value:
            if key not in ("choose", "of"):
                raise InputError(f"branches of {what} has {shown(key)}; {nearest(key, ('choose', 'of'))}")
        choose, value = value.get("choose"), value.get("of")
        if factor is None and choose is not None:
            raise InputError(
                f"branches of {what} has 'choose', which goes with the branches of a stage; write a stage of its own"
            )
    entries = listed(value)
    if not entries:
        raise InputError(
            f"branches of {what} is {shown(given['branches'])}; it must be a list of at least one branch, "
            "each a layer or a list of layers"
        )
    names: list[Any] = []
    branches = []
    for i, entry in enumerate(entries):
        layers, name = branch_layers(entry, f"branch {i} of {what}")
        branches.append(tuple(block(layer, f"branch {i} of {what}") for layer in layers))
        names.append(name)
    if not all(isinstance(name, str) for name in names):
        names = [str(i) for i in range(len(names))]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"two branches of {what} are named {twice!r}; names must differ")
    subsets = _subsets(choose, len(branches), what)
    labels = ["+".join(names[i] for i in subset) for subset in subsets]
    return Parallel(tuple(branches), merge, subsets, factor if choose is not None else None, aligned), labels


def branch_layers(entry: object, what: str) -> tuple[list[Any], str | None]:
    """Return the layers of a branch or choice and its name: a layer, a list of layers, or {name, layers}."""
    name = None
    if isinstance(entry, Mapping):
        if "name" in entry:
            name = text_name(entry["name"], f"name of {what}")
        if "layers" in entry:
            for key in entry:
                if key not in ("name", "layers"):
                    raise InputError(f"{what} has an unknown key {shown(key)}; {nearest(key, ('name', 'layers'))}")
            layers = listed(entry["layers"])
        else:
            layers = [entry] if set(entry) - {"name"} else []
    else:
        layers = listed(entry)
    if layers is None:
        raise InputError(f"{what} is {shown(entry)}; it must be a layer or a list of layers")
    return layers, name


def _subsets(choose: object, n: int, what: str) -> Subsets:
    """The subsets of n branches that `choose` allows, small ones first."""
    if choose is None:
        return (tuple(range(n)),)
    sizes = listed(choose) if listed(choose) is not None else [choose]
    if not sizes:
        raise InputError(f"choose of {what} is {shown(choose)}; give at least one number of branches, such as [1, 2]")
    checked = [whole(size, f"choose of {what}", 1) for size in sizes]
    for size in checked:
        if size > n:
            raise InputError(f"choose of {what} is {shown(choose)}, but there are {n} branches; choose at most {n}")
    if len(set(checked)) < len(checked):
        raise InputError(f"choose of {what} is {shown(choose)}; its numbers must differ")
    total = sum(comb(n, size) for size in checked)
    if total > MAX_SUBSETS:
        raise InputError(
            f"branches of {what} make {total} subsets; at most {MAX_SUBSETS} are supported",
            remedy="choose from fewer branches, or write several stages",
        )
    return tuple(s for size in checked for s in combinations(range(n), size))
