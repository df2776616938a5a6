"""What verbs share: their options, one type each, and how the texts of a shell are read.

`takes_network` gives a verb the argument NETWORK and the options that say how a model is made and read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rfscale.engine.errors import INPUT_SIZE, FactoryArguments, InputError, Parameter, Reference
from rfscale.sweeps.cli.help import OUTPUT

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.columns import Columns
    from rfscale.engine.network.network import Network

InputSize = Annotated[
    str | None, typer.Option(metavar="HxW", help="Pixels of the image, 224 or 480x640: footprints end at its borders.")
]
Finite = Annotated[bool, typer.Option("--finite", help="As --input-size, with the size that the network carries.")]
Entry = Annotated[
    str, typer.Option(metavar="Y,X", help="Which entry of a map, with an input size: center, or whole numbers from 0.")
]
GlobalOps = Annotated[
    str,
    typer.Option(
        metavar="include|skip",
        help="skip: leave branches with a global receptive field out of merges, such as squeeze-and-excitation.",
    ),
]
LABELS = (  # what --objects takes
    "COCO .json, Ultralytics data.yaml, a folder of VOC, YOLO, VisDrone, KITTI or DOTA labels, .csv, .parquet, .npy"
)
ImageSize = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Size of all images, where labels do not say it and there are no pictures."),
]
Fields = Annotated[
    list[Path] | None,
    typer.Option("--fields", metavar="FILE", help="A .nc file of rfscale field --out, to go by; repeatable."),
]
Layers = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Maps to take, comma between names of layers or modules.")
]
Resize = Annotated[
    str,
    typer.Option(
        metavar="RULE",
        help="What training does first: none, short=800,cap=1333, short=640-800,cap=1333, square=300, "
        "letterbox=640, scale=0.5-2.",
    ),
]
Category = Annotated[
    list[str] | None, typer.Option("--category", metavar="NAME", help="Only objects of this category; repeatable.")
]
Factor = Annotated[float, typer.Option(metavar="F", help="A map covers objects within this factor of it.")]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the data to .nc, .zarr, .csv or .json; - is stdout, as JSON.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a picture to .png, .svg or .pdf.", rich_help_panel=OUTPUT)
]


# words of the shell ---------------------------------------------------------------------------------------------------


def flag(name: str) -> str:
    """Return a parameter as the option of a shell: --example-input."""
    return "--" + name.replace("_", "-")


def shell_wording(reference: Reference) -> str:
    """Return what the shell calls a parameter: --input-size, --global-ops skip, --unknown flip=pointwise."""
    if isinstance(reference, FactoryArguments):
        return " ".join(f"--arg {name}=…" for name in reference.names)
    option, value = flag(reference.name), reference.value
    if isinstance(value, Mapping):
        return " ".join(f"{option} {key}={given}" for key, given in value.items())
    return " ".join(word for word in (option, reference.key, value) if word is not None)


# texts of the shell ---------------------------------------------------------------------------------------------------


def numbers(text: str) -> list[int] | None:
    """Return the whole numbers of a text such as 480x640 or 7,7; None where it is something else."""
    parts = re.split(r"\s*[x×,]\s*", text.strip().strip("()[]"))
    return [int(p) for p in parts] if all(re.fullmatch(r"[+-]?\d{1,19}", p) for p in parts) else None


def pixels(
    text: str | None, argument: Parameter = INPUT_SIZE, example: str = "224 or 480x640"
) -> int | list[int] | None:
    """Return the text of --input-size, or of another option, as pixels: of all axes, or of each."""
    if text is None:
        return None
    size = numbers(text)
    if size is None:
        raise InputError(argument=argument, value=text, remedy=f"give pixels per axis, such as {example}")
    return size[0] if len(size) == 1 else size


def size_of(net: Network, text: str | None, finite: bool) -> int | list[int] | None:
    """Return the pixels that --input-size or --finite ask for, or None."""
    if finite and text is not None:
        raise InputError("uses the size that the network carries", argument="--finite", remedy="leave --input-size out")
    if finite:
        if net.input_size is None:
            raise InputError(f"{net.name} carries no input_size", remedy=("give ", INPUT_SIZE)).within("--finite")
        return list(net.input_size)
    return pixels(text)


def entry_of(text: str) -> Any:
    """Return the text of --entry as the engine takes it."""
    if text in ("center", "centre"):
        return "center"
    entry = numbers(text)
    if entry is None:
        raise InputError(
            argument="--entry", value=text, remedy="give center, or one whole number per axis, such as 7,7"
        )
    return entry


def global_ops_of(text: str) -> Literal["include", "skip"]:
    """Return the text of --global-ops as the engine takes it."""
    if text not in ("include", "skip"):
        raise InputError(argument="--global-ops", value=text, remedy="give include or skip")
    return "skip" if text == "skip" else "include"


def fold_of(text: str | None) -> int | None:
    """Return the text of --depth as tables take it: parts of names, 0 for what fits a screen, None for every layer."""
    if text is None:
        return 0
    if text == "all":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise InputError(argument="--depth", value=text, remedy="give a whole number from 1 on, or all")
    return int(text)


def how_many(text: str, option: str) -> int | None:
    """Return a text such as that of --k as a number from 1 on; None for `all`."""
    if text == "all":
        return None
    if not text.isdecimal() or not 1 <= int(text) < 1 << 31:
        raise InputError(argument=option, value=text, remedy="give a whole number from 1 on, or all")
    return int(text)


def layers_of(net: Network, text: str | None) -> list[str] | None:
    """Return names with commas between as layers; the name of a module is all that it returns."""
    if text is None:
        return None
    from rfscale.engine.network.modules import module_layers

    return [layer for name in text.split(",") if name.strip() for layer in module_layers(net, name.strip())]


# files ---------------------------------------------------------------------------------------------------------------


def check_targets(out: Path | None, plot: Path | None) -> None:
    """Refuse files that could not be written, before anything is computed."""
    from rfscale.engine.files import DATA, PICTURES, check_target

    check_target(out, DATA, "--out")
    check_target(plot, PICTURES, "--plot")


def write_data(data: xr.Dataset | xr.DataArray | Columns, out: Path | None) -> list[str]:
    """Write --out where it is given; return the names of the files."""
    if out is None:
        return []
    from rfscale.engine.columns import Columns
    from rfscale.sweeps.report.datasets import write

    write(data.dataset() if isinstance(data, Columns) else data, out)
    return [str(out)]


def fields_of(files: Sequence[Path] | None) -> list[Any] | None:
    """The fields of files that the verb field has written."""
    if not files:
        return None
    import xarray as xr

    found = []
    for path in files:
        try:
            found.append(xr.load_dataset(path))
        except (OSError, ValueError) as error:
            raise InputError(f"is no file of rfscale field: {error}", argument="--fields", value=str(path)) from None
    return found
