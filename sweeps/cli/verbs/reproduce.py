"""The verb reproduce: the article's numbers and the exact ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.output import deliver


def reproduce(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT)] = Path(
        "reproduction"
    ),
    pictures: Annotated[bool, typer.Option(help="Draw the pictures (needs matplotlib).")] = True,
) -> None:
    """Compare the article's figures and numbers with the exact ones.

    Prints the table claim / published / formula / exact / verdict, and writes claims.zarr (with the profiles),
    claims.md and the pictures.

    Example: rfscale reproduce --out reproduction
    """
    from rfscale.sweeps.reproduction.run import run

    claims, parts, written = run(out, pictures=pictures)
    deliver(context, claims, *parts, written=written)
