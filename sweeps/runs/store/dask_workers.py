"""Blocks of a store filled by Dask workers: the same blocks, arrays and bits as in one process.

A task is a piece of work of whole blocks; a worker makes its own plan of the store, once, and writes what it works out.
Blocks share no file, so that tasks may run anywhere, and twice. `dask` and `distributed` are imported in the functions.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from itertools import islice
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from rfscale.engine import __version__
from rfscale.engine.errors import InputError, shown
from rfscale.engine.files import need_package
from rfscale.sweeps.runs.store.layout import Options, Plan
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 4  # tasks that a thread of a worker has waiting: thousands of them would slow the scheduler down
TIMEOUT = 5.0  # seconds until a scheduler must answer
PATIENCE = 30.0  # seconds that there may be no worker
CLOSING = 10.0  # seconds until worker processes that do not end are killed
STEP = 1.0  # seconds between two checks of the workers


def write_pieces(client: Any, plan: Plan, pieces: Iterable[list[int]]) -> Iterator[int]:
    """Have workers write pieces of work, and yield the bytes of each when it is done.

    Parameters
    ----------
    client : distributed.Client
    plan : Plan
        Of a store that is there already.
    pieces : iterable of list of int
        Blocks that go together.

    Raises
    ------
    InputError
        If there are no workers, they cannot see the store, or a piece ends worker after worker.
    """
    dask = _distributed()
    if getattr(client, "asynchronous", False) or not hasattr(client, "submit"):
        raise InputError(f"client is {shown(client)}; it must be a distributed.Client that is not asynchronous")
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise InputError(f"the Dask cluster has no workers after {PATIENCE:.0f} s; start some, and try again") from None
    payload, waiting = packed(plan), iter(pieces)
    running: dict[Any, list[int]] = {}

    def submit(count: int) -> None:
        for piece in islice(waiting, count):
            running[client.submit(fill_blocks, payload, __version__, piece, pure=False, retries=2)] = piece

    try:
        submit(AHEAD * max(1, sum(client.nthreads().values())))
        while running:
            for future in _ended(dask, client, list(running)):
                piece = running.pop(future)
                if future.status != "finished":
                    future.result()  # raises what went wrong
                yield sum(map(plan.block_bytes, piece))
                submit(1)
    except dask.KilledWorker:
        raise InputError(
            "a piece of work ended worker after worker, most likely for want of memory; "
            "what was stored stays: give the workers more, and repeat the command"
        ) from None
    except dask.CancelledError:
        raise InputError("the Dask scheduler went away; what was stored stays: repeat the command") from None
    finally:
        if running:
            client.cancel(list(running), force=True)


def _ended(dask: Any, client: Any, futures: list[Any]) -> list[Any]:
    """Return the futures that have ended, once there are some; a worker that dies now may take its result along."""
    alone = 0.0
    while True:
        try:
            with client.as_current():  # it is nobody's default
                return list(dask.wait(futures, timeout=STEP, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            alone = 0.0 if client.nthreads() else alone + STEP
        if alone >= PATIENCE:
            raise InputError("all Dask workers are gone; what was stored stays: start some, and repeat the command")


def _distributed() -> Any:
    need_package("distributed", why="to work with Dask")
    return import_module("distributed")


def packed(plan: Plan) -> bytes:
    """Return what a worker needs to make the plan: the dict of a Space, or a NetworkSpace with its function."""
    if not isinstance(plan.space, NetworkSpace):
        return pickle.dumps((plan.space.to_dict(), plan.options))
    cloudpickle: Any = import_module("cloudpickle")
    module = sys.modules.get(getattr(plan.space.template, "__module__", ""))
    if module and module.__name__.partition(".")[0] not in ("rfscale", "__main__"):
        cloudpickle.register_pickle_by_value(module)  # a script beside the user is not beside the workers
    return bytes(cloudpickle.dumps((plan.space, plan.options)))


@lru_cache(maxsize=1)
def unpacked(payload: bytes) -> Plan:
    """Return the plan of a payload; the last one is kept, so that graphs are built once in a process."""
    space, options = pickle.loads(payload)
    assert isinstance(options, Options)
    return Plan(space if isinstance(space, NetworkSpace) else Space.from_dict(space), options)


def fill_blocks(payload: bytes, software: str, numbers: list[int]) -> None:
    """Write blocks, in a worker; whatever goes wrong there can be sent, and neither ends nor stops the worker."""
    try:
        _fill(payload, software, numbers)
        return
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        failure: Exception = InputError(f"the code of the space ended Python in a Dask worker: {error!r}")
    except BaseException as error:
        if isinstance(error, Exception) and _can_be_sent(error):
            raise
        failure = RuntimeError(f"{type(error).__name__} in a Dask worker: {error}")
    raise failure  # here, without a context: Dask sends that along


def _can_be_sent(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        return False


def _fill(payload: bytes, software: str, numbers: list[int]) -> None:
    if software != __version__:
        raise InputError(
            f"a Dask worker has rfscale {__version__} and you have {software}; install the same everywhere"
        )
    import numba

    plan = unpacked(payload)
    if not (Path(plan.options.path) / "zarr.json").is_file():
        raise InputError(f"a Dask worker sees no store at {plan.options.path}; workers must share the folder with you")
    numba.set_num_threads(1)  # as many processes as cores: more threads would only wait for each other
    plan.write(numbers)


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Yield the client of as many worker processes on this machine, each with one thread."""
    import logging

    dask = _distributed()
    settings: dict[str, Any] = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    settings |= {"silence_logs": logging.CRITICAL, "preload": [__name__]}
    # Dask gives a worker up that is missing 15 s after it was killed, also when it was killed again in the meantime
    config = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    with import_module("dask").config.set(config), _without_working_folder():
        others = {child.pid for child in active_children()}
        try:
            cluster = dask.LocalCluster(n_workers=workers, **settings)
        except RuntimeError:
            raise InputError(
                f"the {workers} worker processes did not start: one was killed, most likely for want of memory; "
                "what was stored stays: ask for fewer, or repeat the command"
            ) from None
        try:
            with dask.Client(cluster, set_as_default=False) as client:
                yield client
        finally:
            close_cluster(cluster, others)


def close_cluster(cluster: Any, others: set[int | None]) -> None:
    """Close a cluster of this process, and end its workers where that takes long.

    One that was killed, and that Dask was beginning again when the cluster closed, may wait for ever, and Dask for it.

    Parameters
    ----------
    cluster : LocalCluster
    others : set of int
        Processes that are not the cluster's, by their numbers: they stay.
    """
    closed = Event()

    def end_workers() -> None:
        while not closed.wait(CLOSING):
            for child in active_children():
                if child.pid not in others and child.name.startswith("Dask Worker"):
                    child.kill()

    watch = Thread(target=end_workers, daemon=True)
    watch.start()
    try:
        cluster.close()
    finally:
        closed.set()
        watch.join()


@contextmanager
def _without_working_folder() -> Iterator[None]:
    """Keep new Python processes from importing what lies in the working folder, such as a `types.py`.

    They are started with ``python -c``, which searches that folder first, also for Python's own modules. And the one
    that cleans up after a process that ended at once does so without a warning.
    """
    warnings = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker"]))
    settings = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": warnings}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def dask_setup(worker: Any) -> None:
    """Let a worker of `local_client` ignore Ctrl-C, which a terminal sends to all: it is closed by its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """Yield the client of a scheduler that is running, such as tcp://10.0.0.1:8786."""
    kind = _distributed().Client
    client = kind.__new__(kind)  # in two steps: one that fails must be closed here, see below
    try:
        # as the default, a client that fails would remain: dask would compute nothing any more
        client.__init__(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        # the garbage collector would close it at any time: also while the next client starts, which then waits for ever
        client.close()
        raise InputError(f"no Dask scheduler answers at {address} within {TIMEOUT:.0f} s: {shown(error)}") from None
    with client:
        yield client
