"""What is surveyed: a model by its name, and how it is made, called and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Made(NamedTuple):
    """A model that was made, and the image that it takes.

    Attributes
    ----------
    module : object
    shape : tuple of int
        Of the image, with batch and channels.
    small : tuple of shapes
        Smaller images, which the judges try first.
    inputs : callable, optional
        Returns what the model is called with, by the names of its parameters, where that is more than the image.
    image : str
        The image among these.
    call : callable, optional
        ``call(module, image)``, where a model takes its image otherwise than by itself.
    fit : callable, optional
        ``fit(module, shape)`` lets a model that resizes its image take one of that shape as it is.
    smaller : callable, optional
        ``smaller(n)`` makes it for images of n by n pixels, where the model has a size of its own.
    numbers : int
        Of an image of whole numbers, such as colours of a table, how many there are.
    """

    module: Any
    shape: tuple[int, ...]
    small: tuple[tuple[int, ...], ...] = ()
    inputs: Callable[[], Mapping[str, Any]] | None = None
    image: str = ""
    call: Callable[[Any, Any], Any] | None = None
    fit: Callable[[Any, tuple[int, ...]], None] | None = None
    smaller: Callable[[int], Made] | None = None
    numbers: int = 0

    def run(self, module: Any, image: Any) -> Any:
        """Call the module on an image."""
        if self.fit is not None:
            self.fit(module, tuple(image.shape))
        if self.call is not None:
            return self.call(module, image)
        if self.inputs is None:
            return module(image)
        given = {key: _like(value, image) for key, value in self.inputs().items()}
        return module(**(given | {self.image: image}))

    def options(self, shape: tuple[int, ...] | None = None) -> dict[str, Any]:
        """What `rfscale.load` takes for the model, at a shape of its image."""
        if self.inputs is None:
            return {"example_input": shape or self.shape}
        return {"example_input": dict(self.inputs()), "image": self.image}


class Subject(NamedTuple):
    """A model to be surveyed.

    Attributes
    ----------
    name : str
        library:model
    family : str
        Of its library: the module that it is in, or the architecture.
    make : callable
        Makes it, without weights from elsewhere; on the meta device where torch has that as its default.
    """

    name: str
    family: str
    make: Callable[[], Made]


def _like(value: Any, image: Any) -> Any:
    """A tensor of what else a model takes, in the image's device and its kind of numbers."""
    if not hasattr(value, "is_floating_point"):
        return value
    return value.to(image.device, image.dtype if value.is_floating_point() else value.dtype)


def squares(channels: int, *sizes: int) -> tuple[tuple[int, ...], ...]:
    """Shapes of square images."""
    return tuple((1, channels, n, n) for n in sizes)
