"""The ways in for a text: one table, in which each kind of file or name has its reader.

A door knows which texts are its own, and how the network is read. Libraries are imported in the function that reads.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, Parameter, nearest, shown
from rfscale.engine.network.network import Network
from rfscale.engine.readers.objects import model_network
from rfscale.engine.readers.quiet import quiet

Size = int | Sequence[int] | None
Read = Callable[[str, Mapping[str, Any], Mapping[str, Any], Size], Network]

SPEC_SUFFIXES = (".yaml", ".yml", ".json")
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
WEIGHT_SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".bin", ".safetensors", ".tflite", ".pb", ".weights", ".torchscript")
LIBRARIES = ("timm", "torchvision", "smp", "hf", "ultralytics")  # of names such as timm:resnet50d
_HEAD = 4096  # bytes of a file in which it says what it is


@dataclass(frozen=True)
class Door:
    """One kind of text that stands for a network.

    Attributes
    ----------
    kind : str
    opens : callable
        Whether a text is of this kind.
    read : callable
        Returns the network of a text, the arguments of what makes it, the options of the reader, and a size.
    what : str
        For messages: "a file", "a model already".
    takes_arguments : bool
        It makes its network with arguments of the user.
    is_model : bool
        The options of the readers of models go with it.
    needs_trust : bool
        It may run code that the file holds, and then wants `trust`.
    make : callable, optional
        Returns the model itself, with the values of its weights, of a text, the arguments and the options.
    """

    kind: str
    opens: Callable[[str], bool]
    read: Read
    what: str = "a model already and takes no arguments"
    takes_arguments: bool = False
    is_model: bool = True
    needs_trust: bool = False
    make: Callable[[str, Mapping[str, Any], Mapping[str, Any]], Any] | None = None


# the doors -----------------------------------------------------------------------------------------------------------


def _read_zoo(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.zoo.registry import build

    try:
        return build(text, **args)
    except InputError as error:
        raise error.settled() from None


def _read_spec(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    try:
        return Network.from_file(text)
    except InputError as error:
        raise error.settled() from None


def _read_onnx(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.objects import onnx_options
    from rfscale.engine.readers.onnx.reader import read_onnx

    return read_onnx(text, **onnx_options(reading, size))


def _read_program(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    """A .pt2 file of torch.export.save, which is of one size."""
    from rfscale.engine.readers.torch.program.program_file import load_program

    for key in ("example_input", "input_size"):
        if key in reading:
            remedy = ("leave ", Parameter(key), " out")
            raise InputError(f"{text} is of the size that it was exported with", remedy=remedy)
    options = dict(reading)
    program = load_program(text, trust=options.pop("trust", False))
    inputs = program.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name in inputs]
    if any(not isinstance(n, int) for shape in shapes for n in shape):
        raise InputError(f"{text} leaves the sizes of its input open; export it without dynamic_shapes")
    return model_network(program, {"name": Path(text).stem, **options})


def _read_script(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.torch.script_file import load_script

    options = dict(reading)
    module = load_script(text, trust=options.pop("trust", False))
    return model_network(module, {"name": Path(text).stem, **options}, size)


def _read_keras(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.keras.reader import read_keras

    return read_keras(text, **{"input_size": size, **reading})


def _read_darknet(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.darknet.reader import read_darknet

    return read_darknet(text, **{"input_size": size, **reading})


def _read_name(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.names.library_names import named_model
    from rfscale.engine.readers.names.made import read_made

    name, part = _split_part(text)
    options = {"name": name.partition(":")[2] + part, **reading}

    def part_of(model: Any) -> Any:
        return _part_of(model, part, text)

    return read_made(named_model(name, args), lambda: named_model(name, args, on_meta=False), part_of, options, size)


def _read_ultralytics(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.names.library_names import ultralytics_model
    from rfscale.engine.readers.names.made import read_made

    def make(on_meta: bool = False) -> Any:
        return ultralytics_model(text, args, on_meta=on_meta)

    return read_made(make(True), make, lambda model: model, {"name": Path(text).stem, **reading}, size)


def _read_python(text: str, args: Mapping[str, Any], reading: Mapping[str, Any], size: Size) -> Network:
    from rfscale.engine.readers.names.made import made_network

    name, part = _split_part(text)
    return made_network(name, args, reading, size, part=lambda model: _part_of(model, part, text), label=part)


def _make_python(text: str, args: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    from rfscale.engine.readers.names.made import made_object

    name, part = _split_part(text)
    return _part_of(made_object(name, args), part, text)


def _make_name(text: str, args: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    from rfscale.engine.readers.names.library_names import named_model

    name, part = _split_part(text)
    return _part_of(named_model(name, args, on_meta=False), part, text)


def _make_ultralytics(text: str, args: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    from rfscale.engine.readers.names.library_names import ultralytics_model

    return ultralytics_model(text, args, on_meta=False)


def _make_script(text: str, args: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    from rfscale.engine.readers.torch.script_file import load_script

    return load_script(text, trust=bool(reading.get("trust")))


def _split_part(text: str) -> tuple[str, str]:
    """What makes a model, and the path of the module in it that is meant: module:factory and #backbone."""
    name, sign, part = text.partition("#")
    return name, sign + part


def _part_of(model: Any, part: str, text: str) -> Any:
    """The module of a model that a path names; the model itself without one."""
    path = part.removeprefix("#")
    if not part:
        return model
    names = [name for name, _ in model.named_modules() if name] if hasattr(model, "named_modules") else []
    if path not in names:
        close = nearest(path, names) if names else "it has no parts with names"
        raise InputError(f"{text}: the model has no module {shown(path)}; {close}")
    return model.get_submodule(path)


def _is_zoo(text: str) -> bool:
    from rfscale.engine.zoo.registry import NETWORKS

    return text in NETWORKS


def _has_suffix(*suffixes: str) -> Callable[[str], bool]:
    return lambda text: Path(text).suffix.lower() in suffixes


def _head(text: str) -> str:
    """The first characters of a file, where there is one."""
    try:
        with open(text, encoding="utf-8", errors="replace") as file:
            return file.read(_HEAD) if Path(text).is_file() else ""
    except OSError:
        return ""


def _is_keras(text: str) -> bool:
    if Path(text).suffix.lower() in KERAS_SUFFIXES:
        return True
    return text.endswith(".json") and re.match(r'\s*\{\s*"(class_name|module)"\s*:', _head(text)) is not None


def _is_ultralytics(text: str) -> bool:
    head = _head(text) if text.lower().endswith((".yaml", ".yml")) else ""
    return re.search(r"^backbone\s*:", head, re.M) is not None


def _is_script(text: str) -> bool:
    """Whether a file is a TorchScript archive: it has code beside its weights, whatever its name."""
    if not text.lower().endswith((*WEIGHT_SUFFIXES, ".ts", ".jit", ".zip")) or not Path(text).is_file():
        return False
    try:
        with zipfile.ZipFile(text) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    parts = {name.partition("/")[2] for name in names}
    return "constants.pkl" in parts and any(part.startswith("code/") for part in parts)


def _is_spec(text: str) -> bool:
    suffix = Path(text).suffix.lower()
    return suffix in SPEC_SUFFIXES or (suffix not in (".py", *WEIGHT_SUFFIXES) and Path(text).is_file())


def _is_library_name(text: str) -> bool:
    """Whether a text is a library's name of a model; timm:create_model is Python code, for timm has such a function."""
    library, sign, name = text.partition(":")
    if library not in LIBRARIES or not sign:
        return False
    if library == "hf" or not name.partition("#")[0].isidentifier():
        return True
    from rfscale.engine.readers.names.python import find

    try:
        with quiet():
            find(text.partition("#")[0])
    except InputError:
        return True
    return False


DOORS: tuple[Door, ...] = (  # the first that opens
    Door("zoo", _is_zoo, _read_zoo, "a network of the zoo", takes_arguments=True, is_model=False),
    Door("name", _is_library_name, _read_name, takes_arguments=True, make=_make_name),
    Door("onnx", _has_suffix(".onnx"), _read_onnx),
    Door("program", _has_suffix(".pt2"), _read_program, needs_trust=True),
    Door("script", _is_script, _read_script, needs_trust=True, make=_make_script),
    Door("keras", _is_keras, _read_keras),
    Door("darknet", _has_suffix(".cfg"), _read_darknet),
    Door("ultralytics", _is_ultralytics, _read_ultralytics, takes_arguments=True, make=_make_ultralytics),
    Door("spec", _is_spec, _read_spec, "a file and takes no parameters", is_model=False),
    Door(
        "python",
        lambda text: ":" in text and not text.endswith(".py"),
        _read_python,
        takes_arguments=True,
        make=_make_python,
    ),
)


def door_of(text: str) -> Door:
    """Return the door of a text.

    Raises
    ------
    InputError
        For a text that names nothing, with the nearest name or what to write instead.
    """
    from rfscale.engine.zoo.registry import NETWORKS

    door = next((door for door in DOORS if door.opens(text)), None)
    suffix = Path(text).suffix.lower()
    if suffix in WEIGHT_SUFFIXES and (door is None or door.kind == "python"):
        raise InputError(
            f"{text} holds weights, not a graph that can be read; name the code that makes the model, "
            "package.module:factory, or export it to .onnx or, with torch.export.save, to .pt2"
        )
    if door is not None:
        return door
    if suffix == ".py":
        raise InputError(f"{text} is Python code; say what makes the model: {text}:NAME, a function or a class")
    package, dot, name = text.rpartition(".")
    if dot and text.replace(".", "").isidentifier():
        raise InputError(f"no network {shown(text)}; for what a Python module makes, write {package}:{name}")
    close = nearest(text, NETWORKS)
    raise InputError(
        f"no network {shown(text)}; {close}{'' if close.endswith('?') else ' in the zoo.'} Or give a .yaml, .json, "
        ".onnx, .pt2, .keras or .cfg file, a name such as timm:resnet50d, or package.module:factory"
    )
