"""Every public function that returns a dataset, held against the registry of variables."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine import variables as of_one
from rfscale.engine.analysis.footprint import footprint_figures
from rfscale.engine.objects.sizes import object_sizes
from rfscale.engine.variables import annotate, annotate_array, provenance
from rfscale.engine.version import SOFTWARE
from rfscale.sweeps import variables as of_many
from rfscale.sweeps.batch.summary import compare
from rfscale.sweeps.validation.gaussian import gaussian

STAGES = [
    {"name": "s1", "kernel": [3, 5], "dilation": [1, 2]},
    {"name": "s2", "op": "conv", "kernel": [1, 3], "stride": [1, 2]},
    {"name": "s3", "kernel": [3, 5]},
]
SIZE = (24, 20)


@cache
def net():
    layers = [{"kernel": 3, "padding": 1, "channels": 4, "name": n} for n in ("a", "b")]
    layers += [{"kernel": 2, "stride": 2, "channels": 4, "name": "c"}, {"kernel": 3, "padding": 1, "name": "d"}]
    return rf.Network.from_dict({"name": "tiny", "layers": layers, "input_size": list(SIZE)})


@cache
def square():
    return rf.Space.from_dict({"name": "square", "channels": 8, "input_size": [64, 64], "stages": STAGES})


@cache
def oblong():
    return rf.Space.from_dict({"name": "oblong", "stages": [*STAGES, {"name": "s4", "kernel": [[1, 7], [7, 1]]}]})


@cache
def cubic():
    return rf.Space.from_dict({"name": "cubic", "axes": 3, "stages": STAGES})


def boxes():
    return np.array([[5.0, 6.0], [9.0, 9.0], [12.0, 8.0], [0.0, 3.0]])


def claims():
    from rfscale.sweeps.reproduction.claims import CLAIMS, networks
    from rfscale.sweeps.reproduction.run import claims_dataset
    from rfscale.sweeps.reproduction.verdicts import judge

    some = [c for c in CLAIMS if c.network == "dilated5"]
    nets = {"dilated5": networks()["dilated5"]}
    return claims_dataset(judge(some, {"dilated5": rf.profile(nets["dilated5"])}, nets))


def batch(tmp_path):
    from rfscale.sweeps.batch.entries import read_runs
    from rfscale.sweeps.batch.run import run_batch

    (tmp_path / "runs.yaml").write_text("runs: [{name: one, profile: dilated5}]")
    return run_batch(read_runs(tmp_path / "runs.yaml"), tmp_path / "out", tmp_path)


def stage(space, **options):
    tree = rf.sweep(space, **options)
    return tree["s3"].to_dataset().assign_attrs(tree.attrs)


RESULTS = {
    "profile": (lambda: rf.profile(net()), of_one.PROFILE),
    "finite profile": (lambda: rf.profile(net(), SIZE), of_one.PROFILE),
    "entry_map": (lambda: rf.entry_map(net(), "c", SIZE), of_one.ENTRY_MAP),
    "footprint": (lambda: rf.footprint(net(), "c"), of_one.FOOTPRINT),
    "footprint_figures": (lambda: footprint_figures(rf.footprint(net(), "c")), of_one.FOOTPRINT_FIGURES),
    "path_counts": (lambda: rf.path_counts(net(), "c"), of_one.PATH_COUNTS),
    "field_figures": (lambda: rf.field_figures(rf.path_counts(net(), "c")), of_one.FIELD_FIGURES),
    "field of a plain array": (lambda: rf.field_figures(xr.DataArray(np.ones((3, 4)))), of_one.FIELD_FIGURES),
    "compare_fields": (
        lambda: rf.compare_fields(rf.path_counts(net(), "a"), rf.path_counts(net(), "c")),
        of_one.FIELD_COMPARISON,
    ),
    "coverage": (lambda: rf.coverage(net(), "c"), of_one.COVERAGE),
    "halo": (lambda: rf.halo(net(), 8, image_size=33), of_one.HALO),
    "tile_costs": (lambda: rf.tile_costs(net(), [8], image_size=33), of_one.TILE_COSTS),
    "where": (lambda: rf.where(net(), "c", (3, 3), SIZE), of_one.WHERE),
    "where of all layers": (lambda: rf.where(net(), None, (3, 3), SIZE), of_one.WHERE),
    "entries_at": (lambda: rf.entries_at(net(), (5, 5), input_size=SIZE), of_one.WHERE | of_one.ENTRIES_AT),
    "context": (lambda: rf.context(net(), 1000, axis="y"), of_one.CONTEXT),
    "compare": (lambda: rf.compare(net(), net()), of_one.NETWORK_COMPARISON),
    "valid_sizes": (lambda: rf.valid_sizes(net(), SIZE), of_one.INPUT_SIZES),
    "match": (lambda: rf.match(net(), boxes()), of_one.MATCH_BY_ENTRIES),
    "match by width": (lambda: rf.match(net(), boxes(), rule="width", k=2), of_one.MATCH_BY_WIDTH),
    "match with gaps": (
        lambda: rf.match(net(), boxes() * 9, rule="width", k=1, by="extent", factor=1.1),
        of_one.MATCH_BY_WIDTH,
    ),
    "zoo_survey": (lambda: rf.zoo_survey("timm:resnet50"), of_one.SURVEY),
    "object_sizes": (lambda: object_sizes(boxes()), of_one.OBJECT_SIZES),
    "sweep": (lambda: stage(square(), formulas=True), of_many.VARIABLES),
    "sweep of two axes": (lambda: stage(oblong(), formulas=True), of_many.VARIABLES),
    "derive": (lambda: rf.derive(stage(oblong())), of_many.VARIABLES),
    "derive of three axes": (lambda: rf.derive(stage(cubic())), of_many.VARIABLES),
    "count": (lambda: rf.count(square()), of_many.COUNTS),
    "count of none": (lambda: rf.count(square(), where="extent > 10**6"), of_many.COUNTS),
    "count by figures": (lambda: rf.count(oblong(), ["extent_y", "area", "s1_kernel"]), of_many.COUNTS),
    "best": (lambda: rf.best(square(), "params", k=3), of_many.BEST),
    "pareto": (lambda: rf.pareto(square(), "macs", "-extent"), of_many.PARETO),
    "sample": (lambda: rf.sample(oblong(), 4), of_many.ROWS),
    "design": (lambda: rf.design(square(), boxes(), k=2), of_many.DESIGN),
    "validation of a network": (lambda: rf.validate(net()), of_many.VALIDATION),
    "validation of a space": (lambda: rf.validate(square()), of_many.SPACE_VALIDATION),
    "validation of two axes": (lambda: rf.validate(oblong(), random=9), of_many.SPACE_VALIDATION),
    "gaussian": (lambda: gaussian([3], depth=3), of_many.GAUSSIAN),
    "claims": (claims, of_many.CLAIMS),
}


def check(data, table):
    """Units and long names of the registry on every variable, and where the result comes from."""
    assert data.attrs["software"] == SOFTWARE
    assert data.attrs["call"]
    arrays = {data.name: data} if isinstance(data, xr.DataArray) else dict(data.data_vars)
    for name, array in arrays.items():
        spec = table[name]
        assert array.attrs["units"] == spec.units
        pattern = re.sub(r"\\\{.*?\\\}", ".+", re.escape(spec.long_name))
        assert re.fullmatch(pattern, array.attrs["long_name"]), name
        assert "{" not in array.attrs["long_name"]
        assert array.dtype.kind in spec.kind
    for name in data.coords:
        if name in table:
            assert data[name].attrs["units"] == table[name].units


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_annotated_by_its_table(name):
    make, table = RESULTS[name]
    check(make(), table)


@pytest.mark.parametrize("name", RESULTS)
def test_what_xarray_offers_works_on_every_result(name):
    """Pictures over layers, a choice by label, and a table of pandas."""
    plt = pytest.importorskip("matplotlib.pyplot")
    data = RESULTS[name][0]()
    for dim, coord in data.coords.items():
        assert coord.dtype.kind != "O", f"xarray draws nothing over {dim}, for it holds objects"
        if coord.dims == (dim,) and data.sizes[dim]:
            label = coord.values[-1].item()
            assert dim not in data.sel({dim: label}).dims or (coord == label).sum() > 1
    arrays = [data] if isinstance(data, xr.DataArray) else data.data_vars.values()
    numbers = [a for a in arrays if a.dtype.kind in "iufb" and max([0, *a.squeeze().sizes.values()]) > 1]
    for array in {(a.dims, a.dtype.kind == "b"): a for a in numbers}.values():  # one of each kind
        array.plot()
        plt.close()
    if data.dims:
        assert len(data.to_dataframe().columns)


def test_batch_and_its_comparison(tmp_path):
    summary = batch(tmp_path)
    check(summary, of_many.BATCH)
    check(compare(summary, summary), of_many.COMPARISON)


def test_a_stored_sweep_has_the_same_attributes(tmp_path):
    stored, whole = rf.sweep(square(), store=tmp_path / "a.zarr"), rf.sweep(square())
    for name, array in whole["s3"].data_vars.items():
        assert stored["s3"][name].attrs == array.attrs


def test_counts_over_figures_have_their_units():
    counts = rf.count(oblong(), ["extent_y", "s1_kernel"])
    assert counts.extent_y.attrs == of_many.VARIABLES["extent"].attrs()
    assert counts.s1_kernel.attrs == {}


AREA = {"area": of_one.Variable(("layer", "axis?"), "f", "pixel", "area of {layer}")}


@pytest.mark.parametrize(
    ("dims", "values", "message"),
    [
        (("axis", "layer"), np.zeros((2, 3)), "dims"),
        (("layer", "phase"), np.zeros((3, 2)), "dims"),
        ((), np.zeros(()), "dims"),
        (("layer",), np.zeros(3, int), "dtype int64"),
        (("layer",), np.zeros(3, bool), "dtype bool"),
    ],
)
def test_what_does_not_fit_its_spec_is_an_error(dims, values, message):
    with pytest.raises(TypeError, match=f"area has .*{message}"):
        annotate(xr.Dataset({"area": (dims, values)}), AREA)
    with pytest.raises(TypeError, match=f"area has .*{message}"):
        annotate_array(xr.DataArray(values, dims=dims, name="area"), AREA)


def test_an_unknown_name_is_an_error():
    with pytest.raises(TypeError, match="aera is no variable of this result; its table has area"):
        annotate(xr.Dataset({"aera": ("layer", np.zeros(3))}), AREA)
    with pytest.raises(TypeError, match="None is no variable"):
        annotate_array(xr.DataArray(np.zeros(3)), AREA)


@pytest.mark.parametrize(
    ("spec", "fit", "unfit"),
    [
        (("layer", "axis?"), [("layer",), ("layer", "axis")], [("axis",), ("layer", "axis", "q")]),
        (("entry", "axis"), [("entry_y", "entry_x", "axis"), ("entry_x", "axis")], [("axis",), ("entry_y",)]),
        (("...",), [(), ("a",), ("a", "b")], [("axis",), ("a", "axis")]),
        (("...", "axis?"), [(), ("a", "axis"), ("a",)], [("axis", "a")]),
    ],
)
def test_dims_that_stand_for_several(spec, fit, unfit):
    def made(dims):
        variable = replace(AREA["area"], dims=spec)
        return annotate(xr.Dataset({"area": (dims, np.zeros((1,) * len(dims)))}), {"area": variable}, layer="a")

    for dims in fit:
        assert made(dims).area.attrs == {"units": "pixel", "long_name": "area of a"}
    for dims in unfit:
        with pytest.raises(TypeError, match="area has dims"):
            made(dims)


def test_provenance_names_the_network_and_leaves_out_what_is_not_known():
    attrs = provenance("profile", net(), input_size=None, entry=0)
    assert attrs == {"network": "tiny", "network_hash": net().hash, "entry": 0, "software": SOFTWARE, "call": "profile"}
