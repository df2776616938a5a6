"""Every architecture of a space, labelled: `rf.sweep`. The block API it is made of is in sweeps/runs/blocks.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError
from rfscale.engine.variables import assembled
from rfscale.sweeps.machine import check_memory
from rfscale.sweeps.runs.answer_arrays import answer_arrays
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.runs.evaluator import Evaluator
from rfscale.sweeps.runs.labelled import blocks_of, check_dims, coordinates, label, tree_of, wanted_stages
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.provenance import attributes
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from distributed import Client

PIECE = 1 << 26  # architectures from one call of `progress` to the next


def run(
    space: Space | NetworkSpace,
    *,
    stages: Sequence[str] | None = None,
    costs: bool | None = None,
    formulas: bool = False,
    memory: int = MEMORY,
    progress: Callable[[int], object] | None = None,
    store: str | PathLike[str] | None = None,
    client: Client | None = None,
) -> xr.DataTree:
    """Return the exact figures of every architecture of a space, in memory or from a store.

    Parameters
    ----------
    space : Space or NetworkSpace
    stages : sequence of str, optional
        Stages to give; by default all.
    costs : bool, optional
        Whether to give params and macs; by default where the space has channels (for macs, and an input size).
    formulas : bool
        Whether to give the published and closed-form figures as well.
    memory : int
        Bytes that the states of one axis may take; beyond, the rest is enumerated depth first.
    progress : callable, optional
        Called again and again with the number of architectures that were done since.
    store : path, optional
        Folder of a Zarr store to write, or to go on with: the result is then read from it lazily. See docs/stores.md.
    client : distributed.Client, optional
        Dask workers that write the store.

    Returns
    -------
    xr.DataTree
        One Dataset for each stage, whose dims are the factors met so far and whose coordinates are their labels.
        `pixels`, `extent`, `jump` and `shared` (int32) are those of one axis where the space is square, and have the
        dim `axis` otherwise. `params` and `macs` (int64) are those of all layers so far. `rf.derive` adds area,
        width, density and overlap. For a `NetworkSpace` there is one Dataset, "networks", with the figures of the last
        output of each network.

    Raises
    ------
    InputError
        If the result does not fit the memory, or figures would overflow.

    Examples
    --------
    >>> stages = [{"name": "s1", "kernel": [3, 5]}, {"name": "s2", "kernel": 3, "dilation": [1, 2]}]
    >>> space = Space.from_dict({"stages": stages})
    >>> run(space)["s2"].extent.sel(s1_kernel=5, s2_dilation=2).item()
    9
    """
    if store is not None:
        from rfscale.sweeps.runs.store.store import run_stored

        options: dict[str, Any] = {"stages": stages, "costs": costs, "formulas": formulas, "memory": memory}
        return run_stored(space, store, client, progress, **options)
    if client is not None:
        raise InputError("client writes stores; give `store`, a path that the workers reach as well")
    blocks = blocks_of(space, costs=costs, formulas=formulas, memory=memory)
    wanted = wanted_stages(blocks, stages)
    check_dims(blocks)
    check_memory(sum(blocks.size(s) * blocks.row_bytes(s) for s in wanted))
    labels = coordinates(blocks)
    if isinstance(space, Space):
        made = answer_arrays(blocks, {stage: blocks.size(stage) for stage in wanted})
    else:
        made = {stage: _networks(space, progress) for stage in wanted}
    datasets = {stage: label(blocks, stage, made[stage], labels) for stage in wanted}
    tree = tree_of(assembled({}, {}, {}, attributes(space, "run")), datasets, space.name)
    if isinstance(space, Space):  # last: the answer drives all else from the cache
        for stage in wanted:
            _fill(blocks, stage, made[stage], progress)
    return tree


def _fill(blocks: Evaluator, stage: str, out: dict[str, np.ndarray], progress: Callable[[int], object] | None) -> None:
    """Write the figures of all architectures of a stage, piece by piece."""
    size = blocks.size(stage)
    for start in range(0, size, PIECE):
        stop = min(start + PIECE, size)
        if stop - start == size:
            blocks.fill(stage, start, stop, out)
        else:
            blocks.fill(stage, start, stop, {name: values[start:stop] for name, values in out.items()})
        if progress:
            progress(stop - start)


def _networks(space: NetworkSpace, progress: Callable[[int], object] | None) -> dict[str, np.ndarray]:
    """The figures of all networks: of the table that questions are asked of, where the space is small enough."""
    from rfscale.sweeps.networks.figures import NetworkFigures
    from rfscale.sweeps.networks.table import MAX_NETWORKS, network_table
    from rfscale.sweeps.networks.workers import fill_all

    if space.size <= MAX_NETWORKS:
        return {name: values.copy() for name, values in network_table(space, progress).columns.items()}
    figures = NetworkFigures(space)
    out = figures.empty(space.size)
    fill_all(figures, out, progress)
    return out


sweep = run  # its name in `rfscale`
