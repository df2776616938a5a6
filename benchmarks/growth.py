"""How the cost grows: with architectures, depth, extent, image, threads and workers.

python -m benchmarks.growth            # docs/benchmarks.md between its growth marks, docs/pictures/growth.png; minutes
python -m benchmarks.growth --small    # the same at small sizes, writes nothing
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

import rfscale as rf
from benchmarks import machine as load
from benchmarks.cases.sweeps import anew, space_of
from benchmarks.floors import copy
from benchmarks.results import duration
from rfscale.engine.footprints.forward import trace
from rfscale.sweeps.runs.blocks import Blocks

CHOICES = [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)]
HOLES = [(3, 1, d) for d in (2, 3, 4, 5)]
PIECE = 1 << 22  # architectures written to the same buffer
ENOUGH = 0.3  # seconds of calls, of which the shortest counts


@dataclass(frozen=True)
class Series:
    """Seconds over one quantity. `floor` is what the machine needs at least, where that is known."""

    title: str
    quantity: str
    at: list[float]
    seconds: list[float]
    limit: str
    floor: list[float] | None = None
    floor_name: str = ""

    @property
    def exponent(self) -> float:
        """Slope of log seconds over log quantity, fitted on the larger half, where fixed costs no longer count."""
        half = len(self.at) // 2 if len(self.at) > 3 else 0
        slope, _ = np.polyfit(np.log(self.at[half:]), np.log(self.seconds[half:]), 1)
        return float(slope)


def best(call: Callable[..., Any], *given: Any, **options: Any) -> float:
    """Shortest of a few calls with what is given: at least two, and more while they are short."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < ENOUGH and len(times) < 50):
        start = time.perf_counter()
        call(*given, **options)
        times.append(time.perf_counter() - start)
    return min(times)


def _counted(space: rf.Space, figure: str) -> None:
    """Count a space that was never asked before."""
    rf.count(anew(space), by=[figure])


def _profiled(spec: dict[str, Any]) -> None:
    """Read a network and profile it."""
    rf.profile(rf.Network.from_dict(spec))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run numba's parallel kernels on n threads."""
    before = numba.get_num_threads()
    numba.set_num_threads(n)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def last_stage(space: rf.Space, buffer: dict[str, np.ndarray]) -> None:
    """Work out every architecture of the last stage, piece by piece into one buffer."""
    blocks = Blocks(anew(space))
    size = blocks.size(blocks.stages[-1])
    for start in range(0, size, PIECE):
        stop = min(start + PIECE, size)
        blocks.fill(blocks.stages[-1], start, stop, {name: a[: stop - start] for name, a in buffer.items()})


def refill(size: int, buffer: dict[str, np.ndarray], threads: int = 1) -> None:
    """Fill the same buffer as often with one number, by numpy, each thread its part of all arrays."""

    def part(i: int) -> None:
        for start in range(0, size, PIECE):
            n = min(PIECE, size - start)
            for array in buffer.values():
                array[i * n // threads : (i + 1) * n // threads].fill(7)

    if threads == 1:
        part(0)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(threads)))


def by_architectures(small: bool) -> Series:
    """Figures of all architectures of the last stage, 4^depth of them."""
    buffer = Blocks(space_of(CHOICES, 1)).empty(0, 0, PIECE)
    spaces = [space_of(CHOICES, depth) for depth in (range(5, 9) if small else range(5, 16))]
    at = [float(space.size) for space in spaces]
    seconds = [best(last_stage, space, buffer) for space in spaces]
    floor = [best(refill, space.size, buffer) for space in spaces]
    share, even = floor[-1] / seconds[-1], min(seconds) / seconds[-1] * at[-1]
    what = "writing the answer limits" if share > 0.5 else "the look-ups limit, not the memory they are written to"
    return Series(
        "all figures of the last stage",
        "architectures",
        at,
        seconds,
        f"below some {float(f'{even:.1g}'):,.0f} compiling the space costs more than its architectures; "
        f"at the end {at[-1] / seconds[-1] / 1e6:,.0f} M/s, {share:.2f} of the speed at which numpy fills the same "
        f"buffer on one thread: {what}",
        floor,
        "numpy fills the same buffer",
    )


def by_depth_of_counts(small: bool) -> Series:
    """Exact counts over 4^depth architectures."""
    at = [5.0, 10.0, 20.0] if small else [5.0, 10.0, 20.0, 40.0, 80.0, 160.0]
    spaces = [space_of(CHOICES, int(depth)) for depth in at]
    seconds = [best(_counted, space, "extent") for space in spaces]
    states = [int(rf.count(space, by=["extent"]).size) for space in spaces[-2:]]
    return Series(
        "exact counts over extents, 4^depth architectures",
        "layers",
        at,
        seconds,
        f"the size of the answer: {states[0]} extents at depth {at[-2]:.0f}, {states[1]} at {at[-1]:.0f}, with "
        f"4^{at[-1] - at[-2]:.0f} times the architectures",
    )


def by_depth_of_profiles(small: bool) -> Series:
    """One chain as a labelled profile, from its spec on: a network that was never asked before."""
    at = [10.0, 30.0, 100.0] if small else [10.0, 100.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0]
    specs: list[dict[str, Any]] = [{"layers": [{"kernel": 3, "padding": 1}] * int(depth)} for depth in at]
    seconds = [best(_profiled, spec) for spec in specs]
    net = rf.Network.from_dict(specs[-1])
    sets = best(trace, net)
    return Series(
        "interior profile of one chain of 3×3, its spec read first",
        "layers",
        at,
        seconds,
        f"{seconds[-1] / at[-1] * 1e6:.2g} µs a layer at the end, {sets / seconds[-1]:.1%} of it for the sets, the "
        "rest for Python's objects of each layer",
    )


def by_extent(small: bool) -> Series:
    """A space of chains with holes, its dilations scaled: the same states, longer sets."""
    depth, scales = (4, [1, 4, 16]) if small else (9, [1, 4, 16, 64, 256, 1024])
    spaces = [space_of([(k, s, d * m) for k, s, d in HOLES], depth) for m in scales]
    extents = [float(2 * 5 * m * depth + 1) for m in scales]
    seconds = [best(_counted, space, "pixels") for space in spaces]
    return Series(
        f"exact counts of a space with holes, dilations times {scales[0]} to {scales[-1]}",
        "pixels of extent",
        extents,
        seconds,
        f"{extents[-1] / extents[0]:,.0f} times the extent, {seconds[-1] / seconds[0]:.1f} times the time: sets of 64 "
        "pixels a word, and the work on each state that does not depend on its size",
    )


def by_image(small: bool) -> list[Series]:
    """Sets of all entries of all layers, without holes and with them."""
    at = [64.0, 128.0, 256.0] if small else [64.0, 256.0, 1024.0, 4096.0, 8192.0, 16_384.0]
    holes = [{"kernel": 3, "dilation": d, "padding": d} for d in (2, 3, 4, 5)]
    nets = {"ResNet-50": rf.load("resnet50"), "four 3×3 with holes": rf.Network.from_dict({"layers": holes})}
    out = []
    for name, net in nets.items():
        seconds = [best(trace, net, int(size), "skip") for size in at]
        kept = "their ends alone are kept, the same few numbers for any size"
        if name != "ResNet-50":
            kept = "kept by axis, a word for 64 pixels of extent"
        out.append(
            Series(
                f"sets of all entries of all layers, {name}",
                "pixels of image side",
                at,
                seconds,
                f"{kept}: {at[-1] ** 2 / at[-2] ** 2:.0f} times the entries from the last but one size to the last, "
                f"{seconds[-1] / seconds[-2]:.1f} times the time",
            )
        )
    return out


def by_threads(small: bool) -> list[Series]:
    """The same work on one thread and on all."""
    counts = sorted({1, numba.config.NUMBA_NUM_THREADS})
    depth = 7 if small else 13
    space, chain = space_of(CHOICES, depth), rf.chains([1, 3, 5, 7], [1, 2, 3], 1, 3 if small else 6)
    buffer = Blocks(space_of(CHOICES, 1)).empty(0, 0, PIECE)
    S, P = (np.linspace(0, end, 10**6 if small else 10**8) for end in (100, 0.9))
    a, b = np.zeros_like(S), np.zeros_like(S)
    works: dict[str, Callable[[], Any]] = {
        f"all figures of {space.size:,} architectures": lambda: last_stage(space, buffer),
        f"validation of {chain.size:,} chains": lambda: rf.validate(chain),
        f"published 3×3 over {len(S):.0e} points": lambda: rf.evaluate(["conv3"], S, P, out=(a, b)),
    }
    plain = {
        "a plain copy": lambda: copy(S, P, a, b),
        "numpy that fills the same buffer": lambda: refill(space.size, buffer, numba.get_num_threads()),
    }
    gains = {name: _on(counts[0], call) / _on(counts[-1], call) for name, call in plain.items()}
    out = []
    for title, work in works.items():
        work()
        others = load.Others()
        seconds = [_on(n, work) for n in counts]
        alike = [*gains][title.startswith("all figures")]  # what only writes gains less by a thread than what copies
        limit = _of_threads(seconds, counts, alike, gains[alike], others.busy() or 0.0)
        out.append(Series(title, "threads", [float(n) for n in counts], seconds, limit))
    return out


def _on(n: int, work: Callable[[], Any]) -> float:
    with threads(n):
        return best(work)


def _of_threads(seconds: list[float], counts: list[int], plain: str, plain_gain: float, busy: float) -> str:
    gain = seconds[0] / seconds[-1]
    text = f"{counts[-1]} threads are {gain:.2f} times as fast as one ({plain}: {plain_gain:.2f} times)"
    if busy > 0.25:
        return f"{text}: but other processes had {busy:.1f} processors meanwhile, so this says nothing"
    if gain > 0.8 * counts[-1]:
        return f"{text}: the processors limit"
    if plain_gain / 1.25 < gain < plain_gain * 1.15:
        return f"{text}: as much as that gains, so that memory limits"
    if gain < 1:
        return f"{text}: too little work to share"
    return f"{text}: the part on one thread limits"


def by_workers(small: bool) -> Series:
    """A store written by Dask workers that are up already."""
    from rfscale.sweeps.runs.store.dask_workers import local_client

    space = space_of(CHOICES, 8 if small else 12)
    folder = Path(tempfile.mkdtemp(prefix="rfscale-growth-"))

    def write(**options: Any) -> None:
        shutil.rmtree(folder / "a.zarr", ignore_errors=True)
        rf.sweep(space, store=folder / "a.zarr", **options)

    seconds = []
    for workers in (1, 2):
        with local_client(workers) as client:
            write(client=client)  # workers import and compile
            seconds.append(best(write, client=client))
    alone = best(write)
    shutil.rmtree(folder)
    return Series(
        f"a store of {space.size:,} architectures",
        "Dask workers",
        [1.0, 2.0],
        seconds,
        f"two workers are {seconds[0] / seconds[1]:.2f} times as fast as one; without Dask it takes {duration(alone)}: "
        + ("one process has all cores and no messages" if alone < seconds[1] else "the cores limit"),
    )


def table(series: Sequence[Series]) -> str:
    """Return the Markdown table."""
    out = [
        "| what | over | from … to | time | exponent | what limits it |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for s in series:
        span, times = f"{s.at[0]:,.0f} … {s.at[-1]:,.0f}", f"{duration(s.seconds[0])} … {duration(s.seconds[-1])}"
        out.append(f"| {s.title} | {s.quantity} | {span} | {times} | {s.exponent:.2f} | {s.limit} |")
    return "\n".join(out)


def draw(series: Sequence[Series], path: Path) -> None:
    """Draw one small panel for each series, both axes logarithmic, with the floor where there is one."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullLocator

    columns = 3
    rows = -(-len(series) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(12, 3.1 * rows), layout="constrained")
    for axes, s in zip(grid.flat, series, strict=False):
        if s.at[-1] / s.at[0] < 10:
            axes.bar([f"{x:g}" for x in s.at], s.seconds, width=0.5, color="#0072B2")
        else:
            axes.loglog(s.at, s.seconds, "o-", color="#0072B2", ms=4, label="rfscale")
            low, high = min(s.seconds), max(s.seconds)
            axes.set_ylim(10 ** np.floor(np.log10(low) - 0.1), 10 ** np.ceil(np.log10(high) + 0.1))
            axes.yaxis.set_minor_locator(NullLocator())
        if s.floor:
            axes.loglog(s.at, s.floor, "--", color="#777777", label=s.floor_name)
            axes.set_ylim(min(*s.floor, *s.seconds) / 2, max(*s.floor, *s.seconds) * 2)
            axes.yaxis.set_minor_locator(NullLocator())
            axes.legend(fontsize=7, frameon=False)
        axes.set_title(s.title, fontsize=8.5, loc="left")
        axes.set_xlabel(f"{s.quantity}   (exponent {s.exponent:.2f})", fontsize=8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: duration(seconds) if seconds else "0"))
        axes.tick_params(labelsize=7)
        axes.grid(color="#dddddd", lw=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(series) :]:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure every series; write the docs unless small."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small sizes, to see that it runs; writes nothing")
    small = parser.parse_args().small
    others, at_start = load.Others(), load.machine()
    series = [f(small) for f in (by_architectures, by_depth_of_counts, by_depth_of_profiles, by_extent)]
    series += [*by_image(small), *by_threads(small), by_workers(small)]
    average, busy = at_start["load_average"], others.busy()
    quiet = f"Load average at the start {average:.2f}" if average is not None else "Load unknown"
    quiet += f"; other processes kept {busy:.2f} of the processors busy meanwhile." if busy is not None else "."
    text = f"{quiet} Exponents are fitted on the larger half of each range."
    print(table(series), text, sep="\n\n")
    if small:
        with tempfile.TemporaryDirectory() as folder:
            draw(series, Path(folder) / "growth.png")
        return
    from benchmarks import report, results

    # the machine as it was then: comparisons that are there already have been measured under their own conditions
    path = results.place(at_start)
    machine = {} if path.exists() else {"machine": at_start | {"small": False}}
    results.write(path, growth={"table": table(series), "conditions": text}, **machine)
    report.refresh()
    draw(series, report.DOCS.parent / "pictures" / "growth.png")


if __name__ == "__main__":
    main()
