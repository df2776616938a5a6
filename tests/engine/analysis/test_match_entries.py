"""Answers about objects: finer levels, global branches, resizes, bad calls, the command."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.match.match import match
from rfscale.engine.analysis.match.own_resize import without_own_resize
from rfscale.engine.analysis.match.verdicts import FEW, MANY
from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network
from tests.engine.analysis.matched import LARGE, SMALL, TRAINED, pyramid, squares

# ------------------------------------------------------------------ answers


def answers(found) -> dict[str, str]:
    return dict(zip(found.question.values.tolist(), found.answer.values.tolist(), strict=True))


def test_a_finer_level_by_hand():
    sides = [3.0] * 2 + [6.0] * 3 + [12.0] * 4 + [100.0] * 11
    found = match(pyramid(8, 16), squares(*sides), effective=False)
    assert found.under[0].item() == pytest.approx(9 / 20)
    assert (found.finer.values.tolist(), found.finer_stride.values.tolist()) == (["P2"], [4.0])
    assert found.finer_layer.values.tolist() == ["c4"]
    assert found.finer_gain.values.tolist() == pytest.approx([4 / 20])
    assert found.finer_under.values.tolist() == pytest.approx([5 / 20])
    assert answers(found) == {"Do I need P2?": "yes"}
    assert str(found.why[0].values).startswith(
        "45 % of the objects are under two entries wide on P3 (below 16 px), 55 % are not; it would be 25 % on P2 "
        "(stride 4), or with images of twice the size; P2 can begin at c4, the last map of that stride"
    )


@pytest.mark.parametrize(
    ("share", "answer"), [(FEW - 0.01, "no"), (FEW, "perhaps"), (MANY - 0.01, "perhaps"), (MANY, "yes")]
)
def test_a_level_is_needed_by_the_share_of_objects_that_it_gains(share, answer):
    n = round(100 * share)
    boxes = squares(*[12.0] * n, *[50.0] * (100 - n))
    assert answers(match(pyramid(8, 16), boxes, effective=False)) == {"Do I need P2?": answer}
    assert answers(match(pyramid(4, 8, 16), boxes, effective=False)) == {"Do I need P2?": answer}


def test_the_one_output_of_a_network_for_masks_is_not_asked_for():
    found = match(rf.load("unet"), squares(20, 40))
    assert list(answers(found)) == ["Do the largest objects fit?"]
    assert found.verdict[0].item().startswith("output: none of your objects are under two entries wide")


def test_every_level_down_to_p2_is_asked_for():
    found = match(pyramid(16, 32), squares(*[20.0] * 30, *[12.0] * 10, *[200.0] * 60), effective=False)
    assert answers(found) == {"Do I need P3?": "yes", "Do I need P2?": "perhaps"}
    assert found.finer_gain.values.tolist() == pytest.approx([0.3, 0.1])


def test_the_largest_objects():
    net = pyramid(8, 16)
    side = match(net, SMALL).effective.values[1]
    for share, answer in ((0.0, "yes"), (0.1, "most of them"), (0.5, "not all")):
        n = round(100 * share)
        found = match(net, squares(*[side * 2] * n, *[side / 2] * (100 - n)))
        assert answers(found)["Do the largest objects fit?"] == answer
        assert found.over[1].item() == pytest.approx(share)


@pytest.mark.parametrize(
    ("name", "boxes", "resize", "p2"),
    [
        ("fpn-resnet50", None, TRAINED, "no"),  # 3 % of COCO's objects lie between 8 and 16 pixels at that size
        ("ssd300", None, "square=300", "perhaps"),
        ("yolov5s", None, "letterbox=640", "perhaps"),
        ("fpn-resnet50", SMALL, None, "yes"),
        ("ssd300", SMALL, None, "yes"),
        ("yolov5s", SMALL, None, "yes"),
        ("fpn-resnet50", LARGE, None, "no"),
        ("ssd300", LARGE, None, "no"),
        ("yolov5s", LARGE, None, "no"),
    ],
)
def test_detectors_on_small_and_large_objects(name, boxes, resize, p2):
    found = match(rf.load(name), boxes, resize=resize, effective=False)
    assert answers(found) == {"Do I need P2?": p2}


def test_sentences_for_each_level():
    found = match(pyramid(8, 16), squares(10, 20, 40, 80))
    box = found.effective.values
    assert found.verdict.values.tolist() == [
        f"P3: 25 % of your objects are under two entries wide (below 16 px), 50 % are larger than its effective box "
        f"({box[0]:g} px)",
        f"P4: 50 % of your objects are under two entries wide (below 32 px), 25 % are larger than its effective box "
        f"({box[1]:g} px)",
    ]


def test_boxes_that_take_too_long_are_left_out(monkeypatch):
    from rfscale.engine.analysis.match import entries_rule

    monkeypatch.setattr(entries_rule, "MAX_CELLS", 2 * 5000)
    found = match(pyramid(8, 16), squares(10, 20, 40, 80))
    assert np.isnan(found.largest.values).tolist() == [False, True]
    assert found.over[0].item() == pytest.approx(0.5)
    assert found.verdict[1].item() == "P4: 50 % of your objects are under two entries wide (below 32 px)"
    assert answers(found)["Do the largest objects fit?"] == "not all"


# ------------------------------------------------------------------ global branches


def test_attention_brings_in_the_whole_image_and_a_norm_does_not():
    chain = [{"name": "a", "kernel": 3, "stride": 4, "padding": 1}, {"name": "b", "kernel": 3, "padding": 1}]
    attention = [*chain, {"name": "att", "op": "attention"}, {"name": "out", "op": "add", "inputs": ["b", "att"]}]
    gate = [*chain, {"name": "mean", "op": "global_pool"}, {"name": "out", "op": "multiply", "inputs": ["b", "mean"]}]
    for layers, whole in ((attention, True), (gate, False)):
        found = match(Network.from_dict({"layers": layers, "input_size": 64}), squares(500, 10))
        assert found.layer.values.tolist() == ["out"]
        assert found.whole_image.values.tolist() == [whole]
        assert found.extent.values.tolist() == [11.0]  # of the other branch
        assert answers(found)["Do the largest objects fit?"] == ("yes" if whole else "not all")


def test_a_network_without_a_local_map_is_refused():
    net = Network.from_dict({"input_size": 8, "layers": [{"op": "attention"}, {"kernel": 3, "padding": 1}]})
    with pytest.raises(InputError, match="every layer of network has a global receptive field"):
        match(net, SMALL)


# ------------------------------------------------------------------ resizes


def resizing(net: Network, size: int) -> Network:
    spec = net.to_dict()
    spec["layers"] = [{"name": "resize", "op": "resize", "size": size, "mode": "bilinear"}, *spec["layers"]]
    return Network.from_dict(spec | {"input_size": 100})


def test_a_network_that_resizes_its_images_is_measured_after_it():
    plain, net = pyramid(8, 16), resizing(pyramid(8, 16), 256)
    own = without_own_resize(net)
    assert (own.before, own.after) == ((100, 100), (256, 256))
    assert own.network.to_dict() == plain.to_dict()
    assert without_own_resize(plain) is None
    found, expected = match(net, SMALL, resize="none"), match(plain, SMALL)
    for name in ("stride", "extent", "effective", "under", "fit", "over"):
        assert found[name].values.tolist() == expected[name].values.tolist()
    assert found.attrs["own_resize"] == "100×100 to 256×256"
    by_width = match(net, SMALL, resize="none", rule="width", effective=False)
    assert "resize" not in by_width.layer.values


def test_objects_in_pixels_of_the_original_are_refused_there():
    net = resizing(pyramid(8, 16), 256)
    message = (
        "network resizes its images itself (100×100 to 256×256), and the objects are in pixels of the original; say "
        "what it does: resize='short=256,cap=1333' or resize='square=256'; or resize='none' if"
    )
    for objects in (SMALL, rf.object_sizes(SMALL)):
        with pytest.raises(InputError, match=re.escape(message)):
            match(net, objects)
    sizes = rf.object_sizes(np.column_stack([np.full((9, 2), 100), np.full((9, 2), 10)]), "square=256")
    assert match(net, sizes, effective=False).under.values.tolist() == [0, 1]  # 25.6 pixels
    assert match(net, SMALL, input_size=256, effective=False).sizes["level"] == 2  # an image that it leaves as it is


def test_sizes_that_are_resized_another_way_are_refused():
    sizes = rf.object_sizes(SMALL, "scale=0.5")
    assert match(pyramid(8, 16), sizes, resize="scale=0.5", effective=False).attrs["resize"] == "scale=0.5"
    message = "resize is 'scale=2', the sizes of the objects are already those of resize='scale=0.5'; give it to"
    with pytest.raises(InputError, match=re.escape(message)):
        match(pyramid(8, 16), sizes, resize="scale=2", effective=False)


def test_a_second_reader_of_the_image_keeps_the_resize():
    layers = [
        {"name": "half", "op": "resize", "size": 32},
        {"name": "a", "kernel": 3, "stride": 2, "padding": 1, "inputs": "input"},
        {"op": "add", "inputs": ["half", "a"]},
    ]
    assert without_own_resize(Network.from_dict({"input_size": 64, "layers": layers})) is None


def test_limits_in_pixels_of_the_original():
    images = np.column_stack([np.full((8, 2), 400), np.full((8, 2), 40)])
    found = match(pyramid(8, 16), rf.object_sizes(images, "scale=0.5"))
    assert found.scale.item() == 0.5
    assert found.smallest_original.values.tolist() == [32, 64]
    assert found.largest_original.values.tolist() == (2 * found.largest).values.tolist()
    assert "smallest_original" not in match(pyramid(8, 16), images)
    mixed = rf.object_sizes(np.array([[100, 100, 9, 9], [400, 200, 9, 9]]), "square=200")
    assert mixed.scale.item() == pytest.approx((2 * 2 * 0.5 * 1) ** 0.25)
    assert (mixed.scale_low.item(), mixed.scale_high.item()) == pytest.approx((0.5**0.5, 2))
    assert (mixed.image_width.item(), mixed.image_height.item()) == pytest.approx((200, 20000**0.5))


def test_finite_boxes_end_at_the_image():
    cut, wide = match(rf.load("ssd300"), SMALL, input_size=300), match(rf.load("ssd300"), SMALL)
    assert cut.effective.max() <= 300 < wide.effective.max()
    assert cut.attrs["mode"] == "finite (300, 300)"
    assert cut.stride.values.tolist() == wide.stride.values.tolist()


# ------------------------------------------------------------------ calls


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"k": 2}, "k is an option of the rule width; give rule='width'"),
        ({"by": "extent"}, "by is an option of the rule width"),
        ({"factor": 2.0}, "factor is an option of the rule width"),
        ({"objective": "coverage"}, "objective is an option of the rule width"),
        ({"rule": "width", "entries": 2}, "entries is an option of the rule entries; give rule='entries'"),
        ({"rule": "extents"}, "rule is 'extents'; it must be 'entries' or 'width'"),
        ({"entries": 0}, "entries is 0; it must be a number above 0"),
        ({"entries": True}, "entries is True"),
        ({"entries": float("nan")}, "entries is nan"),
        ({"layers": ["fc8"]}, "'fc8' has a global receptive field"),
        ({"layers": ["conv9"]}, "no layer 'conv9'"),
        ({"layers": []}, "layers is empty"),
    ],
)
def test_bad_calls_are_one_line(kw, message):
    with pytest.raises(InputError, match=message):
        match(rf.load("vgg11"), squares(9), effective=False, **kw)


def test_the_command(tmp_path, capsys):
    import xarray as xr

    from rfscale.sweeps.cli.verbs.match import match as verb

    (tmp_path / "a.csv").write_text("image_width,image_height,width,height\n99,99,20,20\n99,99,0,9\n99,99,90,90\n")
    (tmp_path / "net.json").write_text(json.dumps(pyramid(8, 16).to_dict()))
    context = SimpleNamespace(obj={"command": "rfscale match"})
    for suffix in ("csv", "json", "nc"):
        out = tmp_path / f"out.{suffix}"
        verb(context, str(tmp_path / "net.json"), objects=tmp_path / "a.csv", resize="scale=0.5", out=out)
        text = capsys.readouterr().out
        assert "Do I need P2? Yes: 50 % of the objects are under two entries wide on P3 (below 16 px)" in text
        assert "P4: 50 % of your objects are under two entries wide (below 32 px)" in text
        assert re.search(r"P3 +box8 +8 +16 +\d+ +50.0% .* 32 .* 31", text)
        assert "left out: 1 zero size" in text
        assert "one pixel of the original becomes 0.5" in text
        assert f"written: {out}" in text
    header, first, *_ = (tmp_path / "out.csv").read_text().splitlines()
    assert header.startswith(
        "level,layer,stride,extent,is_output,whole_image,effective,smallest,largest,under,fit,over"
    )
    assert first.startswith("P3,box8,8")
    groups = json.loads((tmp_path / "out.json").read_text())
    assert {"level", "question", "finer", "bin", "q"} <= {name.strip("/") for name in groups}
    stored = xr.open_dataset(tmp_path / "out.nc")
    assert stored.answer.values.tolist()[0] == "yes"
    verb(context, str(tmp_path / "net.json"), objects=tmp_path / "a.csv")
    assert "images as they are, 99×99 px on average" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 100, 120, None])
def test_nothing_is_lost_in_a_narrow_terminal(width):
    from rfscale.sweeps.report.tables.match import match_report
    from rfscale.sweeps.report.terminal import rendered

    sizes = rf.object_sizes(resize="letterbox=640")
    found = match(rf.load("yolov5s"), sizes)
    lines = rendered(match_report(found, sizes), width).split("\n")
    table = [line for line in lines if line.startswith(("P3 ", "P4 ", "P5 "))]
    assert [row.split()[3] for row in table[:3]] == ["16", "32", "64"]
    cells = ["P3", *(cell for row in table if row.startswith("P3 ") for cell in row.split()[1:])]  # in one part, or two
    assert cells[:8] == ["P3", "model.17", "8", "16", "383", "11.6%", "84.5%", "3.9%"]
    assert len(cells) == 11
    assert all(len(row) <= (width or 200) for row in table)


@pytest.mark.parametrize("boxes", [SMALL, LARGE, squares(16)], ids=["small", "large", "one"])
def test_the_picture(tmp_path, boxes):
    pytest.importorskip("matplotlib")
    from rfscale.sweeps.report.pictures.match import match_figure
    from rfscale.sweeps.report.pictures.style import save

    for name in ("ssd300", "resnet18"):
        found = match(rf.load(name), boxes)
        fig = match_figure(found)
        assert "Do I need P2?" in fig.axes[0].get_title()
    save(fig, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 20_000
    match_figure(match(pyramid(8, 16), boxes, effective=False))
