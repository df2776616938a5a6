"""Check: the planted fault is found, sound networks are left in peace, and the three formats say the same."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.check.check import check
from rfscale.engine.analysis.check.dilation import hdc
from rfscale.engine.analysis.check.formats import written
from rfscale.engine.analysis.check.rules import LEVELS, RULES, Finding
from rfscale.engine.analysis.coverage import coverage
from rfscale.engine.errors import InputError
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from tests.oracles import plain_sets as reference


def found(network: Network, size=None, **kw) -> dict[tuple[str, str], Finding]:
    return {(f.rule, f.layer): f for f in check(network, size, **kw)}


def rules(network: Network, size=None, level: str = "warning") -> set[str]:
    return {f.rule for f in check(network, size) if LEVELS.index(f.level) >= LEVELS.index(level)}


def tcn(padding, axes: int = 1) -> Network:
    """As keras-tcn with kernel_size=2: two convolutions a block, dilations 1, 2, …, 32."""
    b = NetworkBuilder("tcn", axes=axes)
    x = b.conv(kernel=1)
    for d in (1, 2, 4, 8, 16, 32):
        b.conv(kernel=2, dilation=d, padding=padding(d), inputs=x)
        y = b.conv(kernel=2, dilation=d, padding=padding(d))
        x = b.add(inputs=[x, y])
    return b.build()


def head(pooled: bool, rates=(6, 12, 18)) -> Network:
    b = NetworkBuilder("aspp", input_size=(33, 33))
    b.conv("stem", kernel=3, padding=1)
    maps = [b.conv(f"rate{r}", kernel=3, dilation=r, padding=r, inputs="stem") for r in rates]
    if pooled:
        maps.append(b.conv("image", kernel=1, inputs=b.global_pool("pool", inputs="stem")))
    b.concat("out", inputs=[b.conv("point", kernel=1, inputs="stem"), *maps])
    return b.build()


# ------------------------------------------------------------------ planted faults


def test_five_dilated_layers_have_holes():
    fault = found(rf.load("dilated5"))["gridding", "conv5"]
    assert (fault.level, fault.value) == ("error", 121 / 441)
    assert "121 of the 441 pixels" in fault.message
    assert found(rf.load("dilated5"))["hdc_rule", "conv5"].value == 2  # which Wang's M2 <= 3 accepts


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_shortcuts_of_resnets_skip_three_quarters(name):
    faults = [f for f in check(rf.load(name)) if f.level != "note"]
    assert [(f.rule, f.layer, f.value) for f in faults] == [
        ("skipped_entries", f"layer{n}.0.downsample", 0.75) for n in (2, 3, 4)
    ]


def test_a_stride_in_the_first_1x1_kills_entries():
    faults = found(rf.load("resnet50-v1"))
    assert {f.layer for (rule, _), f in faults.items() if rule == "dead_entries"} == {"layer1", "layer2", "layer3"}
    assert faults["dead_entries", "layer1"].level == "error"


def test_even_kernels_drift():
    """Of `same` paddings those of dilation 1 are uneven: half a pixel each."""
    fault = found(tcn(lambda d: "same"))["drift", "add19"]
    assert (fault.level, fault.value) == ("warning", 1)
    assert "padded more on one side: conv2, conv3" in fault.message


def test_all_padding_at_the_end_drifts_far():
    fault = found(tcn(lambda d: [0, d]))["drift", "add19"]
    assert (fault.level, fault.value) == ("warning", 63)  # all 126 pixels lie after the entry's own
    assert "misaligned" in rules(tcn(lambda d: [0, d]))


def test_dilations_that_grow_too_fast_for_kernel_2():
    layers = [{"kernel": 2, "dilation": 3**n, "padding": [3**n, 0]} for n in range(5)]
    assert found(Network.sequential(*layers, axes=1))["gridding", "conv5"].value == 2**5 / 122
    layers = [{"kernel": 2, "dilation": 2**n, "padding": [2**n, 0]} for n in range(5)]
    assert rules(Network.sequential(*layers, axes=1)) == set()


def test_causal_networks_are_meant_so():
    assert rules(tcn(lambda d: [d, 0])) == set()
    assert found(tcn(lambda d: [d, 0]))["drift", "add19"].level == "note"


def test_aspp_needs_image_pooling():
    without, pooled = head(False), head(True)
    assert rules(without) >= {"gridding", "padded_taps"}
    assert found(without)["padded_taps", "rate18"].value == pytest.approx(1 - (1 - 2 * 18 / (3 * 33)) ** 2)
    assert rules(pooled) == set()
    assert "global branch" in found(pooled)["padded_taps", "rate18"].message


def test_bare_aspp_of_the_zoo():
    assert found(rf.load("aspp"))["gridding", "aspp"].level == "error"


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19", "alexnet", "stack20", "plain5", "mobilenet-v1"])
def test_sound_networks_are_left_in_peace(name):
    assert rules(rf.load(name)) == set()


def test_vgg16_has_nothing_at_all():
    assert check(rf.load("vgg16")) == []


# ------------------------------------------------------------------ each rule


def test_dead_pixels_and_skipped_entries():
    net = Network.sequential({"kernel": 2, "stride": 3}, input_size=[9, 9])
    faults = found(net)
    assert faults["dead_pixels", "conv1"].value == 45 / 81
    assert "y 2, 5, 8; x 2, 5, 8" in faults["dead_pixels", "conv1"].message
    assert faults["skipped_entries", "conv1"].value == pytest.approx(5 / 9)


def test_the_rest_of_an_image_that_no_window_reaches():
    net = Network.sequential({"kernel": 3, "stride": 3}, input_size=[300, 301])
    assert found(net)["dead_pixels", "conv1"].level == "note"


def test_aliasing_and_patches():
    pool = Network.sequential({"op": "avg_pool", "kernel": 2})
    assert ("aliasing", "avg_pool1") in found(pool)
    assert found(Network.sequential({"kernel": 4, "stride": 4}))["patches", "conv1"].level == "note"
    assert rules(Network.sequential({"kernel": 3, "stride": 2})) == set()


def test_redundant():
    assert found(rf.load("context-module"))["redundant", "conv8"].level == "note"


def test_beyond_input_and_wasted_growth():
    net = Network.sequential(*[{"kernel": 3, "padding": 1}] * 40, input_size=[16, 16])
    faults = found(net)
    assert faults["beyond_input", "conv40"].value == 81 / 16
    assert faults["wasted_growth", "conv16"].value == 25 / 40  # 15 layers reach from corner to corner
    assert ("border_padding", "conv40") in faults


def test_mirrored_branches_are_misaligned_like_others():
    b = NetworkBuilder(axes=1, input_size=32)
    b.flip("f", reverse=1)
    b.conv("a", kernel=3, padding=[2, 0])
    b.add("s", inputs=["f", "a"])
    assert found(b.build())["misaligned", "s"].value == 1


def test_misaligned_and_jumps():
    b = NetworkBuilder("odd")
    x = b.conv("left", kernel=3, inputs="input")
    y = b.conv("right", kernel=5, padding=[1, 0, 1, 4], inputs="input")
    b.add("sum", inputs=[x, y])
    fault = found(b.build())["misaligned", "sum"]
    assert (fault.level, fault.value) == ("warning", 1)
    b = NetworkBuilder("beside the image")  # which lies half an entry after what is halved and doubled
    b.conv("down", kernel=3, stride=2, padding=1)
    x = b.upsample("up", scale=2)
    b.concat("both", inputs=["input", x])
    fault = found(b.build())["misaligned", "both"]
    assert (fault.level, fault.value) == ("note", 0.5)
    assert "input lies 0.5 pixels after up" in fault.message
    b = NetworkBuilder("strides", input_size=9)
    x = b.conv("fine", kernel=1, inputs="input")
    y = b.conv("coarse", kernel=1, stride=2, inputs="input")
    z = b.resize("up", size=9, inputs=y)
    b.add("sum", inputs=[x, z])
    assert ("jumps", "sum") in found(b.build())


def test_asymmetric_and_checkerboard():
    assert found(Network.sequential({"kernel": [1, 9]}))["asymmetric", "conv1"].value == 9
    net = Network.sequential({"kernel": 3}, {"op": "conv_transpose", "kernel": 3, "stride": 2})
    assert found(net)["checkerboard", "conv_transpose2"].value == 2
    even = Network.sequential({"kernel": 3}, {"op": "conv_transpose", "kernel": 4, "stride": 2})
    assert "checkerboard" not in rules(even)


def test_limits_can_be_changed():
    net = rf.load("resnet18")
    assert check(net, limits={"skipped_entries": (None, None, None)})[0].level == "note"  # the worst is the first
    with pytest.raises(InputError, match="did you mean 'gridding'"):
        check(net, limits={"griding": (None, None, None)})


def test_a_bad_size_is_one_line():
    with pytest.raises(InputError, match="leaves nothing of its"):
        check(rf.load("vgg16"), 8)


def test_every_network_of_the_zoo_can_be_checked():
    found = [
        finding for name in ("hrnet_w18", "swin_t", "unet3d", "yolov5n", "ssd512") for finding in check(rf.load(name))
    ]
    assert len({finding.rule for finding in found}) > 2
    for finding in found:
        assert finding.rule in RULES
        assert "\n" not in finding.message


# ------------------------------------------------------------------ the hybrid-dilated-convolution rule


def test_hdc_as_in_the_paper():
    assert hdc([1, 2, 5]) == (2, True)
    assert hdc([1, 2, 9]) == (5, False)


def test_where_hdc_errs():
    """Over all runs of two to four 3×3 of rates 1 to 6, against plain sets."""
    wrong = {True: 0, False: 0}
    for n in (2, 3, 4):
        for rates in itertools.product(range(1, 7), repeat=n):
            pixels = {0}
            for rate in rates:
                pixels = {p + rate * i for p in pixels for i in (-1, 0, 1)}
            solid = len(pixels) == max(pixels) - min(pixels) + 1
            accepted = hdc(rates)[1]
            if accepted != solid:
                wrong[accepted] += 1
                net = Network.sequential(*[{"kernel": 3, "dilation": r} for r in rates], axes=1)
                if max(rates) > 1:
                    assert any(f.rule == "hdc_rule" for f in check(net)), rates
    assert wrong[True] > 0  # accepted, with holes: 2, 2, 2
    assert wrong[False] > 0  # rejected, without: the rule reads the order


def test_hdc_is_silent_where_it_is_right():
    net = Network.sequential(*[{"kernel": 3, "dilation": r} for r in (1, 2, 5)])
    assert "hdc_rule" not in {f.rule for f in check(net)}


# ------------------------------------------------------------------ how often pixels are read


@pytest.mark.parametrize("name", ["residual", "aspp", "strided", "everything"])
def test_seen_equals_the_oracle(name):
    b = NetworkBuilder(name, input_size=(12, 9))
    x = b.conv(kernel=3, stride=2, padding=1)
    if name == "strided":
        x = b.conv(kernel=2, stride=3)
    elif name == "everything":
        x = b.global_pool()
    elif name == "residual":
        x = b.add(inputs=[x, b.conv(kernel=3, padding=1)])
    else:
        wide = [b.conv(kernel=3, dilation=d, padding=d, inputs=x) for d in (2, 3)]
        x = b.concat(inputs=[*wide, b.conv(kernel=[1, 5], padding=[0, 2], inputs=x)])
    net = b.build()
    counts = np.zeros((12, 9), int)
    for entry in np.ndindex(*net.map_sizes()[x]):
        for pixel in reference.footprint(net, x, entry, (12, 9)):
            counts[pixel] += 1
    assert coverage(net, x).values.tolist() == counts.tolist()


def test_seen_needs_a_size():
    with pytest.raises(InputError, match="carries no input_size"):
        coverage(Network.sequential({"kernel": 3}), "conv1")


# ------------------------------------------------------------------ formats


def test_formats_say_the_same():
    net = rf.load("dilated5")
    findings = check(net)
    text = written(findings, net)
    assert text.splitlines()[0] == "error: conv5: the footprint has holes [gridding]"
    assert text.splitlines()[-1] == f"dilated5: 1 error, {len(findings) - 1} notes"
    data = json.loads(written(findings, net, "json"))
    assert [f["rule"] for f in data["findings"]] == [f.rule for f in findings]
    assert data["counts"] == {"note": len(findings) - 1, "warning": 0, "error": 1}
    assert written([], net) == "dilated5: nothing found"
    with pytest.raises(InputError, match="format is 'xml'"):
        written(findings, net, "xml")


def test_sarif_is_well_formed():
    """What the SARIF 2.1.0 schema requires of these objects."""
    net = rf.load("resnet50-v1")
    log = json.loads(written(check(net), net, "sarif", "nets/a.yaml"))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run = log["runs"][0]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids) == len(RULES)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("note", "warning", "error")
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "nets/a.yaml"
        assert location["logicalLocations"][0]["name"] in net
    json.loads(json.dumps(log, allow_nan=False))


# ------------------------------------------------------------------ the command


def run_check(capsys, network: str, **kw) -> tuple[int, str]:
    import typer

    from rfscale.sweeps.cli.verbs.check import check as verb

    try:
        verb(None, network, **kw)
    except typer.Exit as stop:
        return stop.exit_code, capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_exit_codes(capsys):
    assert run_check(capsys, "vgg16") == (0, "vgg16: nothing found\n")
    assert run_check(capsys, "resnet18")[0] == 1
    assert run_check(capsys, "resnet18", fail_on="error")[0] == 0
    assert run_check(capsys, "dilated5", fail_on="error")[0] == 1
    assert run_check(capsys, "dilated5", fail_on="never")[0] == 0
    code, text = run_check(capsys, "resnet18", ignore=["skipped_entries"], level="warning")
    assert (code, text) == (0, "resnet18: nothing found\n")
    with pytest.raises(InputError, match="no rule 'holes'"):
        run_check(capsys, "vgg16", ignore=["holes"])


def test_formats_of_the_command(capsys, tmp_path):
    spec = tmp_path / "net.json"
    spec.write_text(json.dumps(rf.load("dilated5").to_dict()))
    code, text = run_check(capsys, str(spec), format="sarif")
    location = json.loads(text)["runs"][0]["results"][0]["locations"][0]
    assert (code, location["physicalLocation"]["artifactLocation"]["uri"]) == (1, str(spec))
    assert run_check(capsys, "dilated5", format="json", out=tmp_path / "a.json") == (1, "")
    assert json.loads((tmp_path / "a.json").read_text())["counts"]["error"] == 1


def test_fields_that_are_given_are_checked():
    holes = Network.sequential(*[{"kernel": 3, "dilation": 2, "padding": 2}] * 12)
    field = rf.path_counts(holes, "conv12", input_size=80).assign_attrs(layer="conv12")
    found = {f.rule: f for f in check(holes, 80, fields=field)}
    assert (found["uneven_field"].level, found["uneven_field"].layer) == ("error", "conv12")
    assert "modulo 2" in found["uneven_field"].message
    deep = Network.sequential(*[{"kernel": 3, "padding": 1}] * 60)
    field = rf.path_counts(deep, "conv60", input_size=140).assign_attrs(layer="conv60")
    box = int(rf.field_figures(field, [0.95]).box_extent[0, 0])
    (small,) = [f for f in check(deep, 140, fields=[field]) if f.rule == "small_field"]
    assert (small.level, small.value) == ("note", pytest.approx(box / 121))
    assert not [f for f in check(deep, 140) if "field" in f.rule]
    even = Network.sequential(*[{"kernel": 3, "padding": 1}] * 4)
    field = rf.path_counts(even, "conv4", input_size=40).assign_attrs(layer="conv4")
    assert not [f for f in check(even, 40, fields=field) if "field" in f.rule]
    with pytest.raises(InputError, match="fields does not say what layer it is of"):
        check(even, 40, fields=rf.path_counts(even, "conv4", input_size=40))


def test_a_mirrored_map_is_read():
    b = NetworkBuilder("mirror", input_size=8)
    b.conv(kernel=3, padding=1)
    b.flip(reverse=[1, 0])
    assert not found(b.build())


def test_taps_of_a_transposed_convolution_are_compared_along_one_axis():
    """4 of stride 2 are 2 taps at every entry of one axis, 3 of stride 1 are 3 at every entry of the other."""
    b = NetworkBuilder("even")
    b.conv_transpose("up", kernel=[4, 3], stride=[2, 1], padding=1)
    assert ("checkerboard", "up") not in found(b.build())
    b = NetworkBuilder("uneven")
    b.conv_transpose("up", kernel=[4, 3], stride=2, padding=1)
    assert "1 to 2 taps along x" in found(b.build())["checkerboard", "up"].message


def test_what_upsampling_copies_at_the_border_is_no_padding():
    b = NetworkBuilder("enlarged", input_size=16)
    b.conv(kernel=8, stride=8)
    b.upsample(scale=8, mode="bilinear")
    assert "padded_taps" not in rules(b.build())
