"""The networks of a space, worked out on all cores.

Processes, since templates are Python: each has a copy of this one, template and all, by `fork`. Where a system has no
safe fork (macOS, Windows), or inside a process that may have no children, one core does it.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numba
import numpy as np

from rfscale.sweeps.networks.figures import NetworkFigures

FIRST = 256  # networks that this process does itself: code is compiled there, and most errors come up
MIN_NETWORKS = 1024  # that are worth a fork
PIECE = (32, 1024)  # networks that a process does at once, at least and at most

Arrays = dict[str, np.ndarray]
Piece = tuple[int, int]  # the first of some networks, and the one after the last
Progress = Callable[[int], object]


def fill_all(figures: NetworkFigures, out: Arrays, progress: Progress | None = None) -> None:
    """Write the figures of all networks into arrays, the same on any number of cores.

    Parameters
    ----------
    figures : NetworkFigures
    out : dict of str to array
        As `figures.empty` makes them for all networks.
    progress : callable, optional
        Called with the number of networks that were done since.

    Raises
    ------
    InputError
        As `figures.fill`, of the first network that has an error.
    """
    size, workers = figures.space.size, _workers()

    def here(start: int, stop: int) -> None:
        figures.fill(start, stop, {name: values[start:stop] for name, values in out.items()})
        if progress:
            progress(stop - start)

    begin = min(FIRST, size)
    here(0, begin)
    alone = workers == 1 or size - begin < MIN_NETWORKS
    step = min(max((size - begin) // (32 * workers), PIECE[0]), PIECE[1])
    pieces = [(start, min(start + step, size)) for start in range(begin, size, step)]
    if not alone:
        share = -(-len(pieces) // workers)  # neighbours have most in common: each process has a range of its own
        queues = [deque(pieces[i : i + share]) for i in range(0, len(pieces), share)]
        left = set(pieces)
        with _processes(figures, len(queues)) as connections:
            for piece, made in _results(connections, queues):
                for name, values in made.items():
                    out[name][slice(*piece)] = values
                left.remove(piece)
                if progress:
                    progress(piece[1] - piece[0])
        pieces = sorted(left)  # what a process failed in fails here too, with its error
    for piece in pieces:
        here(*piece)


def _workers() -> int:
    if not sys.platform.startswith("linux") or multiprocessing.current_process().daemon:
        return 1
    return numba.get_num_threads()


def _results(connections: Sequence[Connection], queues: Sequence[deque[Piece]]) -> Iterator[tuple[Piece, Arrays]]:
    """Yield pieces and what was made of them. After one that failed no more are begun."""
    number: dict[Any, int] = {connection: i for i, connection in enumerate(connections)}
    busy: dict[Any, Piece] = {}
    failed = False

    def give(connection: Any) -> None:
        own = queues[number[connection]]
        longest = max(queues, key=len)
        if not failed and longest:
            busy[connection] = own.popleft() if own else longest.pop()
            connection.send(busy[connection])

    for connection in connections:
        give(connection)
    while busy:
        ready: list[Any] = wait(list(busy))
        for connection in ready:
            piece = busy.pop(connection)
            try:
                made = connection.recv()
            except (EOFError, OSError):  # the process was killed
                made = None
            if made is None:
                failed = True
                continue
            yield piece, made
            give(connection)


@contextmanager
def _processes(figures: NetworkFigures, number: int) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("fork")
    ours: list[Connection] = []
    started: list[BaseProcess] = []
    try:
        for _ in range(number):
            own, other = context.Pipe()
            ours.append(own)
            process: BaseProcess = context.Process(target=_work, args=(figures, other, list(ours)), daemon=True)
            with warnings.catch_warnings():  # of Python 3.12 on: threads do not live on, and none is needed there
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                process.start()
            other.close()
            started.append(process)
        yield ours
    finally:
        for connection in ours:
            connection.close()
        for process in started:
            process.terminate()
            process.join()


def _work(figures: NetworkFigures, connection: Connection, inherited: Sequence[Connection]) -> None:
    """Work pieces out until the other end is closed, as it is where the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    for other in inherited:
        other.close()
    while True:
        try:
            start, stop = connection.recv()
        except EOFError:
            return
        made: Arrays | None = figures.empty(stop - start)
        try:
            figures.fill(start, stop, made or {})
        except BaseException:  # the parent does it again, and has the error
            made = None
        try:
            connection.send(made)
        except OSError:
            return
