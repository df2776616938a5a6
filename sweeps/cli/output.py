"""What a verb hands to the user: text on a terminal, or with --format json its data on stdout and notes on stderr.

Every verb ends with `deliver`; `with_output` gives it the option --format, and --out - for data on stdout.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.help import OUTPUT

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.columns import Columns
    from rfscale.sweeps.report.terminal import Table

    Data = xr.Dataset | xr.DataArray | xr.DataTree | Columns | dict[str, Any]

STDOUT = Path("-")
Format = Annotated[
    Literal["text", "json"],
    typer.Option(metavar="text|json", help="json: the data to stdout, notes to stderr.", rich_help_panel=OUTPUT),
]


def with_output(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the option --format, unless it has one of its own, and let --out - stand for stdout."""
    hints = get_type_hints(verb, include_extras=True)
    parameters = [p.replace(annotation=hints[p.name]) for p in inspect.signature(verb).parameters.values()]
    has_format = any(p.name == "format" for p in parameters)
    if not has_format:
        added = inspect.Parameter("format", inspect.Parameter.KEYWORD_ONLY, default="text", annotation=Format)
        parameters.append(added)
    signature = inspect.Signature(parameters)

    def run(*args: Any, **options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        given = bound.arguments
        state = given["context"].obj
        if given.get("out") == STDOUT:
            _check_stdout(verb.__name__, hints["out"], given)
            given["out"] = None
            given["format"] = "json" if given["format"] == "text" else given["format"]
        if not has_format:
            state["format"] = given.pop("format")
        verb(**given)

    run.__name__, run.__module__, run.__doc__ = verb.__name__, verb.__module__, verb.__doc__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def _check_stdout(verb: str, hint: Any, given: Mapping[str, Any]) -> None:
    """Refuse --out - where it would be a folder or a store."""
    if hint.__metadata__[0].metavar == "DIR":
        raise InputError(f"--out - is stdout, and {verb} writes a folder", remedy="give its name, or --format json")
    if verb == "sweep" and all(given[name] is None for name in ("count", "best", "pareto", "sample")):
        remedy = "give it the name of a store, or ask --count, --best, --pareto or --sample"
        raise InputError("--out - is stdout, and every architecture goes to a store", remedy=remedy)


def deliver(context: typer.Context, data: Data, *parts: str | Table, written: Sequence[object] = ()) -> None:
    """Print the answer of a verb.

    Parameters
    ----------
    context : typer.Context
        Its `obj` has the format.
    data : xr.Dataset, xr.DataArray, xr.DataTree, Columns or dict
        The answer itself, printed with --format json; a dict is printed as it is.
    *parts : str or Table
        What a person reads of it.
    written : sequence
        Names of the files that were written, with remarks.
    """
    from rfscale.sweeps.report.terminal import emit, say

    notes = [f"written: {name}" for name in written]
    if context.obj.get("format") != "json":
        say(*parts, *notes)
        return
    from rfscale.engine.columns import Columns
    from rfscale.engine.files import json_text
    from rfscale.sweeps.report.datasets import json_content

    if isinstance(data, Columns):
        data = data.dataset()
    emit(json_text(data if isinstance(data, dict) else json_content(data)))
    for note in notes:
        print(f"rfscale: {note}", file=sys.stderr)
