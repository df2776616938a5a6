"""The command `rfscale`: one verb per question. Verbs live in `sweeps/cli/verbs`; here they meet the shell.

Exit codes: 0 done; 2 bad input, 70 an error of rfscale, 71 the system refused (memory, disk), each with one line on
stderr; 130 interrupted, 141 the reader of the output went away.
Nothing heavy is imported here or at the top of the modules that hold verbs, so that ``rfscale --help`` is instant.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.sweeps.cli.failures import INTERRUPTED, SYSTEM_ERROR, close_streams, open_streams, report_failure
from rfscale.sweeps.cli.help import FrontPage, VerbPage
from rfscale.sweeps.cli.output import with_output
from rfscale.sweeps.cli.startup import end_at_second_interrupt, finish, prepare
from rfscale.sweeps.cli.verbs import QUESTIONS, VERBS

OUTPUTS = ("--out", "--plot")


class Page(FrontPage):
    """The page of `rfscale --help`."""

    groups: ClassVar = {question: [verb.__name__ for verb in verbs] for question, verbs in QUESTIONS.items()}


app = typer.Typer(
    cls=Page,
    add_completion=False,
    rich_markup_mode=None,  # plain help: 80 ms faster, and good to read in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for verb in VERBS:
    app.command(verb.__name__, cls=VerbPage)(with_output(verb))


def _version(wanted: bool) -> None:
    if wanted:
        from rfscale.engine.version import SOFTWARE

        print(SOFTWARE)
        raise typer.Exit


@app.callback()
def rfscale(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What does this feature map see? Exact footprints of convolutional networks, and the formulas used instead.

    Example: rfscale profile resnet50
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (by default that of the process) and return its exit code."""
    if argv is not None:
        return _run(list(argv))
    code = INTERRUPTED
    with suppress(KeyboardInterrupt):  # Ctrl-C while another failure is reported
        end_at_second_interrupt(INTERRUPTED)
        prepare(sys.argv[1:])
        code = _run(sys.argv[1:])
        finish()
    if not close_streams() and code == 0:
        code = SYSTEM_ERROR
    return code


def _run(args: list[str]) -> int:
    open_streams()
    args = args or ["--help"]
    try:
        known = [verb.__name__ for verb in VERBS]
        if not args[0].startswith("-") and args[0] not in known:
            raise InputError(f"no verb {shown(args[0])}", remedy=nearest(args[0], known))
        _check_outputs(args)
        line = shlex.join(["rfscale", *args]).encode("utf-8", "replace").decode()  # kept in files, which are UTF-8
        command = typer.main.get_command(app)
        with command.make_context("rfscale", args, obj={"command": line}) as context:  # `main` of typer hides errors
            command.invoke(context)
        return 0
    except BaseException as error:
        return report_failure(error)


def _check_outputs(args: list[str]) -> None:
    """Refuse an output that is an input of the same command, whichever verb it is."""
    if not any(arg.partition("=")[0] in OUTPUTS for arg in args):
        return
    from rfscale.engine.files import check_not_read

    written, read = [], []
    for before, arg in zip(["", *args], args, strict=False):
        option, equals, value = arg.partition("=")
        if before in OUTPUTS or (equals and option in OUTPUTS):
            written.append(Path(arg if before in OUTPUTS else value))
        else:
            read += [arg, value]
    for path in written:
        if path.is_file() or path.suffix == ".zarr":  # the folder of a batch may hold the summary to compare with
            check_not_read(path, read)


if __name__ == "__main__":
    sys.exit(main())
