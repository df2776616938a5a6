"""A progress bar for functions that take ``progress=``, wherever Python runs."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from rfscale.engine.display.tables import escaped
from rfscale.engine.errors import InputError, Parameter, visible
from rfscale.sweeps.report.progress import ProgressBar, terminal_bar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 5.0  # where there is neither a notebook nor a terminal
SECONDS_BETWEEN_BARS = 0.1  # in a notebook


class Progress:
    """A progress bar: call it as functions call their `progress`.

    In a notebook it is drawn below the cell, on a terminal on its last line; elsewhere a line of text on stderr says
    how far the work is, every five seconds and at the end.

    Parameters
    ----------
    label : str
        What is done.
    total : int, optional
        For functions that report how much was done since, not how much of what (`rf.sweep`): how much it is in all,
        such as ``sum(space.stage_sizes)``.

    Raises
    ------
    InputError
        For a total below 1; and when a function reports how much was done since, and there is no total.

    Examples
    --------
    >>> import rfscale as rf
    >>> space = rf.chains([3, 5], depth=3)
    >>> tree = rf.sweep(space, progress=rf.Progress("sweep", sum(space.stage_sizes)))  # doctest: +SKIP
    """

    def __init__(self, label: str = "progress", total: int | None = None) -> None:
        if total is not None and total < 1:
            raise InputError(argument=Parameter("total"), value=total, remedy="it must be at least 1")
        self.label, self.total = label, total
        self._since, self._begun = 0, time.perf_counter()
        self._shown = _shown()
        self._bar = ProgressBar(label, None, 0, self._shown)
        self._ended = False
        if not isinstance(self._shown, Lines):
            self._shown.start()

    def __repr__(self) -> str:
        return f"<Progress {visible(self.label)}: {self._bar.done:.0%}>"

    def __call__(self, *done: int | None) -> None:
        """Show how much is done: (done, total), or how much since the last call."""
        if len(done) == 1:
            if self.total is None:
                raise InputError("is not known", argument=Parameter("total"), remedy="give it to rf.Progress")
            self._since += done[0] or 0
            done = min(self._since, self.total), self.total
        count, total = done[0] or 0, done[1]
        if self._ended:
            return
        if not total:  # nobody knows how much it will be
            self._bar.count(count)
            return
        self._bar.share(count, total)
        if count >= total:
            self.close()

    def close(self) -> None:
        """End the bar, as it does by itself when all is done."""
        if self._ended:
            return
        self._ended = True
        if isinstance(self._shown, Lines):
            self._shown.end(f"{self._bar.done:.0%}, {time.perf_counter() - self._begun:.1f} s")
        else:
            self._shown.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _shown() -> RichProgress | Lines:
    """What draws here: a notebook's display, a terminal, or lines of text."""
    if _in_notebook():
        return NotebookBar()
    return terminal_bar() if sys.stderr.isatty() else Lines()


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    ipython: Any = sys.modules["IPython"]
    return hasattr(ipython.get_ipython(), "kernel")


class Lines:
    """Lines of text on stderr, not too many."""

    pause = SECONDS_BETWEEN_LINES

    def __init__(self) -> None:
        self._label, self._share, self._last = "", 0.0, time.perf_counter()

    def add_task(self, description: str, /, *, total: float | None, state: str) -> int:
        self._label = description.replace(r"\[", "[")  # it is no markup here
        return 0

    def update(self, task: Any, /, **changed: Any) -> None:
        self._share = changed.get("completed", self._share)
        now = time.perf_counter()
        if now - self._last >= self.pause:
            self._last = now
            self.write(changed.get("state", ""))

    def end(self, state: str) -> None:
        self.write(state)

    def write(self, state: str) -> None:
        print(f"{self._label}: {state}", file=sys.stderr)


class NotebookBar(Lines):
    """A bar below a cell, which is drawn anew in its place."""

    pause = SECONDS_BETWEEN_BARS

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None

    def write(self, state: str) -> None:
        output: Any = import_module("IPython.display")
        bar = f'<progress max="1" value="{self._share:.3f}"></progress>'
        shown = output.HTML(f"<div>{bar} {escaped(self._label)}: {escaped(state)}</div>")
        if self._handle is None:
            self._handle = output.display(shown, display_id=True)
        else:
            self._handle.update(shown)
