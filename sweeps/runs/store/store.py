"""Stores of enumerated spaces: Zarr v3, one group for each stage, written block by block and resumed where it stopped.

The root has the array `done`, one entry for each block, set after the block's data are in place. docs/stores.md
describes the layout and how stores are read.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError
from rfscale.engine.variables import assembled
from rfscale.sweeps.machine import size_text
from rfscale.sweeps.runs.blocks import MEMORY
from rfscale.sweeps.runs.labelled import blocks_of, coordinates, tree_of, wanted_stages
from rfscale.sweeps.runs.store.folder import Progress, StoreFolder, layout_of
from rfscale.sweeps.runs.store.layout import BLOCK_BYTES, Options, Plan
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


@dataclass(frozen=True)
class Summary:
    """What a call of `write_store` did.

    Attributes
    ----------
    architectures : int
        Of the last stage.
    states : int
        States that this process met; 0 where workers did it all.
    blocks, written : int
        Blocks of the store, and those that this call wrote.
    damaged : int
        Of the written ones, those that were stored before but had lost files, or bytes of them.
    bytes : int
        Bytes of the arrays before compression.
    seconds : float
    rate : float
        Architectures (of the last stage, with the arrays of all stages) that this call wrote in a second.
    path : Path
        Folder of the store.
    """

    architectures: int
    states: int
    blocks: int
    written: int
    damaged: int
    bytes: int
    seconds: float
    rate: float
    path: Path

    @cached_property
    def size(self) -> int:
        """Bytes of the store on the disk."""
        return _size(self.path)


def write_store(
    space: Space | NetworkSpace,
    path: str | os.PathLike[str],
    *,
    stages: Sequence[str] | None = None,
    costs: bool | None = None,
    formulas: bool = False,
    memory: int = MEMORY,
    client: Client | None = None,
    progress: Progress | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Summary:
    """Write the figures of every architecture of a space to a store, or go on with one that was begun.

    Parameters
    ----------
    space, stages, costs, formulas, memory
        As in `rf.sweep`.
    path : path
        Folder of the store. An unfinished store of the same space and options is resumed.
    client : distributed.Client, optional
        Dask workers that fill the blocks; without it this process does. Workers must see `path`.
    progress : callable, optional
        Called with the bytes that are done and those of the whole store, both before compression.
    block_bytes : int
        Bytes of a block before compression.

    Raises
    ------
    InputError
        If the path holds anything else, another process writes the store, the result does not fit the disk, or the disk
        is full. What was stored stays.
    """
    begun = time.perf_counter()
    target = Path(path).absolute()
    wanted = None if stages is None else tuple(stages)
    options = Options(str(target), wanted, costs, formulas, memory, block_bytes, layout_of(target))
    plan = Plan(space, options)
    store = StoreFolder(target, plan)
    check_disk(plan, plan.blocks - len(store.done()), target if target.is_dir() else target.parent)
    try:
        with store.locked():
            done = store.prepare()
            written = store.write(done, client, progress or _silent)
    except OSError as error:
        raise store.failure(error) from None
    seconds = time.perf_counter() - begun
    rate = plan.architectures * written / plan.nbytes / seconds
    new = plan.blocks - len(done)
    return Summary(plan.architectures, plan.states, plan.blocks, new, store.damaged, plan.nbytes, seconds, rate, target)


def run_stored(
    space: Space | NetworkSpace,
    path: str | os.PathLike[str],
    client: Client | None,
    progress: Callable[[int], object] | None,
    **options: Any,
) -> xr.DataTree:
    """Write a store for `rf.sweep`, and return what is in it, to be read when it is asked for."""
    from rfscale.sweeps.runs.store.reading import opened

    blocks = blocks_of(space)
    stages = wanted_stages(blocks, options["stages"])
    rows, reported = sum(map(blocks.size, stages)), 0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if progress:
            progress(done * rows // total - reported)
        reported = done * rows // total

    write_store(space, path, client=client, progress=report, **options)
    labels = coordinates(blocks)  # known here: to read the labels of every stage back takes longer than all else
    root, found = opened(Path(path).absolute(), stages)
    made = {}
    for stage, (variables, attrs) in found.items():
        dims = [*blocks.dims(stage), *(["axis"] if blocks.axis_labels else [])]
        made[stage] = assembled(variables, labels.of(dims), labels.indexes, attrs)
    return tree_of(root, made, space.name)


def _size(folder: str | os.PathLike[str]) -> int:
    """Bytes of the files in a folder."""
    with os.scandir(folder) as entries:
        return sum(_size(e) if e.is_dir() else e.stat().st_size if e.is_file() else 0 for e in entries)


def _silent(done: int, total: int) -> None:
    pass


def check_disk(plan: Plan, missing: int, folder: Path) -> None:
    """Refuse a store that does not fit the disk: where its plain size does not, some blocks are made on trial."""
    if not missing:
        return
    free = shutil.disk_usage(folder).free
    needed = plan.nbytes * missing // plan.blocks
    if needed <= free:
        return
    last = plan.blocks - 1
    estimate = min(sum(map(len, plan.made(n).values())) for n in {plan.blocks // 2, last - last // 4, last}) * missing
    if estimate > free:
        raise InputError(
            f"the store holds {size_text(needed)}, about {size_text(estimate)} when compressed, and {size_text(free)} "
            f"are free in {folder}; give `stages`, or ask rf.count, best, pareto or sample, which list nothing"
        )
