"""Blocks of figures as labelled datasets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.variables import annotate, assembled
from rfscale.sweeps.runs.blocks import MEMORY, Blocks
from rfscale.sweeps.runs.evaluator import Evaluator
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr

MAX_DIMS = 64  # of a numpy array
FEW_LABELS = 64  # of a factor, whose index is kept for the next space


class Labels(NamedTuple):
    """Labels of all dims of a space, as variables and as indexes: mappings by dim."""

    variables: Mapping[str, xr.Variable]
    indexes: Mapping[str, xr.Index]

    def of(self, dims: Iterable[str]) -> dict[Hashable, xr.Variable]:
        """Return the labels of some dims, with attrs of their own."""
        labels = self.variables
        made: dict[Hashable, xr.Variable] = {}
        for d in dims:
            label = labels[d]
            made[d] = bare(type(label), label._dims, label._data)
        return made


def blocks_of(
    space: Space | NetworkSpace, *, costs: bool | None = None, formulas: bool = False, memory: int = MEMORY
) -> Evaluator:
    """Return the evaluator of a space."""
    if isinstance(space, NetworkSpace):
        from rfscale.sweeps.runs.network_blocks import NetworkBlocks

        return NetworkBlocks(space)
    if not isinstance(space, Space):
        raise InputError(f"space is {shown(space)}; it must be an rf.Space or an rf.NetworkSpace")
    return Blocks(space, costs=costs, formulas=formulas, memory=memory)


def check_dims(blocks: Evaluator) -> None:
    """Refuse a space of more factors than an array has dims."""
    factors = blocks.space.factors
    if len(factors) + bool(blocks.axis_labels) > MAX_DIMS:
        raise InputError(
            f"space {blocks.space.name!r} has {len(factors)} factors; at most {MAX_DIMS} dims can be labelled. "
            "Ask rf.count, best, pareto or sample"
        )


def wanted_stages(blocks: Evaluator, stages: Sequence[str] | None) -> tuple[str, ...]:
    """Return the stages that are asked for, in the order of the space; by default all."""
    known = blocks.stages
    if stages is None:
        return known
    if isinstance(stages, str) or not stages:
        raise InputError(f"stages is {shown(stages)}; give a list of at least one, such as [{known[0]!r}]")
    for name in stages:
        if name not in known:
            raise InputError(f"space {blocks.space.name!r} has no stage {shown(name)}; {nearest(name, known)}")
    return tuple(s for s in known if s in stages)


def label(blocks: Evaluator, stage: str, out: dict[str, np.ndarray], labels: Labels) -> xr.Dataset:
    """Return the flat arrays of a whole stage as a dataset over its factors; `labels` are those of all stages."""
    import xarray as xr

    known, axes = blocks.dims(stage), len(blocks.axis_labels)
    dims, shape = tuple(known), tuple(map(len, known.values()))
    met = (*dims, "axis") if axes else dims
    variables: dict[Hashable, xr.Variable] = {}
    specs, kind = blocks.variables(stage), xr.Variable
    for name, spec in specs.items():
        per_axis = axes > 0 and spec.per_axis
        variables[name] = bare(
            kind, met if per_axis else dims, out[name].reshape((*shape, axes) if per_axis else shape)
        )
    sizes = dict(zip(met, (*shape, axes) if axes else shape, strict=True))
    return annotate(assembled(variables, labels.of(met), labels.indexes, blocks.attrs(stage), sizes), specs)


def bare(kind: type[xr.Variable], dims: tuple[Hashable, ...], data: Any) -> Any:
    """Return ``kind(dims, data, fastpath=True)`` of data that are known to fit the dims, in a fifth of the time."""
    made = kind.__new__(kind)
    made._dims, made._data, made._attrs, made._encoding = dims, data, None, None
    return made


def tree_of(root: xr.Dataset, stages: Mapping[str, xr.Dataset], name: str) -> xr.DataTree:
    """Return a tree with a dataset for each stage, which nothing else may hold; `root` has no variables.

    What `xr.DataTree.from_dict` does without copies and without comparing the labels of stages with those of the root,
    which has none: 10 times as fast.
    """
    import xarray as xr

    def node(data: xr.Dataset, name: str, parent: xr.DataTree | None) -> xr.DataTree:
        made = xr.DataTree.__new__(xr.DataTree)
        made._set_node_data(data)
        made._name, made._parent, made._children = name, parent, {}
        return made

    tree = node(root, name.replace("/", "_"), None)  # no path
    tree._children.update({stage: node(data, stage, tree) for stage, data in stages.items()})
    return tree


def coordinates(blocks: Evaluator) -> Labels:
    """Return the labels of all factors, and the axes where the space is not square, indexed once for all stages."""
    import xarray as xr
    from xarray.indexes import PandasIndex  # of xarray itself only in later versions

    dims: dict[str, tuple[Any, ...]] = dict(blocks.space.dims)
    if blocks.axis_labels:
        dims["axis"] = blocks.axis_labels
    alike: dict[tuple[Any, ...], tuple[Any, Any]] = {}  # most factors have the labels of another one: 10 times as fast
    indexes, variables = {}, {}
    for name, labels in dims.items():
        key = labels, tuple(map(type, labels))  # 1 is not True
        if key not in alike:
            alike[key] = (_few_indexed if len(labels) <= FEW_LABELS else _indexed)(*key)
        first, data = alike[key]
        renamed = first.index.view()
        renamed.name = name
        indexes[name] = PandasIndex(renamed, name, first.coord_dtype, fastpath=True)
        held = object.__new__(type(data))  # as indexes[name].create_variables() makes it
        held.array, held._dtype = renamed, data._dtype
        variables[name] = bare(xr.IndexVariable, (name,), held)
    return Labels(variables, indexes)


def _indexed(labels: tuple[Any, ...], types: tuple[type, ...]) -> tuple[Any, Any]:
    """Labels of these types as an index, and as the data of its variable; nobody can write into them."""
    from xarray.indexes import PandasIndex

    values = np.array(labels)
    values.flags.writeable = False
    index = PandasIndex(values, "labels", values.dtype)
    if isinstance(held := index.index.values, np.ndarray):
        held.flags.writeable = False  # pandas 2 has texts in an array of its own
    return index, index.create_variables()["labels"]._data


_few_indexed = lru_cache(maxsize=256)(_indexed)  # as many spaces have labels 0, 1, 2: 0.2 ms, of 2 ms of a small sweep
