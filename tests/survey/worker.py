"""A process that reads and judges models, one after another, within limits of time and memory."""

from __future__ import annotations

import os
import resource
import signal
from multiprocessing.connection import Connection
from typing import Any

from tests.survey.texts import line

GIGABYTE = 1 << 30
NICE = 15
MEMORY = 6 * GIGABYTE
SECONDS = {"read": 60, "judged": 300, "gradients": 60}  # of processor time
PATIENCE = 15  # times as many seconds until a process is ended that does not heed the alarm, or waits


class TimeLimitError(BaseException):
    """A model took longer than it may; no code of a library catches it."""


def serve(jobs: Connection) -> None:
    """Answer jobs (kind, model) by their results until there are no more."""
    _prepare()
    signal.signal(signal.SIGPROF, _alarm)
    while True:
        try:
            kind, model = jobs.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, SECONDS[kind])
        try:
            result = _done(kind, model)
        except TimeLimitError:
            result = {"failed": f"it takes more than {SECONDS[kind]} s of processor time"}
        except Exception as error:  # code that is not ours
            result = {"failed": line(error)}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        jobs.send(result)


def _prepare() -> None:
    """Give way to other processes, take no more memory than there is, print nothing."""
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)

    import torch

    torch.set_num_threads(1)


def _alarm(*_: Any) -> None:
    raise TimeLimitError


def _done(kind: str, model: str) -> dict[str, Any]:
    from tests.survey.figures import read
    from tests.survey.judges import by_gradients, by_values
    from tests.survey.libraries import subject

    return {"read": read, "judged": by_values, "gradients": by_gradients}[kind](subject(model))
