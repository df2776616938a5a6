"""The verbs about one network, and the reproduction. A verb checks its input, computes, writes its files, then prints.

Imports stand inside the functions: the help of all verbs is shown without numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.errors import InputError, nearest, shown

if TYPE_CHECKING:
    import xarray as xr

    from engine.network import Network

NetworkArgument = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK", help="A name of the zoo (see rfscale networks), a .yaml or .json file, or module:factory."
    ),
]
InputSize = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Pixels of the image, 224 or 480x640. Without it footprints have no borders."),
]
Finite = Annotated[bool, typer.Option("--finite", help="Use the network's own input size.")]
Entry = Annotated[
    str, typer.Option(metavar="Y,X", help="Which entry of a map: center, or whole numbers counted from 0.")
]
Globals = Annotated[
    str,
    typer.Option(
        metavar="include|skip",
        help="skip leaves branches that see the whole image out of merges, to look past squeeze-and-excitation.",
    ),
]
Params = Annotated[
    list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="Parameter of the zoo's builder; repeatable.")
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the data to .nc, .zarr, .csv or .json.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a picture to .png or .svg.")]


def reproduce(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("reproduction"),
    pictures: Annotated[bool, typer.Option(help="Draw the pictures (needs matplotlib).")] = True,
) -> None:
    """Set every figure and number of the source article beside the exact ones.

    Prints the table claim / published / formula / exact / verdict, and writes claims.zarr (with the profiles),
    claims.md and the pictures.

    Example: rfscale reproduce --out reproduction
    """
    from sweeps.reproduction.reproduce import run

    run(out, pictures=pictures)


def profile(
    context: typer.Context,
    network: NetworkArgument,
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    globals: Globals = "include",
    param: Params = None,
    layers: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only layers of these names; comma between patterns.")
    ] = None,
    outputs_only: Annotated[bool, typer.Option("--outputs-only", help="Only the network's outputs.")] = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show the exact figures of every layer beside those of the formulas.

    Example: rfscale profile resnet50 --input-size 224 --out resnet50.csv --plot resnet50.png
    """
    _check_targets(out, plot)
    net = _load(network, param)
    size, at, how = _size(net, input_size, finite), _entry(entry), _globals(globals)
    from engine.profiles import profile as compute
    from sweeps.tables import profile_report, progress, say

    with progress(f"profile of {net.name}"):
        ds = compute(net, size, at, how)
    if outputs_only:
        ds = ds.sel(layer=list(net.outputs))
    if layers is not None:
        ds = ds.isel(layer=_matching(layers, [str(n) for n in ds.layer.values]))
    ds.attrs["command"] = context.obj["command"]
    written = _write(ds, out)
    if plot:
        from sweeps.plots import profile_figure, save

        save(profile_figure(ds), plot)
        written.append(str(plot))
    say(*profile_report(ds), *(f"written: {path}" for path in written))


def footprint(
    context: typer.Context,
    network: NetworkArgument,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Name of the layer.")],
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    globals: Globals = "include",
    param: Params = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Path weights (effective receptive field) instead of the set.")
    ] = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show the pixels behind one entry of one feature map.

    Example: rfscale footprint dilated5 conv5 --plot holes.png
    """
    _check_targets(out, plot)
    net = _load(network, param)
    size, at, how = _size(net, input_size, finite), _entry(entry), _globals(globals)
    net.index(layer)
    from sweeps.tables import footprint_report, progress, say, weights_report

    with progress(f"{'path weights' if weights else 'footprint'} of {layer}"):
        if weights:
            from engine.weights import effective_field, path_weights

            data = path_weights(net, layer, at, size, how)
            report = weights_report(data, effective_field(data))
        else:
            from engine.footprints import footprint as draw

            data = draw(net, layer, at, size, how)
            report = footprint_report(data)
    data.attrs["command"] = context.obj["command"]
    written = _write(data, out)
    if plot:
        from sweeps.plots import map_figure, save

        save(map_figure(data), plot)
        written.append(str(plot))
    say(*report, *(f"written: {path}" for path in written))


def networks(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A network of the zoo, or a file: show its layers.")
    ] = None,
    param: Params = None,
) -> None:
    """List the networks that come with rfscale, or the layers of one.

    Example: rfscale networks resnet50
    """
    from sweeps.tables import layer_report, say, zoo_table

    if name is None:
        if param:
            raise InputError(f"--param {param[0]} goes with a network; give its name")
        say(zoo_table(), "rfscale networks NAME shows layers and parameters; rfscale profile NAME the figures.")
    else:
        say(*layer_report(name, _load(name, param)))


VERBS: tuple[Callable[..., None], ...] = (reproduce, profile, footprint, networks)


# what the verbs share -----------------------------------------------------------------------------------------------


def _check_targets(out: Path | None, plot: Path | None) -> None:
    from sweeps.output import DATA, PICTURES, check_target

    check_target(out, DATA, "--out")
    check_target(plot, PICTURES, "--plot")


def _write(data: xr.Dataset | xr.DataArray, out: Path | None) -> list[str]:
    if out is None:
        return []
    from sweeps.output import write

    write(data, out)
    return [str(out)]


def _load(network: str, given: list[str] | None) -> Network:
    from engine.loading import load
    from engine.networks import NETWORKS

    params = _params(given)
    if params and network not in NETWORKS and ":" not in network:
        raise InputError(f"--param goes with a network of the zoo or module:factory, not with {shown(network)}")
    return load(network, **params)


def _params(given: list[str] | None) -> dict[str, Any]:
    """Return `key=value` texts as a dict; values are read as YAML: 3, [6, 12, 18], none."""
    params: dict[str, Any] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise InputError(f"--param is {shown(text)}; write key=value, such as input_size=512")
        if key in params:
            raise InputError(f"--param {key} is given twice")
        import yaml

        try:
            params[key] = None if value.lower() == "none" else yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--param {key} is {shown(value)}; write a number, a text or a [list]") from None
    return params


def _numbers(text: str) -> list[int] | None:
    parts = re.split(r"\s*[x×,]\s*", text.strip().strip("()[]"))
    return [int(p) for p in parts] if all(re.fullmatch(r"[+-]?\d{1,19}", p) for p in parts) else None


def _size(net: Network, text: str | None, finite: bool) -> int | list[int] | None:
    if finite and text is not None:
        raise InputError("--finite uses the network's own size; leave --input-size out, or --finite")
    if finite:
        if net.input_size is None:
            raise InputError(f"--finite: {net.name} carries no input_size; give --input-size")
        return list(net.input_size)
    if text is None:
        return None
    size = _numbers(text)
    if size is None:
        raise InputError(f"--input-size is {shown(text)}; give pixels per axis, such as 224 or 480x640")
    return size[0] if len(size) == 1 else size


def _entry(text: str) -> Any:
    if text in ("center", "centre"):
        return "center"
    entry = _numbers(text)
    if entry is None:
        raise InputError(f"--entry is {shown(text)}; give center, or one whole number per axis, such as 7,7")
    return entry


def _globals(text: str) -> Literal["include", "skip"]:
    if text not in ("include", "skip"):
        raise InputError(f"--globals is {shown(text)}; give include or skip")
    return "skip" if text == "skip" else "include"


def _matching(globs: str, names: list[str]) -> list[int]:
    from fnmatch import fnmatchcase

    patterns = [p.strip() for p in globs.split(",") if p.strip()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"--layers: no layer is called {pattern!r}; {nearest(pattern, names)}")
    if not patterns:
        raise InputError("--layers is empty; give names or patterns, such as 'layer4*'")
    return [i for i, name in enumerate(names) if any(fnmatchcase(name, p) for p in patterns)]
