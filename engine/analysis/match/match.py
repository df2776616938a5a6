"""Match: the levels of a network set beside the sizes of the objects of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from rfscale.engine.analysis.match.entries_rule import match_by_entries
from rfscale.engine.analysis.match.own_resize import OwnResize, without_own_resize
from rfscale.engine.analysis.match.width_rule import Measure, match_by_width
from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.fields.given_fields import box_sides
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import one_name
from rfscale.engine.objects.fit import Objective
from rfscale.engine.objects.resize import Resize
from rfscale.engine.objects.sizes import object_sizes
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import provenance

if TYPE_CHECKING:
    import xarray as xr

Rule = Literal["entries", "width"]


def match(
    network: NetworkLike,
    objects: xr.Dataset | str | Path | np.ndarray | None = None,
    *,
    resize: str | None = None,
    layers: Sequence[str] | None = None,
    rule: Rule = "entries",
    entries: float | None = None,
    k: int | None = None,
    factor: float | None = None,
    by: Measure | None = None,
    objective: Objective | None = None,
    input_size: int | Sequence[int] | None = None,
    effective: bool = True,
    fields: Any = None,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Set the levels of a network beside the object sizes of a data set.

    By the rule `entries` a level is right for the objects that are at least `entries` of its strides across, and not
    larger than its effective box: the box that 95 % of the paths to one entry come from. The levels are the outputs of
    a pyramid or detector, one for each stride, or the ends of the stages of any other network. By the rule `width`, the
    plain one of the article, a map is right for objects whose size is near the width of its footprint.

    Parameters
    ----------
    network : Network, or what `load` takes
        With two axes. A resize with which it begins is taken for a part of the training's: pixels are then those of the
        resized image.
    objects : xr.Dataset, path, array or None
        Of `rfscale.engine.objects.sizes.object_sizes`, or what that takes; None: COCO val2017.
    resize : str, optional
        What training does to the images of objects that are not yet a histogram; by default "none".
    layers : sequence of str, optional
        The maps to take, instead of the levels; with the rule `width` instead of the best.
    rule : {"entries", "width"}
    entries : float, optional
        Rule `entries`: how many entries of a map there must be across an object; by default 2.
    k : int, optional
        Rule `width`: how many maps to choose; by default the network's outputs, if they are several, else the best 4.
    factor : float, optional
        Rule `width`: an object is covered by a map whose figure lies within this factor of its size; by default 2.
    by : {"width", "extent", "effective"}, optional
        Rule `width`: the figure of a map that is held against an object's size; by default "width".
    objective : {"tightness", "coverage"}, optional
        Rule `width`: what the best maps have least of: the mean of ``|log2(figure / size)|``, the default, or
        objects that are not covered.
    input_size : int or sequence of int, optional
        Figures of the centre entries for images of this size; by default without borders.
    effective : bool
        Whether to work out the effective boxes, which takes longest.
    fields : xr.Dataset, xr.DataArray or sequence of these, optional
        Fields of the model, measured or predicted, as from `effective_field` or `all_fields`: the boxes that hold 95 %
        of them stand in the place of those of path counts at their layers.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Rule `entries`: over `level`, finest first: layer, stride, extent, effective, the smallest and the largest
        object in pixels of the resized image, and of the original where there is a resize, the shares of the objects
        that are too small (`under`), right (`fit`) and too large (`over`), and the `verdict`, a sentence. Over
        `question`, such as "Do I need P2?": answer (yes, perhaps, no) and why. Over `finer`, levels that the
        network has not: their stride, the layer that could feed them, the share of the objects that they would gain,
        and that of those still too small. Over `bin` of object sizes: share. The size of an object is
        sqrt(width·height).

        Rule `width`: per `layer`: width, extent, effective, jump. Per `bin`: share, the best layer by each figure.
        Per `chosen` map: its figure, and the share and tightness of the objects nearest to it. Per `gap`: low, high,
        share. Per number of `maps`: the best choice. Per `level`: FPN's share. Scalars coverage, tightness and
        fpn_tightness (the mean if FPN's rule assigns the objects; NaN unless the chosen maps have the jumps of levels).

    Raises
    ------
    InputError
        For a network of other than two axes, unknown layers, options of the other rule, a network that resizes its
        images itself beside objects without a resize, or a k above the number of different widths.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = match(rf.load("vgg16"), np.array([[12, 12], [150, 150]]), effective=False)
    >>> found.level.values.tolist(), found.smallest.values.tolist(), found.under.values.tolist()
    (['P2', 'P3', 'P4'], [8.0, 16.0, 32.0], [0.0, 0.5, 0.5])
    >>> print(found.question.values[0], found.answer.values[0])
    Do I need P2? yes
    >>> print(found.why.values[0])
    50 % of the objects have two entries or more across on P2 alone (8 to 16 px), 50 % on P3 as well
    """
    network = as_network(network, reading, input_size)
    if len(network.axes) != 2:
        raise InputError(f"{network.name} has {len(network.axes)} axes; objects have sizes on two")
    one_name(rule, Parameter("rule"), ("entries", "width"))
    of_width = {"k": k, "factor": factor, "by": by, "objective": objective}
    _check_options(rule, {"entries": entries}, of_width)
    own = without_own_resize(network, input_size)
    sizes: Any = objects if hasattr(objects, "data_vars") else object_sizes(objects, resize or "none")
    if "size" not in sizes or "bin_low" not in sizes.coords:
        raise InputError("objects is a dataset of something else", remedy="give what object_sizes returns")
    if resize is not None and str(Resize.parse(resize)) != sizes.attrs.get("resize", "none"):
        made = f"the sizes of the objects are already those of resize={sizes.attrs.get('resize', 'none')!r}"
        raise InputError(made, argument=Parameter("resize"), value=resize, remedy="give it to object_sizes alone")
    if own is not None:
        _check_resize(network, own, resize, sizes)
        network, input_size = own.network, None if input_size is None else own.after
    sides = None if fields is None else box_sides(network, fields)
    if rule == "entries":
        needed = 2.0 if entries is None else entries
        out = match_by_entries(network, sizes, layers, needed, input_size, effective, sides)
    else:
        given: dict[str, Any] = {name: value for name, value in of_width.items() if value is not None}
        out = match_by_width(network, sizes, layers, input_size=input_size, effective=effective, sides=sides, **given)
    attrs = {key: sizes.attrs.get(key) for key in ("source", "resize", "objects", "boxes", "attribution")}
    used = out.attrs.pop("input_size", None)
    mode = "interior" if used is None else f"finite {used}"
    resized = f"{_shown(own.before)} to {_shown(own.after)}" if own and own.before and own.after else None
    out.attrs = provenance("match", network, mode=mode, own_resize=resized, rule=rule, **out.attrs, **attrs)
    return out


def _shown(size: Sequence[int]) -> str:
    return "×".join(map(str, size))


def _check_options(rule: str, of_entries: dict[str, Any], of_width: dict[str, Any]) -> None:
    """Refuse options of the other rule, which would do nothing."""
    foreign, needed = (of_width, "width") if rule == "entries" else (of_entries, "entries")
    for name, value in foreign.items():
        if value is not None:
            raise InputError(
                (Parameter(name), f" is an option of the rule {needed}"), remedy=("give ", Parameter("rule", needed))
            )


def _check_resize(network: Network, own: OwnResize, resize: str | None, sizes: xr.Dataset) -> None:
    """Refuse objects in pixels of the original image beside levels in pixels of the resized one."""
    if resize is not None or sizes.attrs.get("resize", "none") != "none":
        return
    if own.before is not None and own.before == own.after:
        return
    by, side = "", 800
    if own.before and own.after:
        by, side = f" ({_shown(own.before)} to {_shown(own.after)})", min(own.after)
    raise InputError(
        f"{network.name} resizes its images itself{by}, and the objects are in pixels of the original",
        remedy=(
            "say what it does: ",
            Parameter("resize", f"short={side},cap=1333"),
            " or ",
            Parameter("resize", f"square={side}"),
            "; or ",
            Parameter("resize", "none"),
            " if the boxes are those of resized images",
        ),
    )
