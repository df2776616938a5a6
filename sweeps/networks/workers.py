"""The networks of a space, worked out on all cores.

Processes, since templates are Python: this one, and for each other core a copy of it, template and all, by `fork`.
Where a system has no safe fork (macOS, Windows), or inside a process that may have no children, one core does it.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numba
import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.networks.figures import NetworkFigures

FIRST = 128  # networks that this process does itself: code is compiled there, and most errors come up
# of work left, by what the second half of the first ones took, which is twice what the others do. A fork takes 3 ms, or
# 10 of a process with 300 MB of objects; the rest is layers that both work out. Two processes take 1.3 to 1.5 times the
# processor time of one: 0.37 s of work came to 0.50 s, 0.22 s to 0.32 s
MIN_SECONDS = 0.1
PIECE = (32, 1024)  # networks that a process does at once, at least and at most
AHEAD = 2  # pieces that a process has at a time, so that it does not wait for the next one

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
    half = begin // 2
    if half:
        here(0, half)
    before = time.process_time()
    here(half, begin)
    ahead = (time.process_time() - before) / (begin - half) * (size - begin)
    alone = workers == 1 or size == begin or ahead < MIN_SECONDS
    step = min(max((size - begin) // (32 * workers), PIECE[0]), PIECE[1])
    pieces = [(start, min(start + step, size)) for start in range(begin, size, step)]
    if not alone:
        pieces = _together(figures, out, pieces, here, progress)
    for piece in pieces:
        here(*piece)


def _together(
    figures: NetworkFigures,
    out: Arrays,
    pieces: list[Piece],
    here: Callable[[int, int], None],
    progress: Progress | None,
) -> list[Piece]:
    """Work pieces out in this process and others. Returns those that failed or were not begun after one that did.

    Neighbours have most in common: this process begins with the first, and each other one has a range of its own.
    """
    left, failed = set(pieces), False
    share = -(-len(pieces) // _workers())
    every = [deque(pieces[i : i + share]) for i in range(0, len(pieces), share)]
    mine, *theirs = every

    def next_of(own: deque[Piece]) -> Piece | None:
        longest = max(every, key=len)
        return own.popleft() if own else longest.pop() if longest else None

    with _processes(figures, len(theirs)) as connections:
        given: dict[Any, deque[Piece]] = {connection: deque() for connection in connections}
        own = dict(zip(connections, theirs, strict=True))

        def give(connection: Any) -> None:
            while len(given[connection]) < AHEAD and not failed:
                piece = next_of(own[connection])
                if piece is None:
                    return
                given[connection].append(piece)
                with suppress(OSError):  # of a process that was killed; nothing is received from it either
                    connection.send(piece)

        for connection in connections:
            give(connection)
        while any(given.values()) or (any(every) and not failed):
            piece = None if failed else next_of(mine)
            if piece is not None:
                try:
                    here(*piece)
                    left.remove(piece)
                except InputError:
                    failed = True
            busy = [connection for connection, waiting in given.items() if waiting]
            ready: list[Any] = wait(busy, 0 if piece else None) if busy else []
            for connection in ready:
                piece, made = given[connection].popleft(), _received(connection)
                if made is None:
                    failed = True
                    given[connection].clear()  # the process does no more
                    continue
                for name, values in made.items():
                    out[name][slice(*piece)] = values
                left.remove(piece)
                if progress:
                    progress(piece[1] - piece[0])
                give(connection)
    return sorted(left)  # what a process failed in fails here too, with its error


def _received(connection: Any) -> Arrays | None:
    try:
        made: Arrays | None = connection.recv()
    except (EOFError, OSError):  # the process was killed
        return None
    return made


def _workers() -> int:
    if not sys.platform.startswith("linux") or multiprocessing.current_process().daemon:
        return 1
    return numba.get_num_threads()


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
