"""The main job: every figure and number of the article beside its own formula, the closed form and the exact pixels.

`rfscale.sweeps.reproduction.claims` holds what the article prints; here each claim gets its formula value, its exact
value and a verdict, all computed. The results are a table, a labelled tree of datasets, and pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError
from rfscale.engine.files import check_folder, check_target, need_package, write_text
from rfscale.engine.variables import annotate, provenance
from rfscale.sweeps.report.datasets import write
from rfscale.sweeps.report.progress import progress
from rfscale.sweeps.reproduction.claims import CLAIMS, networks
from rfscale.sweeps.reproduction.findings import find
from rfscale.sweeps.reproduction.pictures import DRAWN, FIELD_LAYERS, draw_all
from rfscale.sweeps.reproduction.tables import markdown, remarks, rows, terminal_table
from rfscale.sweeps.reproduction.verdicts import QUANTITIES, Result, judge
from rfscale.sweeps.variables import CLAIMS as CLAIMS_TABLE

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.network.network import Network
    from rfscale.sweeps.report.terminal import Table

STORE, TABLE, PICTURES = "claims.zarr", "claims.md", "pictures"


# the dataset --------------------------------------------------------------------------------------------------------


def claims_dataset(results: Sequence[Result]) -> xr.Dataset:
    """Return the results as one labelled dataset over (claim[, axis])."""
    import numpy as np
    import xarray as xr

    claims = [r.claim for r in results]
    text = {name: [getattr(c, name) for c in claims] for name in ("section", "text", "network", "layer", "quantity")}
    text |= {"unit": [QUANTITIES[c.quantity][0] for c in claims], "verdict": [r.verdict for r in results]}
    figures = {
        "printed": [nan if c.printed is None else c.printed for c in claims],
        "formula": [r.values.formula for r in results],
        "closed_form": [r.values.closed for r in results],
        "exact": [r.values.exact for r in results],
        "exact_area": [r.area for r in results],
    }
    data: dict[str, Any] = {name: ("claim", np.array(values, object)) for name, values in text.items()}
    data |= {name: ("claim", np.array(values, float)) for name, values in figures.items()}
    data["exact_extent"] = (("claim", "axis"), np.array([r.extent for r in results], float))
    coords = {"claim": np.arange(len(results)), "axis": ["y", "x"]}
    attrs = provenance("reproduce", command="rfscale reproduce", mode="interior")
    return annotate(xr.Dataset({name: data[name] for name in CLAIMS_TABLE}, coords, attrs), CLAIMS_TABLE)


# the run ------------------------------------------------------------------------------------------------------------


def run(out: Path, pictures: bool = True) -> tuple[xr.Dataset, list[str | Table], list[Path]]:
    """Compute all and write it to the folder `out`; return the claims, what is printed of them, and the files."""
    _prepare(out, pictures)
    import xarray as xr

    from rfscale.engine.analysis.footprint import footprint
    from rfscale.engine.analysis.profile import profile
    from rfscale.engine.readers.load import load

    nets = networks()
    nets |= {name: load(name) for name in FIELD_LAYERS if name not in nets}
    with progress("reproduce", steps=len(nets) + len(FIELD_LAYERS) + 10) as bar:
        profiles = {}
        for name, network in nets.items():
            bar.step(name)
            profiles[name] = profile(network)
        results = judge(CLAIMS, profiles, nets)
        notes = remarks(find(results, profiles))
        weights = {}
        for name, layer in FIELD_LAYERS.items():
            bar.step(f"path counts of {name}")
            weights[name] = _field(nets[name], layer)
        holes = footprint(nets["dilated5"], "conv5")
        tree = xr.DataTree.from_dict(
            {"/": claims_dataset(results)}
            | {f"/profiles/{name}": profiles[name] for name in DRAWN}
            | {f"/path_counts/{name}": ds for name, ds in weights.items()}
            | {"/footprints/dilated5": holes.to_dataset()},
            name="reproduction",
        )
        bar.step("dataset")
        write(tree, out / STORE)
        write_text(markdown(rows(results), notes), out / TABLE)
        written = [out / STORE, out / TABLE]
        if pictures:
            written += draw_all(results, profiles, weights, holes, out / PICTURES, bar.step)
    return claims_dataset(results), [terminal_table(rows(results)), *notes], written


def _prepare(out: Path, pictures: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    check_folder(next(p for p in (out.absolute(), *out.absolute().parents) if p.exists()), "--out")
    if pictures:
        need_package("matplotlib", "for the pictures; install it, or say --no-pictures")
    for folder in (out, out / PICTURES) if pictures else (out,):
        folder.mkdir(parents=True, exist_ok=True)
    check_target(out / STORE, (".zarr",), "--out")


def _field(network: Network, layer: str) -> xr.Dataset:
    """Return the path counts of the centre entry and the figures of that field, as one dataset."""
    from rfscale.engine.analysis.path_counts import path_counts
    from rfscale.engine.fields.mass_box import mass_box

    weights = path_counts(network, layer)
    return mass_box(weights).assign(path_counts=weights)
