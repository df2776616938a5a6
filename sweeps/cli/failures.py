"""One net around the command: whatever goes wrong becomes one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import typer

from rfscale.engine.errors import InputError, failure_text, nearest, shortened, visible
from rfscale.sweeps.cli.options import shell_wording

BAD_INPUT, INTERNAL_ERROR, SYSTEM_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 70, 71, 130, 141  # exit codes
TRACEBACK = "RFSCALE_TRACEBACK"  # an environment variable: set, it shows where an error came up


def open_streams() -> None:
    """Make stdout and stderr usable: a closed one is nowhere, and an ASCII terminal gets ? for ×, not an error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def close_streams() -> bool:
    """Write out what stdout and stderr still hold, and drop what cannot be: Python would complain at its end."""
    whole = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            whole = False
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return whole


def report_failure(error: BaseException) -> int:
    """Say on one line of stderr what went wrong; return the exit code."""
    if os.environ.get(TRACEBACK) and not isinstance(error, SystemExit | typer.Exit):
        import traceback

        traceback.print_exception(error)
    code, message = _described(error)
    if message:
        with suppress(OSError, ValueError):  # there is nowhere left to report it
            print("rfscale:", shortened(" ".join(message.split())), file=sys.stderr)
    return code


def _described(error: BaseException) -> tuple[int, str]:
    """The exit code of an error, and its line; an empty one for what is no failure."""
    if isinstance(error, InputError):
        return BAD_INPUT, error.text(shell_wording)
    if hasattr(error, "format_message"):  # wrong arguments: an error of typer, or before 0.27 of click
        return BAD_INPUT, _usage(error)
    if isinstance(error, typer.Exit):
        return error.exit_code, ""
    if isinstance(error, SystemExit):
        return (error.code, "") if isinstance(error.code, int) else (1 if error.code else 0, str(error.code or ""))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED, ""  # who pressed the keys knows
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE, ""
    message = failure_text(error)
    if isinstance(error, RecursionError | UnicodeEncodeError):
        return BAD_INPUT, message
    if isinstance(error, MemoryError | OSError):
        return SYSTEM_ERROR, _GONE if isinstance(error, OSError) and _folder_is_gone() else message
    return INTERNAL_ERROR, f"{message} with this command line ({TRACEBACK}=1 shows where it came up)"


_GONE = "the working folder does not exist any more; change to another"


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _usage(error: Any) -> str:
    """What is wrong with the arguments, with the nearest names or the way to the help."""
    context = getattr(error, "ctx", None)
    message = visible(" ".join(error.format_message().split()))  # it quotes what was typed
    if context is None:
        return message
    option = getattr(error, "option_name", None)
    if option and hasattr(error, "possibilities"):  # an option that does not exist: only that error has them
        known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        return f"{context.info_name} has no option {visible(option)}; {nearest(option, known)}"
    return f"{message.rstrip('.')}; see {context.command_path} --help"
