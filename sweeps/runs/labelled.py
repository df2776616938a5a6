"""Blocks of figures as labelled datasets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def label(blocks: Evaluator, stage: str, out: dict[str, np.ndarray], coords: xr.Coordinates) -> xr.Dataset:
    """Return the flat arrays of a whole stage as a dataset over its factors; `coords` are those of all stages."""
    import xarray as xr

    known, axes = blocks.dims(stage), len(blocks.axis_labels)
    dims, shape = tuple(known), tuple(map(len, known.values()))
    met = (*dims, "axis") if axes else dims
    variables: dict[Hashable, xr.Variable] = {}
    specs = blocks.variables(stage)
    for name, spec in specs.items():
        per_axis = spec.per_axis and axes > 0
        array = out[name].reshape((*shape, axes) if per_axis else shape)
        variables[name] = xr.Variable(met if per_axis else dims, array, fastpath=True)
    labels = coords.variables
    own = {d: labels[d].copy(deep=False) for d in met}  # attrs of its own
    return annotate(assembled(variables, own, coords, blocks.attrs(stage)), specs)


def tree_of(root: xr.Dataset, stages: Mapping[str, xr.Dataset], name: str) -> xr.DataTree:
    """Return a tree with a dataset for each stage, which nothing else may hold; `root` has no variables.

    What `xr.DataTree.from_dict` does without copies and without comparing the labels of stages with those of the root,
    which has none: 10 times as fast.
    """
    import xarray as xr

    tree = xr.DataTree(root, name=name.replace("/", "_"))  # no path
    for stage, data in stages.items():
        node = xr.DataTree.__new__(xr.DataTree)
        node._set_node_data(data)
        node._name, node._parent, node._children = stage, tree, {}
        tree._children[stage] = node
    return tree


def coordinates(blocks: Evaluator) -> xr.Coordinates:
    """Return the labels of all factors, and the axes where the space is not square, indexed once for all stages."""
    import xarray as xr
    from xarray.indexes import PandasIndex  # of xarray itself only in later versions

    labels: dict[str, Any] = {name: np.array(labels) for name, labels in blocks.space.dims.items()}
    if blocks.axis_labels:
        labels["axis"] = np.array(blocks.axis_labels)
    indexes = {name: PandasIndex(values, name, values.dtype) for name, values in labels.items()}
    variables = {name: index.create_variables()[name] for name, index in indexes.items()}
    return xr.Coordinates(variables, indexes)  # half the time that it takes to find out what labels are
