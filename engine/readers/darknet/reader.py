"""Darknet configurations in, networks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.readers.darknet.cfg_file import Section, sections_of
from rfscale.engine.readers.darknet.ops import DARKNET, OUTPUTS, Step, is_unknown, read_by
from rfscale.engine.readers.reading import is_number, row_of_numbers
from rfscale.engine.readers.tensors.calls import guarded
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.naming import Returned
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Unknown, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns

_SHORT = {"convolutional": "conv", "connected": "linear"}


def read_darknet(
    path: str,
    *,
    example_input: Any = None,
    input_size: int | Sequence[int] | None = None,
    name: str | None = None,
    unknown: str | Mapping[str, Any] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
) -> Network:
    """Return the network of a .cfg file of Darknet; its layers are named by kind and number, as routes count them.

    Parameters
    ----------
    path : str
    example_input : sequence of int, optional
        Shape of the image, batch and channels before its pixels; by default what the file says.
    input_size : int or sequence of int, optional
        Height and width instead.
    name : str, optional
    unknown : {"pointwise", "everything"} or mapping, optional
        What to take sections for that are not known.
    axes, image
        Not for Darknet: an image has its channels first, and is the only input.

    Raises
    ------
    InputError
        For a file that is no configuration of Darknet, or every section that is not known.
    """
    for key, value in (("axes", axes), ("image", image)):
        if value is not None:
            raise InputError(f"{path} has one image, its channels first; leave {key} out")
    net, *sections = sections_of(path)
    shape = _shape(net, example_input, input_size, path)
    tracker, first, channels = image_tracker(shape)
    unknowns = Unknowns(unknown, "Darknet")
    values: list[Any] = []
    returned: list[Returned] = []
    for section in sections:
        tracker.path = f"{_SHORT.get(section.kind, section.kind)}{section.number}"
        step = Step(section, values, first, unknowns.assumed)
        value = _made(tracker, unknowns, step)
        values.append(value)
        if isinstance(value, Tracked) and value.layer >= 0:
            returned.append(Returned(tracker.path, 0, "", value.layer))
    name = name or Path(path).stem
    ends = [v for s, v in zip(sections, values, strict=True) if s.kind in OUTPUTS] or values[-1:]
    return finished(tracker, name, ends, channels, unknowns, returned)


def _made(tracker: Any, unknowns: Unknowns, step: Step) -> Any:
    section = step.section
    read: list[Any] = []
    try:
        read = read_by(step)
        if is_unknown(read):
            return Unknown(tuple(read))
        if not any(isinstance(v, Tracked) for v in read) and read:
            return Constant(read[0].shape)
        handler = DARKNET.get(section.kind)
        if handler is None:
            raise UnreadableError("")
        return guarded(handler, tracker, step)
    except UnreadableError as reason:
        tracker.shape = next((v.shape for v in read if isinstance(v, Tracked)), ())
        return unknowns.replace(tracker, section.kind, tracker.path, read, str(reason), False)


def _shape(net: Section, example: Any, size: int | Sequence[int] | None, path: str) -> tuple[int, ...]:
    """Shape of the image: as given, or as [net] says it."""
    try:
        own = [net.number_of("height", 416), net.number_of("width", 416)]
        channels = net.number_of("channels", 3)
    except UnreadableError as reason:
        raise InputError(f"{path}: section [net]: {reason}") from None
    if is_number(example):
        size, example = (int(example) if size is None else size), None
    if example is not None:
        row = row_of_numbers(example)
        if row is None or len(row) not in (3, 4):
            raise InputError(argument=EXAMPLE_INPUT, value=example, remedy="give a shape such as (1, 3, 416, 416)")
        channels, own = row[-3], list(row[-2:])
    if size is not None:
        sizes = [whole(n, INPUT_SIZE) for n in listed(size) or [size]]
        if len(sizes) > 2:
            raise InputError(argument=INPUT_SIZE, value=size, remedy="give one number, or height and width")
        own = sizes * 2 if len(sizes) == 1 else sizes
    if min(channels, *own) < 1:
        raise InputError(f"{path}: its image of {channels} channels, {own[0]}×{own[1]} pixels is empty")
    return (1, channels, *own)
