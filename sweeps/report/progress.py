"""Progress bars. That of the command line is on stderr, on a terminal only, and only for work of over a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rfscale.engine.errors import visible

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BEFORE_SHOWN = 1.0


class Shown(Protocol):
    """What draws a bar: `rich.progress.Progress`, or one of `rfscale.sweeps.progress`."""

    def add_task(self, description: str, /, *, total: float | None, state: str) -> Any:
        """Begin a bar."""

    def update(self, task: Any, /, **changed: Any) -> None:
        """Show another description, total, completed or state."""


def escaped(text: str) -> str:
    """Return a name as the bar shows it: neither control characters nor the markup of `rich` are acted on."""
    return visible(text).replace("[", r"\[")


class ProgressBar:
    """A progress bar: which step begins, or how much is done. Without a terminal it shows nothing.

    Attributes
    ----------
    done : float
        The share that is done, by the last call of `share`.
    """

    def __init__(self, label: str, steps: int | None, architectures: int, shown: Progress | Shown | None) -> None:
        label = escaped(label)
        self.label, self.architectures, self._shown = label, architectures, shown
        self.done, self._steps = 0.0, 0
        self._begun: tuple[float, float] | None = None  # when, and the share that was done before
        self._task = shown.add_task(label, total=steps, state="") if shown else None

    def step(self, name: str) -> None:
        """Show the name of a step that begins."""
        if self._shown and self._task is not None:
            self._shown.update(self._task, description=f"{self.label}: {escaped(name)}", completed=self._steps)
        self._steps += 1

    def share(self, done: int, total: int) -> None:
        """Show how much is done; the first call says what was done before, in an earlier process."""
        self.done = done / total
        now = time.perf_counter()
        if self._begun is None:
            self._begun = now, self.done
        if self._shown and self._task is not None:
            state = self._state(now - self._begun[0], self.done - self._begun[1])
            self._shown.update(self._task, total=1, completed=self.done, state=state)

    def count(self, done: int) -> None:
        """Show how much is done, of a total that nobody knows."""
        if self._shown and self._task is not None:
            self._shown.update(self._task, state=f"{done:,} done")

    def _state(self, seconds: float, share: float) -> str:
        """Percentage, speed and time left, after `seconds` for a `share` of the work."""
        text = f"{self.done:.0%}"
        if share > 0 and seconds > 0:
            if self.architectures:
                text += f", {share * self.architectures / seconds:,.0f} architectures/s"
            text += f", {(1 - self.done) * seconds / share:.0f} s left"
        return text


def terminal_bar() -> Progress:
    """Return a bar on the terminal that stderr is now, whatever it is redirected to while the work goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


@contextmanager
def progress(label: str, steps: int | None = None, architectures: int = 0) -> Iterator[ProgressBar]:
    """Show what goes on while the work of the block takes more than a second.

    Parameters
    ----------
    label : str
    steps : int, optional
        Number of steps, where it is known.
    architectures : int
        How many there are in all, to show their number per second; 0: no speed is shown.
    """
    if not sys.stderr.isatty():
        yield ProgressBar(label, steps, architectures, None)
        return
    shown = terminal_bar()
    bar = ProgressBar(label, steps, architectures, shown)
    timer = threading.Timer(SECONDS_BEFORE_SHOWN, shown.start)
    timer.daemon = True
    timer.start()
    try:
        yield bar
    finally:
        timer.cancel()
        timer.join()
        shown.stop()
