"""Ways in: names of libraries, parts of models, TorchScript; each without a line on the user's screen."""

import json
import subprocess
import sys

import pytest

import rfscale as rf
from rfscale.engine.readers.load import kind_of, load_named


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("resnet50", "zoo"),
        ("a.onnx", "onnx"),
        ("a.pt2", "program"),
        ("a.keras", "keras"),
        ("a.h5", "keras"),
        ("a.cfg", "darknet"),
        ("a.yaml", "spec"),
        ("timm:resnet50d", "name"),
        ("torchvision:resnet18#layer3", "name"),
        ("hf:some/folder", "name"),
        ("hf:some/folder/config.json", "name"),
        ("package.module:factory", "python"),
        ("file.py:factory", "python"),
        ("file.py:factory#backbone", "python"),
    ],
)
def test_kinds_of_texts(text, kind):
    assert kind_of(text) == kind


@pytest.mark.parametrize("text", ["a.pt", "a.pth", "a.safetensors", "folder:a.ckpt"])
def test_weights_are_refused_with_the_way_to_go(text):
    with pytest.raises(rf.InputError, match="holds weights, not a graph that can be read; name the code"):
        kind_of(text)


def test_kinds_by_what_a_file_holds(tmp_path):
    keras, ultralytics, spec = tmp_path / "k.json", tmp_path / "u.yaml", tmp_path / "s.json"
    keras.write_text('{"class_name": "Functional", "config": {}}')
    ultralytics.write_text("nc: 3\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\nhead:\n  - [[0], 1, Detect, [nc]]\n")
    spec.write_text('{"layers": []}')
    assert [kind_of(str(path)) for path in (keras, ultralytics, spec)] == ["keras", "ultralytics", "spec"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a.keras", {"trust": True}, "a.keras is no file that may run code; leave trust out"),
        ("a.cfg", {"depth": 3}, "a.cfg takes no parameter 'depth'"),
        ("timm:hf-hub:someone/model", {}, "is no name of a model; nothing is downloaded"),
        ("timm:../resnet", {}, "is no name of a model; nothing is downloaded"),
        ("hf:nowhere/at-all", {}, "no such folder or file; give one of this machine, for nothing is downloaded"),
    ],
)
def test_wrong_texts_are_one_line(text, options, message):
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.load(text, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.torch
def test_names_of_torchvision_and_parts():
    pytest.importorskip("torch")
    network = rf.load("torchvision:resnet18")
    assert network.name == "resnet18"
    part = rf.load("torchvision:resnet18#layer1")
    assert (part.name, part.layers[0].name) == ("resnet18#layer1", "0.conv1")
    assert rf.profile(part).extent.values[-1].tolist() == [9, 9]
    found = rf.load("torchvision.models.detection:fasterrcnn_resnet50_fpn#backbone.body", weights_backbone=None)
    assert rf.profile(found).jump.values[-1].tolist() == [32, 32]
    fetched = rf.load("torchvision.models.detection:fasterrcnn_resnet50_fpn#backbone.body")  # its default downloads
    assert fetched.to_dict() == found.to_dict()
    with pytest.raises(rf.InputError, match="the model has no module 'layr1'; did you mean 'layer1'"):
        rf.load("torchvision:resnet18#layr1")
    with pytest.raises(rf.InputError, match="torchvision has no model 'resnet19'; did you mean 'resnet18'"):
        rf.load("torchvision:resnet19")


@pytest.mark.torch
def test_names_of_timm_and_smp():
    pytest.importorskip("torch")
    pytest.importorskip("timm")
    assert rf.load("timm:resnet26d", input_size=64).input_size == (64, 64)
    assert load_named("timm:resnet26d", {"in_chans": 1}, {}).input_channels == 1
    with pytest.raises(rf.InputError, match="timm has no model 'resnet26dd'; did you mean 'resnet26d'"):
        rf.load("timm:resnet26dd")
    pytest.importorskip("segmentation_models_pytorch")
    assert rf.load("smp:Unet", encoder_name="resnet18").name == "Unet"


@pytest.mark.torch
def test_functions_of_libraries_are_python():
    pytest.importorskip("timm")
    assert (kind_of("timm:create_model"), kind_of("timm:resnet18")) == ("python", "name")


@pytest.mark.torch
def test_configurations_of_transformers(tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    config.architectures = ["ResNetModel"]
    config.save_pretrained(tmp_path)
    network = rf.load(f"hf:{tmp_path}", input_size=64)
    assert network.input_size == (64, 64)
    assert rf.load(f"hf:{tmp_path / 'config.json'}", input_size=64).layers == network.layers
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "no-such", "auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(rf.InputError):
        rf.load(f"hf:{tmp_path}")


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # of Ultralytics, when it is imported
def test_files_of_ultralytics(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("ultralytics")
    file = tmp_path / "small.yaml"
    rows = ["nc: 3", "backbone:", "  - [-1, 1, Conv, [8, 3, 2]]", "  - [-1, 1, C2f, [8, True]]", "head:"]
    file.write_text("\n".join([*rows, "  - [[0, 1], 1, Detect, [nc]]", ""]))
    network = rf.load(file, input_size=64)
    assert rf.profile(network).jump.values.max() == 2
    file.write_text("activation: __import__('os').system('true')\n" + file.read_text())
    with pytest.raises(rf.InputError, match=r"its activation is .* must be one of torch\.nn"):
        rf.load(file)


class Script:
    """A module for TorchScript, made where torch is there."""

    @staticmethod
    def make(torch):
        return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, stride=2)).eval()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch.jit is deprecated
def test_torchscript(tmp_path):
    torch = pytest.importorskip("torch")
    module = Script.make(torch)
    plain = rf.profile(module, 32).extent.values
    for script in (torch.jit.script(module), torch.jit.trace(module, torch.zeros(1, 1, 32, 32))):
        assert rf.profile(script, 32).extent.values.tolist() == plain.tolist()
        torch.jit.save(script, tmp_path / "script.pt")
        with pytest.raises(rf.InputError, match="may run code when it is loaded; nothing was run; if you trust"):
            rf.load(tmp_path / "script.pt")
        found = rf.load(tmp_path / "script.pt", trust=True, input_size=32)
        assert (found.name, found.input_channels) == ("script", 1)
        assert rf.profile(found).extent.values.tolist() == rf.profile(module).extent.values.tolist()


@pytest.mark.torch
def test_layers_that_learn_their_channels_stay_as_they_are():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.LazyConv2d(4, 3), torch.nn.LazyBatchNorm2d(), torch.nn.LazyConv2d(4, 3))
    before = repr(module)
    assert rf.profile(rf.load(module)).extent.values[-1].tolist() == [5, 5]
    assert repr(module) == before


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_models_of_any_dtype(dtype):
    torch = pytest.importorskip("torch")
    module = Script.make(torch).to(getattr(torch, dtype))
    assert rf.profile(rf.load(module, example_input=(1, 1, 32, 32))).extent.values[-1].tolist() == [5, 5]


LOUD = """
import logging, sys, warnings
import torch
import rfscale as rf

class Loud(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.later = torch.nn.Conv2d(4, 4, 3)

    def forward(self, x):
        warnings.warn("a warning of the model")
        logging.getLogger("torch._dynamo").error("a line of a log")
        x = self.conv(x)
        if x.mean() > 0:
            x = self.later(x)
        return x

module = Loud().train()

def state():
    hooks, logs = len(module._forward_hooks), logging.root.manager.disable
    return module.training, module.later.training, hooks, sorted(vars(module)), logs

before = state()
rf.profile(rf.load(module))
rf.profile(module, 32)
assert state() == before
"""


@pytest.mark.torch
def test_nothing_on_the_screen_and_nothing_left(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "loud.py").write_text(LOUD)
    done = subprocess.run([sys.executable, tmp_path / "loud.py"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
