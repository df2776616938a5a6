"""What makes the process of the command start and end sooner. Tests run every verb with it, as a process.

Only `main` of the command uses this: whoever imports rfscale keeps a process as it was.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

UNUSED_PACKAGES = ("dask", "scipy")
VERBS_WITHOUT_THEM = frozenset({"reproduce", "profile", "footprint", "networks"})
OBJECTS_BEFORE_COLLECTION = 1_000_000
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it


def prepare(args: Sequence[str]) -> None:
    """Collect garbage rarely, and keep packages out that the verb does not use: `args` are those of the process.

    xarray imports dask, and numba scipy, wherever they are installed. With this, ``rfscale footprint resnet50 layer2``
    takes 0.42 s of processor time, without 0.96 s (least of 5 runs in turn). A package whose entry in
    ``sys.modules`` is None counts as not installed. The code of a user, ``module:factory``, may need either, so then
    both stay.
    """
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION, 10, 10)  # imports make half a million objects, none of them garbage
    runs_user_code = any(":" in arg for arg in args[1:])
    if not runs_user_code and not VERBS_WITHOUT_THEM.isdisjoint(args[:1]):
        for package in UNUSED_PACKAGES:
            sys.modules.setdefault(package, None)  # type: ignore[arg-type]


def end_at_second_interrupt(code: int) -> None:
    """Let Ctrl-C stop in order, and a second one end the process at once.

    Without this, a second one breaks off the closing of Dask's workers, and its own end waits 10 s for them. They end
    with their parent; stores and files are as safe as when the process is killed.
    """

    def end(*_: Any) -> None:
        if sys.stderr.isatty():
            os.write(2, SHOW_CURSOR)
        os._exit(code)

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, end)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # jobs in the background ignore it
        signal.signal(signal.SIGINT, stop)


def finish() -> None:
    """Let the interpreter end without a last search for garbage among all objects, or at once at a further Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()
