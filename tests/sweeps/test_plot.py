"""`rf.plot`: a picture for each answer, the same as the command line saves, and a clear error for anything else."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.engine.analysis.fields.all_fields import KINDS
from tests.sweeps.report.test_pictures import check_colors
from tests.test_variables import boxes, net, oblong, square

pyplot = pytest.importorskip("matplotlib.pyplot")

SIZE = (24, 20)
CHAIN = rf.Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 5, "padding": 2}, name="chain", axes=1)
CUBIC = rf.Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 3, "padding": 1}, name="cubic", axes=3)


def two(k, d):
    return rf.Network.sequential({"kernel": k}, {"kernel": 3, "dilation": d})


TWO = [rf.NetworkSpace(two, {"k": k, "d": [1, 2, 4]}) for k in ([3, 5], [[1, 3], [3, 1]])]


def followed():
    """What `rf.field_profile` returns, of which the third kind is not known."""
    extents = np.array([[3.0, 3.0], [7.0, 9.0], [15.0, 15.0]])
    boxes = np.stack([extents * 0.8, extents * 0.6, extents * np.nan])
    data = {"extent": (("layer", "axis"), extents), "box_extent": (("kind", "layer", "axis"), boxes)}
    coords = {"kind": list(KINDS), "layer": ["a", "b", "c"], "axis": ["y", "x"]}
    return xr.Dataset(data, coords, {"model": "small", "share": 0.95, "call": "field_profile"})


ANSWERS = {
    "profile": [lambda: rf.profile(net()), lambda: rf.profile(net(), SIZE), lambda: rf.profile(CHAIN)],
    "compare": [lambda: rf.compare(net(), net())],
    "footprint": [lambda: rf.footprint(net(), "c"), *(lambda n=n: rf.footprint(n, "conv2") for n in (CHAIN, CUBIC))],
    "path_counts": [
        lambda: rf.path_counts(net(), "c"),
        *(lambda n=n: rf.path_counts(n, "conv2") for n in (CHAIN, CUBIC)),
    ],
    "coverage": [
        lambda: rf.coverage(net(), "c"),
        lambda: rf.coverage(CHAIN, "conv2", 9),
        lambda: rf.coverage(CUBIC, "conv2", 9),
    ],
    "entry_map": [lambda: rf.entry_map(net(), "c", SIZE), lambda: rf.entry_map(CHAIN, "conv2", 9)],
    "compare_fields": [lambda: rf.compare_fields(*(rf.field_figures(rf.path_counts(net(), n)) for n in "ca"))],
    "field_profile": [followed],
    "where": [lambda: rf.where(net()), lambda: rf.where(net(), "c", (1, 2), SIZE), lambda: rf.where(CHAIN)],
    "context": [lambda: rf.context(CHAIN), lambda: rf.context("tcn", 16000)],
    "zoo_survey": [rf.zoo_survey, lambda: rf.zoo_survey("smp:*")],
    "field": [lambda: rf.field_figures(rf.path_counts(net(), "c"))],
    "match": [lambda: rf.match(net(), boxes()), lambda: rf.match(net(), boxes(), rule="width", k=2)],
    "object_sizes": [lambda: rf.object_sizes(boxes()), lambda: rf.object_sizes(boxes()[:1])],
    "check": [lambda: rf.check("dilated5"), lambda: rf.check(net())[:0], lambda: [*rf.check("dilated5")]],
    "halo": [lambda: rf.halo(net(), 8), lambda: rf.halo(net()), *(lambda n=n: rf.halo(n, 8) for n in (CHAIN, CUBIC))],
    "tile_costs": [lambda: rf.tile_costs(net(), [8, 16, 64]), lambda: rf.tile_costs(CHAIN, [64, 128])],
    "space": [square, oblong, *(lambda space=space: space for space in TWO)],
    "count": [lambda: rf.count(square(), "extent"), lambda: rf.count(oblong(), ["extent_y", "s1_kernel"])],
    "best": [lambda: rf.best(square(), "params", k=3)],
    "pareto": [lambda: rf.pareto(square(), "macs", "-extent")],
    "sample": [lambda: rf.sample(oblong(), 4)],
    "design": [lambda: rf.design(square(), boxes(), k=2)],
    "validate": [lambda: rf.validate(net()), lambda: rf.validate(square())],
}
PAIRS = [(name, i) for name, answers in ANSWERS.items() for i in range(len(answers))]


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def drawn(name, data, ax=None):
    more = (rf.object_sizes(boxes()),) if name == "design" else ()
    return getattr(rf.plot, name)(data, *more, ax=ax)


def test_every_function_is_drawn_here():
    assert sorted(rf.plot.__all__) == sorted(ANSWERS)
    assert sorted(rf.plot.ANSWERS) == sorted(ANSWERS)


@pytest.mark.parametrize(("name", "i"), PAIRS)
def test_each_answer_has_a_picture(name, i, tmp_path):
    """A new figure whose main axes come back; and axes of the user's, in which nothing else is drawn."""
    data = ANSWERS[name][i]()
    main = drawn(name, data)
    assert main is main.figure.axes[0]
    assert pyplot.gcf() is main.figure, "a notebook shows it"
    check_colors(main.figure)
    assert main.get_title(), "a title says the finding"
    labelled = [ax for ax in main.figure.axes if ax.get_label() != "<colorbar>" and ax.get_xlabel() + ax.get_ylabel()]
    assert labelled or name == "check"
    fig, (one, other) = pyplot.subplots(1, 2, figsize=(12, 5))
    assert drawn(name, data, one) is one
    assert one.get_title()
    assert not other.has_data()
    suffix = ("png", "svg", "pdf")[i % 3]
    fig.savefig(tmp_path / f"picture.{suffix}")
    main.figure.savefig(tmp_path / f"main.{suffix}")


def letters(ax):
    """Where a title ends, in inches from the left of its figure."""
    ax.figure.canvas.draw()
    return ax.title.get_window_extent().x1 / ax.figure.dpi


@pytest.mark.parametrize("name", ANSWERS)
def test_titles_end_inside_of_the_figure(name):
    ax = drawn(name, ANSWERS[name][0]())
    assert letters(ax) <= ax.figure.get_figwidth()
    _, axes = pyplot.subplots(1, 2, figsize=(11, 4))
    drawn(name, ANSWERS[name][0](), axes[0])
    assert letters(axes[0]) <= axes[1].get_tightbbox().x1 / axes[0].figure.dpi


WRONG = [
    (
        "profile",
        lambda: "resnet50",
        r"rf\.plot\.profile draws what rf\.profile returns, not 'resnet50'; give rf\.plot\.prof",
    ),
    (
        "profile",
        lambda: rf.halo(net()),
        r"not what rf\.halo returned; give rf\.plot\.profile\(rf\.profile\(network\)\)",
    ),
    (
        "profile",
        lambda: rf.profile(net())[["extent"]],
        r"not a part of what rf\.profile returned, which lacks what is drawn",
    ),
    ("profile", lambda: rf.profile(net()).isel(layer=0), r"which lacks what is drawn"),
    (
        "footprint",
        lambda: rf.path_counts(net(), "c"),
        r"draws what rf\.footprint returns, not what rf\.path_counts returned",
    ),
    (
        "field",
        lambda: np.ones((3, 3)),
        r"draws what rf\.effective_field, predicted_field, field_figures or all_fields returns",
    ),
    ("field", lambda: rf.field_figures(rf.path_counts(CUBIC, "conv2")), r"over two axes, this one has 3; sum it"),
    ("check", lambda: rf.profile(net()), r"draws what rf\.check returns, not what rf\.profile returned"),
    ("check", lambda: ["gridding"], r"not \['gridding'\]"),
    ("space", lambda: rf.sample(square(), 2), r"draws what rf\.Space returns, not what rf\.sample returned"),
    ("count", lambda: rf.count(square(), ["extent", "jump", "macs"]), r"counts is over one or two names, not 3"),
    ("count", lambda: rf.count(square(), "extent", combinations=True), r"counts needs their table"),
    (
        "best",
        lambda: rf.pareto(square(), "macs", "-extent"),
        r"draws what rf\.best returns, not what rf\.pareto returned",
    ),
    ("match", lambda: rf.object_sizes(boxes()), r"draws what rf\.match returns, not what rf\.object_sizes returned"),
    ("design", lambda: rf.object_sizes(boxes()), r"draws what rf\.design returns, not what rf\.object_sizes returned"),
]


@pytest.mark.parametrize(("name", "make", "message"), WRONG)
def test_what_is_no_answer_of_the_function_is_refused_in_one_line(name, make, message):
    with pytest.raises(rf.InputError, match=message) as caught:
        drawn(name, make())
    assert "\n" not in str(caught.value)
    assert not pyplot.get_fignums(), "no empty figure is left"


def test_the_title_is_replaced_by_one_of_the_users():
    ax = rf.plot.profile(rf.profile(net()))
    ax.set_title("mine")
    assert [ax.get_title(loc=place) for place in ("left", "center", "right")] == ["", "mine", ""]


def test_the_sizes_of_a_design_are_those_of_objects():
    with pytest.raises(rf.InputError, match=r"draws what rf\.object_sizes returns, not what rf\.design returned"):
        rf.plot.design(*[rf.design(square(), boxes(), k=2)] * 2)


def test_ax_is_axes():
    with pytest.raises(rf.InputError, match=r"ax is 3; give axes of matplotlib, such as fig\.subplots\(\)"):
        rf.plot.profile(rf.profile(net()), ax=3)


def test_any_remedy_can_be_followed():
    """The example of each function names a function that there is, with an argument."""
    for name, answer in rf.plot.ANSWERS.items():
        for source in re.findall(r"\w+", answer.source.replace(" or ", " ")):
            assert hasattr(rf, source), (name, source)
        assert hasattr(rf, re.match(r"rf\.(\w+)", answer.example)[1])


@pytest.mark.parametrize(
    ("command", "draw"),
    [
        ("profile dilated5", lambda: rf.plot.profile(rf.profile("dilated5"))),
        ("footprint dilated5 conv5", lambda: rf.plot.footprint(rf.footprint("dilated5", "conv5"))),
        ("check dilated5 --fail-on never", lambda: rf.plot.check(rf.check("dilated5", rf.load("dilated5").input_size))),
        ("halo unet-padded --tile 512", lambda: rf.plot.halo(rf.halo("unet-padded", 512))),
        ("halo unet-padded", lambda: rf.plot.tile_costs(rf.tile_costs("unet-padded"))),
    ],
)
def test_the_command_line_saves_the_same_picture(rfscale, tmp_path, monkeypatch, command, draw):
    from rfscale.sweeps.report.pictures.style import save

    monkeypatch.chdir(tmp_path)
    code, _, err = rfscale(*command.split(), "--plot", "a.svg")
    assert (code, err) == (0, "")
    save(draw().figure, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()


@pytest.mark.torch
def test_fields_of_a_model(tmp_path):
    """Each alone with its box; all of them side by side, or the exact footprint in axes that are given."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(*[torch.nn.Conv2d(2, 2, 3, padding=1, dtype=torch.float64) for _ in range(3)]).eval()
    given = {"example_input": (1, 2, 9, 9)}
    for ds in (
        rf.predicted_field(model, "2", **given),
        rf.effective_field(model, "2", count=2, progress=rf.Progress("field"), **given),
        rf.all_fields(model, "2", **given),
    ):
        main = rf.plot.field(ds)
        assert main is main.figure.axes[0]
        check_colors(main.figure)
        main.figure.savefig(tmp_path / "field.png")
        fig, ax = pyplot.subplots()
        assert rf.plot.field(ds, ax=ax) is ax
        assert ax.get_title().startswith("Sequential")
        assert fig.get_suptitle() == ""


def test_matplotlib_is_imported_by_a_picture_alone():
    code = "import rfscale as rf, sys; rf.plot.profile; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
