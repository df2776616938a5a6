"""Models that libraries know by name, timm:resnet50d, or by a file: made without weights, never downloaded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.files import read_mapping
from rfscale.engine.readers.names.python import call, find

_PLAIN = re.compile(r"[\w.\-+]+")  # a name: no path, no address, no hub
_ACTIVATION = re.compile(r"(torch\.)?nn\.\w+\((\w+ *= *)?[\w.]*\)")
_TASKS = {
    "detect": "DetectionModel", "segment": "SegmentationModel", "classify": "ClassificationModel", "pose": "PoseModel",
    "obb": "OBBModel", "semantic": "SemanticModel", "depth": "DepthModel",
}  # fmt: skip
_HEADS = {"RTDETRDecoder": "RTDETRDetectionModel", "WorldDetect": "WorldModel", "YOLOEDetect": "YOLOEModel",
          "YOLOESegment": "YOLOESegModel"}  # fmt: skip


def named_model(text: str, args: Mapping[str, Any], *, on_meta: bool = True) -> Any:
    """Return the model that a library makes for a name.

    Parameters
    ----------
    text : str
        timm:NAME, torchvision:NAME, smp:NAME, ultralytics:NAME, or hf:FOLDER of a configuration on this machine.
    args : mapping
        Further arguments of what makes it.
    on_meta : bool
        Without memory for weights, where its code allows that.

    Raises
    ------
    InputError
        One line: what to install, the nearest name, or what the library raised.
    """
    library, _, name = text.partition(":")
    if library != "hf" and not _PLAIN.fullmatch(name):
        raise InputError(f"{text}: {shown(name)} is no name of a model; nothing is downloaded")
    return _LIBRARIES[library](text, name, args, on_meta)


def _timm(text: str, name: str, args: Mapping[str, Any], on_meta: bool) -> Any:
    create = find("timm:create_model")
    known = find("timm:list_models")()
    if name.partition(".")[0] not in known:
        raise InputError(f"timm has no model {shown(name)}; {nearest(name, known)}")
    return call(text, create, {**args, "model_name": name, "pretrained": False}, on_meta=on_meta)


def _torchvision(text: str, name: str, args: Mapping[str, Any], on_meta: bool) -> Any:
    known = find("torchvision.models:list_models")()
    if name not in known:
        raise InputError(f"torchvision has no model {shown(name)}; {nearest(name, known)}")
    builder = find("torchvision.models:get_model_builder")(name)
    takes = inspect.signature(builder).parameters
    none = {key: None for key in ("weights", "weights_backbone") if key in takes}
    return call(text, builder, {**args, **none}, on_meta=on_meta)


def _smp(text: str, name: str, args: Mapping[str, Any], on_meta: bool) -> Any:
    return call(text, find(f"segmentation_models_pytorch:{name}"), {**args, "encoder_weights": None}, on_meta=on_meta)


def _ultralytics(text: str, name: str, args: Mapping[str, Any], on_meta: bool) -> Any:
    tasks = _tasks()
    root = Path(tasks.__file__).parents[1] / "cfg" / "models"
    files = {path.stem: path for path in root.rglob("*.yaml")}
    stem = name.removesuffix(".yaml")
    plain = re.sub(r"(\d+)([nslmx])(.+)?$", r"\1\3", stem)  # yolov8x is yolov8 of scale x
    if stem not in files and plain not in files:
        raise InputError(f"ultralytics has no model {shown(stem)}; {nearest(plain, files)}")
    return _yolo(text, files[plain if stem not in files else stem].with_stem(stem), args, on_meta)


def _tasks() -> Any:
    """The module of that package that makes models."""
    return inspect.getmodule(find("ultralytics.nn.tasks:parse_model"))


def ultralytics_model(path: str, args: Mapping[str, Any], *, on_meta: bool = True) -> Any:
    """Return the model of a YAML file of Ultralytics, which names classes of that package and of torch.nn alone."""
    return _yolo(path, Path(path), args, on_meta)


def _yolo(text: str, path: Path, args: Mapping[str, Any], on_meta: bool) -> Any:
    """The model of a YAML file; one that names a scale in its name need not be there, as that package has it."""
    tasks = _tasks()
    plain = path.with_stem(re.sub(r"(\d+)([nslmx])(.+)?$", r"\1\3", path.stem))
    config = dict(read_mapping(path if path.is_file() else plain))
    activation = config.get("activation")
    if activation and not _ACTIVATION.fullmatch(str(activation)):  # that package evaluates it
        raise InputError(
            f"{text}: its activation is {shown(activation)}; it must be one of torch.nn, such as nn.ReLU()"
        )
    config["scale"] = config.get("scale") or tasks.guess_model_scale(path)
    config["yaml_file"] = str(path)
    try:
        head = str(config["head"][-1][-2])
    except (KeyError, IndexError, TypeError):
        raise InputError(f"{text} is no model of Ultralytics: its head has no layers") from None
    kind = _HEADS.get(head) or _TASKS.get(tasks.guess_model_task(config) or "detect", "DetectionModel")
    if not hasattr(tasks, kind):
        raise InputError(f"{text} needs {kind}, which the installed version of ultralytics lacks")
    return call(text, getattr(tasks, kind), {**args, "cfg": config, "verbose": False}, on_meta=on_meta)


def _hf(text: str, name: str, args: Mapping[str, Any], on_meta: bool) -> Any:
    """A model of transformers by its configuration: a folder with a config.json, or that file."""
    path = Path(name)
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            f"{text}: there is no {'config.json in it' if path.is_dir() else 'such folder or file'}; give one of this "
            "machine, for nothing is downloaded"
        )
    auto = find("transformers:AutoConfig")
    with _offline():
        config = call(text, lambda: auto.from_pretrained(str(file), trust_remote_code=False), {})
        _without_weights(config)
        kind = _class_of(config)
        made = call(text, lambda **given: kind(config, **given), args, on_meta=on_meta)
    return made


def _class_of(config: Any) -> Callable[..., Any]:
    """The class that a configuration names, if it is one of the library; else its plain model."""
    known = find("transformers:PreTrainedModel")
    for name in getattr(config, "architectures", None) or ():
        with suppress(InputError):
            found = find(f"transformers:{name}")
            if isinstance(found, type) and issubclass(found, known):
                return found
    auto = find("transformers:AutoModel")
    return lambda config, **given: auto.from_config(config, trust_remote_code=False, **given)


def _without_weights(config: Any) -> None:
    """Let no part of a configuration ask for weights of its own."""
    todo = [config]
    while todo:
        part = todo.pop()
        for key, value in list(vars(part).items()):
            if key == "use_pretrained_backbone":
                part.use_pretrained_backbone = False
            elif hasattr(value, "to_dict"):
                todo.append(value)


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the library of the hub from asking the network."""
    constants: Any = import_module("huggingface_hub.constants")

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


_LIBRARIES: dict[str, Callable[[str, str, Mapping[str, Any], bool], Any]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "smp": _smp,
    "ultralytics": _ultralytics,
    "hf": _hf,
}
