"""The table of Keras layers that the handlers fill, and what a handler gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Tracked


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes
    ----------
    kind : str
        Class of the layer.
    config : mapping
        Its configuration, as the file has it.
    inputs : list
        Values of the tensors that it is called with, in order: Tracked, Constant or Unknown.
    numbers : list
        What else it is called with by position.
    options : mapping
        What else it is called with by name.
    named : mapping
        Which of the inputs are given by the name of a parameter.
    arguments : list
        What it is called with by position, in order: values of tensors, or as the file has it.
    """

    kind: str
    config: Mapping[str, Any]
    inputs: list[Any]
    numbers: list[Any] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)
    arguments: list[Any] = field(default_factory=list)

    @property
    def x(self) -> Tracked:
        """The tensor of a layer that is called with one.

        Raises
        ------
        UnreadableError
            Where that is none that depends on the image.
        """
        if not self.inputs or not isinstance(self.inputs[0], Tracked):
            raise UnreadableError("its first input does not depend on the image")
        return self.inputs[0]

    def argument(self, name: str, position: int) -> Any:
        """A tensor by its name or position, also one that the configuration holds; None where none is given."""
        if name in self.named:
            return self.inputs[self.named[name]]
        given = self.arguments or [v for i, v in enumerate(self.inputs) if i not in self.named.values()]
        value = given[position] if position < len(given) else self.options.get(name)
        return value if isinstance(value, Tracked | Constant) else constant(value)

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the configuration; the default where it is not there or null."""
        value = self.config.get(key)
        return default if value is None else value

    @property
    def channels_first(self) -> bool:
        """Whether channels come before the pixels."""
        return self.get("data_format", "channels_last") == "channels_first"


def constant(value: Any) -> Constant | None:
    """An array that a configuration holds; None for anything else."""
    if not isinstance(value, Mapping) or value.get("class_name") not in ("__numpy__", "__tensor__"):
        return None
    array = np.asarray(value["config"]["value"])
    return Constant(array.shape, array)


Handler: TypeAlias = Callable[..., Any]
KERAS: dict[str, Handler] = {}


def keras(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under the names of layers."""

    def register(handler: Handler) -> Handler:
        KERAS.update(dict.fromkeys(names, handler))
        return handler

    return register


def per_axis(value: Any, rank: int) -> list[int]:
    """One whole number per axis, from one number or a list; anything else cannot be read."""
    values = list(value) if isinstance(value, list | tuple) else [value] * rank
    if len(values) != rank or not all(type(v) is int for v in values):
        raise UnreadableError(f"{value!r} is not one whole number for each of {rank} axes")
    return values
