"""Every picture: readers who do not tell all colours apart, titles that say the finding, axes without signs."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

pytest.importorskip("matplotlib")

SIMULATED = {  # Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as it is seen
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
APART = 12.0  # CIE76 in Lab; 2.3 is just noticeable side by side
COMMANDS = {
    "profile": "profile dilated5",
    "profile-finite": "profile resnet18 --finite",
    "footprint": "footprint dilated5 conv5",
    "path-counts": "footprint resnet18 layer2 --path-counts",
    "compare": "compare resnet18 resnet34",
    "check": "check dilated5 --fail-on never",
    "check-nothing": "check vgg16 --level error",
    "halo": "halo unet-padded --tile 512",
    "halo-costs": "halo unet-padded",
    "match": "match resnet18 --layers layer1,layer2,layer3,layer4",
    "design": "design demo.json --maps 3 --best 5",
    "design-pareto": "design demo.json --maps 2 --pareto",
    "space": "sweep demo.json",
    "count": "sweep demo.json --count extent",
    "count-two": "sweep demo.json --count extent,jump",
    "best": "sweep demo.json --best macs",
    "best-negated": "sweep demo.json --best=-extent",
    "pareto": "sweep demo.json --pareto macs,-extent",
    "pareto-three": "sweep demo.json --pareto macs,-extent,-density",
    "sample": "sweep wide.json --sample 20",
    "validate-network": "validate resnet18",
    "validate-space": "validate chains --kernel 1-4 --dilation 1-2 --depth 3",
    "validate-gaussian": "validate gaussian --kernel 2-7 --stride 1,2 --depth 30",
}


def lab(color, simulated=None) -> np.ndarray:
    """A colour of sRGB in CIE Lab, as it is seen."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if simulated is not None:
        linear = np.clip(np.array(simulated) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one, other) -> float:
    """The least difference of two colours, over all readers."""
    return min(float(np.linalg.norm(lab(one, m) - lab(other, m))) for m in (None, *SIMULATED.values()))


def marks(ax) -> dict[tuple, set[str]]:
    """The colours of what is drawn, by everything else that tells it apart."""
    from matplotlib.colors import to_hex

    found: dict[tuple, set[str]] = {}
    for line in ax.lines:
        bare = line.get_linestyle() in ("None", "") and line.get_marker() in ("None", "", None)
        if line.get_visible() and not bare and len(line.get_xdata()):
            drawn = line.get_linestyle() not in ("None", "")
            color = line.get_color() if drawn or line.get_markerfacecolor() == "none" else line.get_markerfacecolor()
            key = ("line", line.get_linestyle(), str(line.get_marker()), round(line.get_linewidth() if drawn else 0))
            found.setdefault(key, set()).add(to_hex(color))
    for patch in ax.patches:
        if patch.get_alpha() is None or patch.get_alpha() > 0.5:
            color = patch.get_facecolor() if patch.get_fill() else patch.get_edgecolor()
            found.setdefault(("patch", patch.get_fill(), round(patch.get_linewidth())), set()).add(to_hex(color))
    return found


def check_colors(figure) -> None:
    for ax in figure.axes:
        for kind, colors in marks(ax).items():
            for one, other in combinations(sorted(colors), 2):
                assert difference(one, other) >= APART, (kind, one, other)
        for image in [*ax.images, *(c for c in ax.collections if c.get_array() is not None)]:
            ramp = image.get_cmap()(np.linspace(0, 1, 32))
            for matrix in (None, *SIMULATED.values()):
                lightness = np.array([lab(c[:3], matrix)[0] for c in ramp])
                steps = np.diff(lightness[np.diff(lightness, prepend=np.inf) != 0])
                assert (steps >= -0.8).all() or (steps <= 0.8).all()  # lightness alone says the order


@pytest.fixture
def drawn(rfscale, tmp_path, monkeypatch):
    """Return the figure that a command saves."""
    from rfscale.sweeps.report.pictures import style

    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text(json.dumps(DEMO))
    (tmp_path / "wide.json").write_text(json.dumps(ANISOTROPIC))
    kept: list = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda fig, path: (kept.append(fig), save(fig, path)))

    def draw(command: str):
        code, _, err = rfscale(*command.split(), "--plot", "picture.svg")
        assert (code, err) == (0, "")
        return kept[-1]

    return draw


@pytest.mark.parametrize("name", COMMANDS)
def test_colours_are_told_apart_and_titles_say_something(drawn, name):
    figure = drawn(COMMANDS[name])
    check_colors(figure)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert any(any(letter.isdigit() or letter == "all" for letter in title) for title in titles), titles
    for ax in figure.axes:
        for text in (ax.get_xlabel(), ax.get_ylabel()):
            assert not text.startswith(("-", "−")), text


def test_a_negated_objective_is_drawn_as_the_figure(drawn):
    figure = drawn(COMMANDS["pareto"])
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("macs", "extent, pixels")
    assert min(ax.lines[0].get_ydata()) > 0
    assert "extent 11 to" in ax.get_title()
    figure = drawn(COMMANDS["best-negated"])
    assert "the largest extent is" in figure.axes[0].get_title()


def test_two_colours_that_look_alike_to_some_readers_fail():
    from rfscale.sweeps.report.pictures.style import figure

    with figure(3, 3) as (fig, axes):  # the green and the red of matplotlib, which most readers tell apart
        axes[0, 0].plot([1, 2], color="C2")
        axes[0, 0].plot([2, 1], color="C3")
    assert np.linalg.norm(lab("C2") - lab("C3")) > 80
    with pytest.raises(AssertionError, match="line"):
        check_colors(fig)
    axes[0, 0].lines[0].set_linestyle("--")
    check_colors(fig)


def test_pictures_of_the_reproduction(monkeypatch, tmp_path):
    from rfscale.sweeps.reproduction import pictures
    from rfscale.sweeps.reproduction.run import run

    kept = []
    monkeypatch.setattr(pictures, "save", lambda fig, path: kept.append(fig))
    run(tmp_path)
    assert len(kept) == 8
    for figure in kept:
        check_colors(figure)
