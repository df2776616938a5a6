"""Keep what the code of a model prints, warns and logs away from the user while it is made and read."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet(*, prints: bool = False, own_warnings: bool = False) -> Iterator[None]:
    """Keep what libraries and models print, warn and log away from the terminal; errors have the message.

    Parameters
    ----------
    prints : bool
        Let them print: the user's own model in the user's own session.
    own_warnings : bool
        Hand on the warnings of this package.
    """
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    caught: list[warnings.WarningMessage] | None = None
    try:
        with ExitStack() as stack:
            if not prints:
                nowhere = io.StringIO()
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            caught = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always")
            yield
    finally:
        logging.disable(level)
    for w in (caught or ()) if own_warnings else ():
        if w.category.__module__.partition(".")[0] == "rfscale":
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
