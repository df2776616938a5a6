"""What verbs share: their options, one type each, and how the texts of a shell are read.

`takes_network` gives a verb the argument NETWORK and the options that say how a model is made and read.
"""

from __future__ import annotations

import inspect
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from engine.errors import InputError, shown

if TYPE_CHECKING:
    import xarray as xr

    from engine.network import Network

InputSize = Annotated[
    str | None, typer.Option(metavar="HxW", help="Pixels of the image, 224 or 480x640: footprints end at its borders.")
]
Finite = Annotated[bool, typer.Option("--finite", help="As --input-size, with the size that the network carries.")]
Entry = Annotated[
    str, typer.Option(metavar="Y,X", help="Which entry of a map, with an input size: center, or whole numbers from 0.")
]
Globals = Annotated[
    str,
    typer.Option(
        metavar="include|skip",
        help="skip: leave branches that see the whole image out of merges, to look past squeeze-and-excitation.",
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the data to .nc, .zarr, .csv or .json.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a picture to .png or .svg.")]

READING: dict[str, Any] = {
    "arg": Annotated[
        list[str] | None,
        typer.Option(
            "--arg",
            "--param",
            metavar="KEY=VALUE",
            help="Argument of module:factory, or parameter of a network of the zoo; repeatable.",
        ),
    ],
    "example_input": Annotated[
        list[str] | None,
        typer.Option(
            "--example-input",
            metavar="SHAPE",
            help="Of models: shape of the image that they are read with, such as 1,1,512,512. By default 1,3 and "
            "--input-size (or 224,224), for .onnx what the file says. Repeat it for further inputs.",
        ),
    ],
    "unknown": Annotated[
        list[str] | None,
        typer.Option(
            "--unknown",
            metavar="AS|OP=AS",
            help="Of models: what to take operators for that rfscale does not know, all or OP (repeatable): "
            "pointwise, everything, or a layer such as '{kernel: 3}'.",
        ),
    ],
    "axes": Annotated[
        str | None,
        typer.Option("--axes", metavar="DIMS", help="Of models: spatial dims of the image, such as 1,2 for N,H,W,C."),
    ],
    "image": Annotated[
        str | None, typer.Option("--image", metavar="NAME", help="Of .onnx files: the input that is the image.")
    ],
}


WITHOUT_READER = {"zoo": "a network of the zoo", "spec": "a spec"}


@dataclass(frozen=True)
class Model:
    """What a user names on a shell, and how it is to be made and read. `load` gives the network."""

    text: str
    arg: list[str] | None = None
    example_input: list[str] | None = None
    unknown: list[str] | None = None
    axes: str | None = None
    image: str | None = None

    def load(self, input_size: str | None = None) -> Network:
        """Return the network; models are read at `input_size`, the text of --input-size, where that is given."""
        args, reading, size = arguments(self.arg), self._reading(), pixels(input_size)
        from engine.loading import kind_of

        try:
            return read_model(self.text, args, reading, size, flag)
        except InputError as error:
            # in a spec, or a builder of the zoo, input_size is a parameter of its own
            raise InputError(str(error) if kind_of(self.text) in WITHOUT_READER else _as_options(str(error))) from None

    @property
    def given(self) -> list[str]:
        """Options that say how it is made or read, as a shell has them."""
        return [flag(name) for name in READING if getattr(self, name)]

    def _reading(self) -> dict[str, Any]:
        """The options given, as parameters of a reader."""
        given: dict[str, Any] = {}
        if self.example_input:
            shapes = [_shape(text) for text in self.example_input]
            given["example_input"] = shapes[0] if len(shapes) == 1 else shapes
        if self.unknown:
            given["unknown"] = _unknown(self.unknown)
        if self.axes is not None:
            given["axes"] = numbers(self.axes)
            if not given["axes"]:
                raise InputError(f"--axes is {shown(self.axes)}; give the spatial dims, such as 2,3 or 1,2")
        if self.image is not None:
            given["image"] = self.image
        return given


def flag(name: str) -> str:
    """Return a parameter as the option of a shell: --example-input."""
    return "--" + name.replace("_", "-")


def read_model(
    text: str,
    args: Mapping[str, Any],
    reading: Mapping[str, Any],
    size: int | list[int] | None = None,
    called: Callable[[str], str] = str,
) -> Network:
    """Return the network that a text names: what `engine.loading.load_named` gives, read quietly and with a bar.

    Parameters
    ----------
    text, args, reading, size
        As there.
    called : callable
        What messages call a parameter of `reading`.
    """
    from engine.loading import kind_of, load_named
    from sweeps.tables import progress

    kind = kind_of(text)
    if reading and kind in WITHOUT_READER:
        raise InputError(f"{text} is {WITHOUT_READER[kind]}; {called(next(iter(reading)))} goes with models")
    with progress(f"reading {text}"), quiet():
        return load_named(text, args, reading, size)


NetworkArgument = Annotated[
    Model,
    typer.Argument(
        metavar="NETWORK",
        help="A name of the zoo (see rfscale networks), package.module:factory or file.py:factory of a PyTorch model, "
        "or an .onnx, .pt2 (torch.export), .yaml or .json file.",
    ),
]


def takes_network(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb with a parameter of type `Model` its argument, and the options that say how a model is read."""
    hints = get_type_hints(verb, include_extras=True)
    parameters = []
    for name, parameter in inspect.signature(verb).parameters.items():
        hint = hints[name]
        if get_origin(hint) is Annotated and get_args(hint)[0] in (Model, Model | None):
            model, text = name, str if parameter.default is parameter.empty else str | None
            hint = Annotated[text, *get_args(hint)[1:]]
        parameters.append(parameter.replace(annotation=hint))
    for name, hint in READING.items():
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint))

    signature = inspect.Signature(parameters)

    def run(*args: Any, **options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        given = bound.arguments
        reading = {name: given.pop(name) for name in READING}
        text = given.pop(model)
        if text is None:
            _refuse(reading)
        verb(**given, **{model: None if text is None else Model(text, **reading)})

    run.__name__, run.__doc__, run.__module__ = verb.__name__, verb.__doc__, verb.__module__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def _refuse(reading: dict[str, Any]) -> None:
    """Options of a network where there is none."""
    for name, value in reading.items():
        if value:
            said = value if isinstance(value, str) else value[0]
            raise InputError(f"{flag(name)} {said} goes with a network; give its name")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries and models print, warn and log away from the terminal; errors say what is to be said."""
    level, nowhere = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


# texts of the shell --------------------------------------------------------------------------------------------------


def arguments(given: list[str] | None) -> dict[str, Any]:
    """Return `key=value` texts as a dict; values are read as YAML: 3, [6, 12, 18], none."""
    args: dict[str, Any] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise InputError(f"--arg is {shown(text)}; write key=value, such as input_size=512")
        if key in args:
            raise InputError(f"--arg {key} is given twice")
        args[key] = _value(value, f"--arg {key}")
    return args


def _value(text: str, option: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return float(text) if re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", text) else _yaml(text)  # YAML wants a point: 1.e-6
    except ValueError:
        raise InputError(f"{option} is {shown(text)}; write a number, a text or a [list]") from None


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError from error


def numbers(text: str) -> list[int] | None:
    """Return the whole numbers of a text such as 480x640 or 7,7; None where it is something else."""
    parts = re.split(r"\s*[x×,]\s*", text.strip().strip("()[]"))
    return [int(p) for p in parts] if all(re.fullmatch(r"[+-]?\d{1,19}", p) for p in parts) else None


def _shape(text: str) -> tuple[int, ...]:
    shape = numbers(text)
    if shape is None or min(shape) < 1 or max(shape) >= 1 << 31:
        raise InputError(f"--example-input is {shown(text)}; give batch, channels and pixels, such as 1,3,224,224")
    return tuple(shape)


def _unknown(texts: list[str]) -> str | dict[str, Any]:
    words = ("pointwise", "everything")
    if texts[0] in words and len(texts) == 1:
        return texts[0]
    allowed: dict[str, Any] = {}
    for text in texts:
        op, equals, treatment = text.partition("=")
        if not equals or not op:
            raise InputError(
                f"--unknown is {shown(text)}; give pointwise or everything alone, or OP=pointwise, OP=everything, "
                "OP='{kernel: 3}' once for each operator"
            )
        allowed[op] = treatment if treatment in words else _value(treatment, f"--unknown {op}")
    return allowed


def _as_options(message: str) -> str:
    """A message of the engine with the options of the shell in the place of Python's parameters."""
    message, known, names = message.partition("; known: ")  # what follows are names of arguments
    message = re.sub(r"a mapping such as unknown=\{(['\"])(.+?)\1: '(\w+)'\}", r"one by one: --unknown \2=\3", message)
    message = re.sub(r"unknown\[(['\"])(.+?)\1\]", r"--unknown \2", message)
    message = re.sub(r"unknown='(\w+)'", r"--unknown \1", message)
    message = re.sub(r"(?<=give )\w+=…(, \w+=…)*", lambda m: "--arg " + m[0].replace(", ", " --arg "), message)
    message = re.sub(
        r"(?<![\w'-])(example_input|input_size)\b(?!=|')", lambda m: "--" + m[0].replace("_", "-"), message
    )
    return re.sub(r"(?<![\w'-])(axes|image|unknown)(?= (says|names|is) )", r"--\1", message) + known + names


def pixels(text: str | None) -> int | list[int] | None:
    """Return the text of --input-size as pixels: of all axes, or of each."""
    if text is None:
        return None
    size = numbers(text)
    if size is None:
        raise InputError(f"--input-size is {shown(text)}; give pixels per axis, such as 224 or 480x640")
    return size[0] if len(size) == 1 else size


def size_of(net: Network, text: str | None, finite: bool) -> int | list[int] | None:
    """Return the pixels that --input-size or --finite ask for, or None."""
    if finite and text is not None:
        raise InputError("--finite uses the network's own size; leave --input-size out, or --finite")
    if finite:
        if net.input_size is None:
            raise InputError(f"--finite: {net.name} carries no input_size; give --input-size")
        return list(net.input_size)
    return pixels(text)


def entry_of(text: str) -> Any:
    """Return the text of --entry as the engine takes it."""
    if text in ("center", "centre"):
        return "center"
    entry = numbers(text)
    if entry is None:
        raise InputError(f"--entry is {shown(text)}; give center, or one whole number per axis, such as 7,7")
    return entry


def globals_of(text: str) -> Literal["include", "skip"]:
    """Return the text of --globals as the engine takes it."""
    if text not in ("include", "skip"):
        raise InputError(f"--globals is {shown(text)}; give include or skip")
    return "skip" if text == "skip" else "include"


def fold_of(text: str | None) -> int | None:
    """Return the text of --depth as tables take it: parts of names, 0 for what fits a screen, None for every layer."""
    if text is None:
        return 0
    if text == "all":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise InputError(f"--depth is {shown(text)}; give a whole number from 1 on, or all")
    return int(text)


def layers_of(net: Network, text: str | None) -> list[str] | None:
    """Return names with commas between as layers; the name of a module is its last layer."""
    if text is None:
        return None
    from engine.modules import module_layer

    return [module_layer(net, name.strip()) for name in text.split(",") if name.strip()]


# files ---------------------------------------------------------------------------------------------------------------


def check_targets(out: Path | None, plot: Path | None) -> None:
    """Refuse files that could not be written, before anything is computed."""
    from sweeps.output import DATA, PICTURES, check_target

    check_target(out, DATA, "--out")
    check_target(plot, PICTURES, "--plot")


def write_data(data: xr.Dataset | xr.DataArray, out: Path | None) -> list[str]:
    """Write --out where it is given; return the names of the files."""
    if out is None:
        return []
    from sweeps.output import write

    write(data, out)
    return [str(out)]
