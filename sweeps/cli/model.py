"""The argument NETWORK of a verb, and the options that say how a model is made and read."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from rfscale.engine.errors import InputError, Parameter, shortened
from rfscale.engine.readers.options import READING_OPTIONS, ReadingOption, reader_parameters
from rfscale.engine.readers.quiet import quiet
from rfscale.sweeps.cli.help import READING
from rfscale.sweeps.cli.options import flag, numbers, pixels

if TYPE_CHECKING:
    from rfscale.engine.network.network import Network


@dataclass(frozen=True)
class Model:
    """What a user names on a shell, and how it is to be made and read. `load` gives the network."""

    text: str
    arg: list[str] | None = None
    example_input: list[str] | None = None
    unknown: list[str] | None = None
    axes: str | None = None
    image: str | None = None
    trust: bool = False

    def load(self, input_size: str | None = None) -> Network:
        """Return the network; models are read at `input_size`, the text of --input-size, where that is given."""
        args, reading, size = arguments(self.arg), self.reading(), pixels(input_size)
        from rfscale.engine.readers.load import load_named
        from rfscale.sweeps.report.progress import progress

        with progress(f"reading {self.text}"), quiet():
            network = load_named(self.text, args, reading, size)
        self._say_assumed(network)
        if network.left_out:
            self._say_left_out(network)
        return network

    def _say_assumed(self, network: Network) -> None:
        """Say on a line of stderr what the reader chose by itself, such as a size that a file leaves open."""
        if not network.assumed:  # most of the readers would be imported for nothing
            return
        from rfscale.engine.readers.tensors.unknowns import WORDS

        chosen = {what: how for what, how in network.assumed.items() if how not in WORDS and how[:1] not in "{["}
        if not chosen:
            return
        remedy = f"; {flag('input_size')} sets the size" if any(w.startswith("size of") for w in chosen) else ""
        listed = ", ".join(f"{what}: {how}" for what, how in chosen.items())
        print("rfscale:", shortened(f"{network.name} is read with {listed}{remedy}"), file=sys.stderr)

    def _say_left_out(self, network: Network) -> None:
        """Say on a line of stderr what a network that was read in part lacks."""
        from rfscale.engine.readers.load import kind_of
        from rfscale.engine.readers.tensors.finished import left_out_note

        remedy = "" if kind_of(self.text) == "spec" else f"; {flag('unknown')} says what to take them for, to go on"
        print("rfscale:", shortened(left_out_note(network) + remedy), file=sys.stderr)

    @property
    def given(self) -> list[str]:
        """Names of the options given that say how it is made or read."""
        return [name for name in (*READING_OPTIONS, "trust") if getattr(self, name)]

    def another(self, text: str, arg: list[str] | None) -> Model:
        """Return a second network of the same command: with arguments of its own; a model without has the first's."""
        from rfscale.engine.readers.doors import door_of

        door = door_of(text)
        arg = arg or (self.arg if door.is_model else None)
        return replace(self, text=text, arg=arg) if door.is_model else Model(text, arg)

    @property
    def options(self) -> dict[str, Any]:
        """The options given, as keyword parameters of a function that takes what `load` takes."""
        return self.reading() | ({"arguments": arguments(self.arg)} if self.arg else {})

    def reading(self) -> dict[str, Any]:
        """The options given, as parameters of a reader."""
        given: dict[str, Any] = {}
        if self.example_input:
            given["example_input"] = _shapes(self.example_input)
        if self.unknown:
            given["unknown"] = _unknown(self.unknown)
        if self.axes is not None:
            given["axes"] = _fitting("axes", self.axes, numbers(self.axes))
        if self.image is not None:
            given["image"] = self.image
        return reader_parameters(given) | ({"trust": True} if self.trust else {})


def _fitting(name: str, text: str, value: Any) -> Any:
    """The value that was read from the text of an option, checked."""
    option = READING_OPTIONS[name]
    if not option.fits(value):
        raise InputError(
            argument=Parameter(name), value=text, remedy=f"give {option.needs}, such as {option.shell_example}"
        )
    return value


NetworkArgument = Annotated[
    Model,
    typer.Argument(
        metavar="NETWORK",
        help="Built-in (see rfscale networks), your own file.py:factory or package.module:factory, of a library "
        "(timm:resnet50d), or a file (.onnx, .pt2, .keras, .yaml …); all forms: rfscale profile --help.",
    ),
]


NETWORK_FORMS = """\b
    What may stand for NETWORK, besides built-in names and files of rfscale:
      module:factory, file.py:factory    what Python code makes
      timm:resnet50d, torchvision:NAME,  models of libraries, by name
        smp:NAME, ultralytics:NAME
      NAME#backbone                      a part of a model, by its path
      model.onnx, program.pt2            exported models
      script.pt --trust                  TorchScript
      model.keras, model.h5, model.json  models of Keras, their configuration
      yolov8n.yaml, yolov4.cfg           Ultralytics, Darknet
      hf:FOLDER                          a config.json of transformers
"""  # in the place of this name in a docstring, line by line


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
    for name, option in READING_OPTIONS.items():
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_hint(name, option))
        )

    parameters.append(inspect.Parameter("trust", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_TRUST))
    signature = inspect.Signature(parameters)

    def run(*args: Any, **options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        given = bound.arguments
        reading = {name: given.pop(name) for name in (*READING_OPTIONS, "trust")}
        text = given.pop(model)
        if text is None:
            _refuse(reading)
        verb(**given, **{model: None if text is None else Model(text, **reading)})

    run.__name__, run.__module__ = verb.__name__, verb.__module__
    run.__doc__ = (verb.__doc__ or "").replace("NETWORK_FORMS", NETWORK_FORMS.strip())
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


_TRUST = Annotated[
    bool,
    typer.Option("--trust", help="Load a .pt2 or TorchScript file that may run code.", rich_help_panel=READING),
]


def _hint(name: str, option: ReadingOption) -> Any:
    """The type of an option as typer takes it."""
    flags = (flag(name), "--param") if name == "arg" else (flag(name),)
    kind = list[str] | None if option.repeatable else str | None
    return Annotated[kind, typer.Option(*flags, metavar=option.metavar, help=option.help, rich_help_panel=READING)]


def _refuse(reading: dict[str, Any]) -> None:
    """Refuse options of a network where there is none."""
    for name, value in reading.items():
        if value:
            text = value[0] if isinstance(value, list) else value if isinstance(value, str) else None
            raise InputError((Parameter(name, text), " goes with a network"), remedy="give its name")


# texts of the shell --------------------------------------------------------------------------------------------------


def arguments(given: list[str] | None) -> dict[str, Any]:
    """Return `key=value` texts as a dict; values are read as YAML: 3, [6, 12, 18], none."""
    args: dict[str, Any] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise InputError(argument="--arg", value=text, remedy="write key=value, such as input_size=512")
        if key in args:
            raise InputError("is given twice", argument=f"--arg {key}")
        args[key] = _value(value, f"--arg {key}")
    return args


def _value(text: str, option: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return float(text) if re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", text) else _yaml(text)  # YAML wants a point: 1.e-6
    except ValueError:
        raise InputError(argument=option, value=text, remedy="write a number, a text or a [list]") from None


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except MemoryError:
        raise
    except Exception as error:  # a scalar that is not what its tag says raises whatever comes of it
        raise ValueError from error


def _shapes(texts: list[str]) -> Any:
    """What --example-input says: one shape, one for each argument in order, or NAME=SHAPE for each by name."""
    named = [text.partition("=") for text in texts]
    if all(equals and name.strip().isidentifier() for name, equals, _ in named):
        return {name.strip(): _fitting("example_input", text, numbers(text)) for name, _, text in named}
    shapes = [_fitting("example_input", text, numbers(text)) for text in texts]
    return shapes[0] if len(shapes) == 1 else shapes


def _unknown(texts: list[str]) -> str | dict[str, Any]:
    """What --unknown says of all operators, or of each that is named."""
    words = ("pointwise", "everything")
    if texts[0] in words and len(texts) == 1:
        return texts[0]
    allowed: dict[str, Any] = {}
    for text in texts:
        op, equals, treatment = text.partition("=")
        if not equals or not op:
            _fitting("unknown", text, None)
        allowed[op] = treatment if treatment in words else _value(treatment, f"--unknown {op}")
    return allowed
