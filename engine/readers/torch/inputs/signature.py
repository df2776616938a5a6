"""The parameters of a module's forward: which argument an input is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IMAGE_NAMES = ("pixel_values", "image", "images", "img", "imgs", "x", "inputs", "input", "input_values")
_TEXT_NAMES = ("input_ids", "token_ids", "tokens", "ids", "idx")
_VIDEO_NAMES = ("pixel_values_videos", "video", "videos", "clip", "clips", "frames")


@dataclass(frozen=True)
class Signature:
    """The parameters of a forward.

    Attributes
    ----------
    owner : str
        Class of the module.
    positional, keyword_only, required : tuple of str
        Names of parameters.
    takes_more, takes_any_name : bool
        It has ``*args``, ``**kwargs``.
    wants_images : bool
        Its first parameter is a list of images, as that of torchvision's detectors.
    """

    owner: str
    positional: tuple[str, ...] = ()
    keyword_only: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    takes_more: bool = True
    takes_any_name: bool = True
    wants_images: bool = False

    @property
    def wants_text(self) -> bool:
        """Whether numbers of words are its first argument, and no image an argument of its own."""
        return self.positional[:1] != () and self.positional[0] in _TEXT_NAMES and self.keyword_of_image(None) is None

    @property
    def wants_video(self) -> bool:
        """Whether its first argument has the name of a clip of images."""
        return self.positional[:1] != () and self.positional[0] in _VIDEO_NAMES

    def keyword_of_image(self, image: str | None) -> str | None:
        """Name under which the image is to be given; None where it is the first argument."""
        names = (*self.positional, *self.keyword_only)
        if image is not None and (image in names or self.takes_any_name):
            return None if self.positional[:1] == (image,) else image
        if self.positional:
            first = self.positional[0]
            others = [n for n in ("pixel_values", "input_values") if n in names]
            return others[0] if others and first not in IMAGE_NAMES else None
        if self.takes_more or not names:
            return None
        needed = [n for n in self.keyword_only if n in self.required]
        return next((n for n in IMAGE_NAMES if n in names), needed[0] if needed else self.keyword_only[0])

    def bound(self, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments from what a user gives: a dict of names, a list of arguments, or one."""
        if isinstance(given, Mapping):
            names = {*self.positional, *self.keyword_only}
            by_name = all(isinstance(key, str) for key in given) and bool(given)
            if by_name and (names.issuperset(given) or (self.takes_any_name and not self.positional)):
                return (), dict(given)
            if by_name and self.takes_any_name and names.intersection(given):
                return (), dict(given)
            return (given,), {}
        if isinstance(given, list | tuple):
            more = len(given) > len(self.positional) and not self.takes_more
            if self.wants_images and not isinstance(given[0], list | tuple):
                return (list(given),), {}
            return ((given,), {}) if more else (tuple(given), {})
        keyword = self.keyword_of_image(None)
        return ((), {keyword: given}) if keyword else ((given,), {})

    def names_of(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """Names of the arguments given."""
        return [*self.positional[: len(args)], *kwargs]

    def lacking(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """Names of parameters without a default that are not given."""
        given = self.names_of(args, kwargs)
        return [name for name in self.required if name not in given]


def signature_of(module: Any) -> Signature:
    """Return the parameters of a module's forward; of one that cannot be asked, one that takes anything."""
    owner = type(module).__name__
    forward = getattr(module, "forward", module)
    if hasattr(module, "_c") and hasattr(module, "original_name"):  # TorchScript: its schema, self left out
        return _of_schema(module)
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return Signature(owner)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return Signature(
        owner,
        tuple(p.name for p in positional),
        tuple(p.name for p in keyword),
        tuple(p.name for p in (*positional, *keyword) if p.default is p.empty),
        any(p.kind is p.VAR_POSITIONAL for p in parameters),
        any(p.kind is p.VAR_KEYWORD for p in parameters),
        bool(positional) and _is_list(positional[0].annotation),
    )


def _is_list(annotation: Any) -> bool:
    """Whether an annotation says: a list of tensors."""
    text = annotation if isinstance(annotation, str) else str(annotation)
    return "Tensor" in text and text.partition("[")[0].rpartition(".")[2].lower() in ("list", "sequence")


def _of_schema(module: Any) -> Signature:
    try:
        arguments = module.forward.schema.arguments[1:]
    except (AttributeError, RuntimeError):
        return Signature(module.original_name)
    needed = tuple(a.name for a in arguments if not a.has_default_value())
    names = tuple(a.name for a in arguments)
    wants = bool(arguments) and str(arguments[0].type) == "List[Tensor]"
    return Signature(module.original_name, names, (), needed, False, False, wants)
