"""Explore: one page that shows a network, or a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from rfscale.engine.analysis.explore.document import explorer_document
from rfscale.engine.footprints.plan import GlobalOps
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.sweeps.answers.question import Where
from rfscale.sweeps.explorer.space_document import space_document
from rfscale.sweeps.report.page.page import Page, is_photo, photo_url
from rfscale.sweeps.spaces.space import Space


def explore(
    model: NetworkLike | Space,
    objects: Any = None,
    *,
    resize: str | None = None,
    photo: str | Path | None = None,
    input_size: int | Sequence[int] | None = None,
    more_sizes: Sequence[int | Sequence[int]] = (),
    global_ops: GlobalOps = "include",
    source: Mapping[str, Any] | None = None,
    objectives: Sequence[str] = (),
    where: Where = None,
    **reading: Unpack[Reading],
) -> Page:
    """Return a page that shows what a network sees: outputs, findings, footprints, objects, tiles, all figures.

    Of a space the page has the Pareto front and the distributions of figures, by factor; a click opens a network.

    Parameters
    ----------
    model : Network, Space, or what `load` takes
    objects : path, array, xr.Dataset or None
        Annotated objects, as for `match`; None: COCO val2017. Only networks of two axes have them.
    resize : str, optional
        What training does to the images of the objects, such as "letterbox=640"; by default the page offers some rules.
    photo : path, optional
        A picture, .png, .jpg, .webp or .gif, that the page shows under the footprints, stretched to the input size.
        `image` may name it, too, whose other values are names of a model's inputs.
    input_size : int or sequence of int, optional
        Pixels per axis; by default the network's own, or a usual size that it takes.
    more_sizes : sequence of (int or sequence of int)
        Further sizes that the page offers; by default a smaller and a larger one.
    global_ops : {"include", "skip"}
        "skip" leaves branches with a global receptive field, such as squeeze-and-excitation, out of merges.
    source : mapping, optional
        Further arguments of `object_sizes`: format, images, image_size, split, crowd, categories.
    objectives : sequence of str
        Of a space: two objectives of the Pareto front, as for `pareto`; by default "macs" or "params" where channels
        are known, else "-jump", and "-extent".
    where : str, optional
        Of a space: a condition, as for `pareto`.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    Page
        Shows itself in a notebook; `save` writes one file without requests, which any browser opens.

    Raises
    ------
    InputError
        For what is no network, an input size that it does not take, and a photo or objects that cannot be read.

    Examples
    --------
    >>> import rfscale as rf
    >>> explore(rf.load("dilated5"))
    <Page of network dilated5; save('page.html') writes it>
    """
    given_as = "photo"
    if photo is None and is_photo(reading.get("image")):
        photo, given_as = reading.pop("image"), "image"
    picture = None if photo is None else photo_url(photo, given_as)
    if isinstance(model, Space):
        return Page(space_document(model, objectives, where))
    document = explorer_document(
        model,
        objects,
        resize=resize,
        input_size=input_size,
        more_sizes=more_sizes,
        global_ops=global_ops,
        source=source,
        **reading,
    )
    return Page(document, picture)
