"""where, sizes, context and compare: a command for each, its words, and what it refuses."""

from __future__ import annotations

import json

import pytest

import rfscale as rf

VALUES = "layers: [{name: a, kernel: 3, stride: 2}, {name: b, kernel: 3, stride: 2}]\n"


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line]


# where ----------------------------------------------------------------------------------------------------------------


def test_the_place_of_an_entry(rfscale):
    """Centre 3·32 = 96 and 5·32 = 160, a box of 427 pixels, 213 on either side."""
    code, out, err = rfscale("where", "resnet50", "layer4", "3", "5", "--input-size", "224")
    assert (code, err) == (0, "")
    assert ["y", "96", "0", "223", "224", "−117", "309", "117", "86", "32"] in rows(out)
    assert ["x", "160", "0", "223", "224", "−53", "373", "53", "150", "32"] in rows(out)
    assert "its box reaches beyond the image: 27.5% of it is image" in out


def test_an_entry_of_every_layer(rfscale):
    _, by_word, _ = rfscale("where", "resnet50", "all", "10,10", "--input-size", "224")
    _, without, _ = rfscale("where", "resnet50", "10", "10", "--input-size", "224")
    assert by_word == without
    assert ["layer3", "10", "16", "160", "27", "223", "197", "70"] in rows(without)
    assert "left out, for their maps have no such entry: 15 layers" in without


def test_the_entries_of_a_pixel(rfscale, here):
    """Extent 7 at stride 4: ⌈(p − 6)/4⌉ … ⌊p/4⌋ of pixel 9 are 1 and 2; the centres are 3 + 4·o."""
    (here / "two.yaml").write_text(VALUES)
    code, out, _ = rfscale("where", "two.yaml", "b", "--pixel", "9,9")
    assert code == 0
    assert ["b", "1", "…", "2", "1", "…", "2", "1,", "1", "2,", "2"] in rows(out)


def test_what_where_refuses(rfscale):
    assert "layer4" in rfscale("where", "resnet50", "layr4")[2]
    assert "entry (7, 7) lies outside the 7×7 map" in rfscale(*"where resnet50 layer4 7 7 --input-size 224".split())[2]
    assert "--pixel asks for entries" in rfscale("where", "resnet50", "layer4", "7", "7", "--pixel", "1,1")[2]
    assert "--size goes with --pixel" in rfscale("where", "resnet50", "layer4", "--size", "4")[2]
    assert "--pixel is 'x'; give whole numbers" in rfscale("where", "resnet50", "--pixel", "x")[2]
    code, _, err = rfscale("where", "resnet50", "layer4", "a", "b")
    assert (code, "give center, or one whole number per axis" in err) == (2, True)


# sizes ----------------------------------------------------------------------------------------------------------------


def test_the_sizes_of_a_network(rfscale):
    code, out, err = rfscale("sizes", "unet", "--near", "500x375")
    assert (code, err) == (0, "")
    row = "fits, complete, divides y 16k + 12 from 188 188 492 508 8 508, 524, 540, 556, 572, 588".split()
    assert row in rows(out)
    assert "pad to 508×380: y 8, x 5 pixels more" in out
    assert "500×375 does not fit: layer 'cat4' merges maps of different sizes" in out
    _, out, _ = rfscale("sizes", "resnet50")
    assert "divides y, x 32k from 32 32 32, 64, 96, 128, 160, 192".split() in rows(out)
    assert "--near is 'a'; give pixels per axis" in rfscale("sizes", "resnet50", "--near", "a")[2]
    assert "count is 0" in rfscale("sizes", "resnet50", "--count", "0")[2]


def test_the_sizes_of_few(rfscale, here):
    spec = {"layers": [{"op": "resize", "size": 4}, {"kernel": 5, "name": "c"}]}
    (here / "none.json").write_text(json.dumps(spec))
    _, out, _ = rfscale("sizes", "none.json")
    assert "no size fits: layer 'c' (conv) leaves nothing of its 4×4 input" in out


@pytest.mark.torch
def test_the_sizes_of_a_model(rfscale, here):
    (here / "checks.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1))\n"
        "    def forward(self, x):\n"
        "        assert x.shape[-1] % 8 == 0, 'give multiples of 8'\n"
        "        return self.body(x)\n"
    )
    words = ["sizes", "checks.py:Net", "--example-input", "1,3,32,32", "--near", "30"]
    code, out, _ = rfscale(*words)
    assert code == 0
    assert "note: the model as it was read at 32×32: its code may refuse sizes" in out
    _, out, _ = rfscale(*words, "--verify")
    assert "the model does not take 30×30" in out
    assert "multiples of 8'\n" in out
    assert "the model, read at it, takes 32×32" in out
    assert "as it was read" not in out


# context --------------------------------------------------------------------------------------------------------------


def test_the_context_of_wavenet(rfscale):
    code, out, err = rfscale("context", "wavenet", "--rate", "16000")
    assert (code, err) == (0, "")
    assert "post2 3,070 191.9 0 0 1 1 0.0625 3,071 191.9".split() in rows(out)
    assert "post2: an entry reads 3,070 samples (191.9 ms) before its sample, and none after: causal" in out


def test_contexts_in_words(rfscale, here):
    layers = {
        "frames": [{"kernel": 400, "stride": 160}],
        "past": [{"op": "cumulative", "earlier": 1}, {"kernel": 3, "padding": 1}],
        "both": [{"op": "cumulative", "earlier": 1, "later": 1}],
        "late": [{"kernel": 2, "padding": [3, 0]}],
    }
    told = {}
    for name, spec in layers.items():
        (here / f"{name}.json").write_text(json.dumps({"axes": 1, "layers": spec}))
        told[name] = rfscale("context", f"{name}.json", "--rate", "8000")[1].splitlines()[-1]
    assert told == {
        "frames": "conv1: an entry reads 0 samples (0 ms) before its 160 samples, and 240 (30 ms) after",
        "past": "conv2: an entry reads everything before its sample, and 1 (0.125 ms) after",
        "both": "cumulative1 reads everything before and after",
        "late": "conv1: an entry reads 3 samples (0.375 ms) before its sample, and none after: causal; "
        "the last 2 are not read",
    }
    assert "say which is time, --axis" in rfscale("context", "resnet50")[2]
    assert "rate is 0.0; give samples per second" in rfscale("context", "wavenet", "--rate", "0")[2]


def test_data_of_a_context_go_to_files(rfscale, here):
    assert rfscale("context", "tcn", "--rate", "100", "--out", "c.json")[0] == 0
    (record,) = json.loads((here / "c.json").read_text())["records"]
    assert record["past_ms"] == 10 * rf.context("tcn").past.item()


# compare --------------------------------------------------------------------------------------------------------------


def test_two_depths_side_by_side(rfscale, here):
    code, out, err = rfscale(*"compare resnet50 resnet101 --no-effective --plot c.png --out c.json".split())
    assert (code, err) == (0, "")
    assert ["layer4", "32", "427", "→", "971", "213", "→", "485"] in rows(out)
    assert ["layer3.6", "only", "b", "16", "299", "149"] in rows(out)
    assert "76 layers are in both (76 by name): 61 are equal in all figures, 15 differ" in out
    assert "68 only in b (resnet101)" in out
    assert "layer4: extent 427 → 971, padding 213 → 485; equal stride 32" in out
    assert "fc: a global receptive field in both" in out
    assert "weights: 25.5 M → 44.44 M, ×1.74" in out
    assert (here / "c.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((here / "c.json").read_text())["attrs"]["b"] == "resnet101"


def test_the_same_network_twice(rfscale):
    _, out, _ = rfscale("compare", "resnet18", "resnet18")
    assert "all figures of all of them are equal" in out
    assert "layer4: equal (stride 32, extent 435, padding 217, effective 95 %" in out
    _, out, _ = rfscale("compare", "resnet50", "resnet50", "--other-arg", "stride_in=1x1", "--no-effective")
    assert "layer4: extent 427 → 483" in out
    _, out, _ = rfscale("compare", "stack", "stack", "--arg", "n=3", "--other-arg", "n=4", "--every", "--depth", "all")
    assert ["conv1", "1", "3", "1"] in [row[:4] for row in rows(out)]
    assert "conv3: extent 7 → 9, padding 3 → 4" in out


def test_layers_of_other_names(rfscale, here):
    (here / "two.yaml").write_text(VALUES)
    (here / "other.yaml").write_text(VALUES.replace("name: a", "name: first").replace("name: b", "name: last"))
    _, out, _ = rfscale("compare", "two.yaml", "other.yaml", "--every")
    assert "2 layers are in both (1 by output, 1 by order): all figures of all of them are equal" in out
    assert ["b", "b:", "last", "4", "7", "0", "7"] in rows(out)
    assert "compare networks of one kind" in rfscale("compare", "resnet18", "tcn")[2]
    assert "no network 'resnet5'" in rfscale("compare", "resnet50", "resnet5")[2]
