"""The argument NETWORK of a verb, and the options that say how a model is made and read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.quiet import quiet
from rfscale.sweeps.cli.options import numbers, pixels

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network

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
        from rfscale.engine.readers.load import WITHOUT_READER, kind_of, load_named
        from rfscale.sweeps.report.terminal import progress

        try:
            with progress(f"reading {self.text}"), quiet():
                return load_named(self.text, args, reading, size, flag)
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
