"""Measured fields: against the published protocols written down plainly, and the exact footprint."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.fields.measuring.images import draws
from tests.engine.fields import small_models

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
NAMES = "chain strided residual branches depthwise resized nearest shuffled line pooled global head".split()


@cache
def some():
    return small_models.models()


def made(name):
    model, layer, shape = some()[name]
    return copy.deepcopy(model), layer, shape


def plain(model, images, y, x, protocol, seed=0):
    """One image after the other, as the articles have it; `model` returns the map."""
    import torch

    maps = []
    for number, image in enumerate(images):
        image = image[None].clone().requires_grad_(True)
        out = model(image)
        normal = draws(seed, 0 if protocol == "luo2016-signed" else number, 1, (out.shape[1],)).double()
        if protocol == "replknet":
            total = torch.nn.functional.relu(out[:, :, y, x]).sum()
        elif protocol == "squared":
            total = (out[0, :, y, x] * torch.where(normal > 0, 1.0, -1.0)).sum()
        else:
            total = (out[0, :, y, x] * normal).sum()
        grad = torch.autograd.grad(total, image)[0]
        if protocol == "replknet":
            grad = torch.nn.functional.relu(grad)
        elif protocol == "squared":
            grad = grad**2
        elif protocol == "luo2016":
            grad = grad.abs()
        maps.append(grad.sum((0, 1)).numpy())
    mean = np.mean(maps, axis=0)
    error = np.std(maps, axis=0, ddof=1) / np.sqrt(len(maps))
    return (np.abs(mean) if protocol == "luo2016-signed" else mean), error


@pytest.mark.parametrize("protocol", ["squared", "luo2016", "luo2016-signed", "replknet"])
@pytest.mark.parametrize("name", ["residual", "unet"])
def test_the_published_protocols(name, protocol):
    import torch

    model, layer, shape = made(name)
    model = model.double()
    images = torch.randn((7, *shape[1:]), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = rf.effective_field(model, layer, images, protocol=protocol, batch=3)
    y, x = found.attrs["entry"]
    mean, error = plain(model, images, y, x, protocol)
    np.testing.assert_allclose(found.field.values, mean, rtol=1e-10, atol=1e-12 * mean.max())
    if protocol != "luo2016-signed":
        np.testing.assert_allclose(found.standard_error.values, error, rtol=1e-8, atol=1e-12 * mean.max())
    assert (found.attrs["count"], found.attrs["kind"]) == (7, "measured")


@pytest.mark.parametrize("name", NAMES)
def test_the_support_is_the_exact_footprint(name):
    model, layer, shape = made(name)
    model = small_models.positive(model)
    net = rf.load(model, example_input=shape)
    found = rf.effective_field(model, layer, count=12, example_input=shape)
    at = found.attrs["entry"] or (0,) * (len(shape) - 2)
    exact = rf.footprint(net, rf.engine.network.modules.module_layer(net, layer), at, shape[2:]).values
    assert not (found.field.values[~exact] != 0).any()
    if name != "head":  # its max-pools choose
        assert np.array_equal(found.field.values > 0, exact)
    wrong = np.roll(exact, 1, axis=-1)
    assert name in ("global", "head") or not np.array_equal(found.field.values > 0, wrong)


def test_max_pools_give_gradient_to_every_tap_in_time():
    model, layer, shape = made("pools")
    net = rf.load(model, example_input=shape)
    found = rf.effective_field(model, layer, count=400, example_input=shape)
    exact = rf.footprint(net, "3", found.attrs["entry"], shape[2:]).values
    assert np.array_equal(found.field.values > 0, exact)


def test_it_goes_on_where_it_stopped(tmp_path):
    model, layer, shape = made("residual")
    whole = rf.effective_field(model, layer, count=30, example_input=shape, batch=30)
    state = tmp_path / "sums.npz"
    seen = []

    def stop(done, count):
        seen.append((done, count))
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rf.effective_field(model, layer, count=30, example_input=shape, batch=4, resume=state, progress=stop)
    again = []
    found = rf.effective_field(
        model, layer, count=30, example_input=shape, batch=5, resume=state, progress=lambda *n: again.append(n)
    )
    assert (seen, again) == ([(4, 30), (8, 30), (12, 30)], [(17, 30), (22, 30), (27, 30), (30, 30)])
    np.testing.assert_allclose(found.field, whole.field, rtol=1e-4)
    np.testing.assert_allclose(found.standard_error, whole.standard_error, rtol=1e-3)
    for other, key in (({"seed": 3}, "seed"), ({"protocol": "replknet"}, "protocol"), ({"entry": (0, 0)}, "entry")):
        with pytest.raises(rf.InputError, match=f"the state of another measurement: {key} is"):
            rf.effective_field(model, layer, count=30, example_input=shape, resume=state, **other)
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(rf.InputError, match="is no state of a measurement"):
        rf.effective_field(model, layer, example_input=shape, resume=tmp_path / "bad.npz")


def test_images_of_every_kind_are_the_same(tmp_path):
    import torch

    model, layer, shape = made("residual")
    images = torch.rand((6, *shape[1:]), generator=torch.Generator().manual_seed(1))
    expected = rf.effective_field(model, layer, images)
    loader = torch.utils.data.DataLoader([(x, 0) for x in images], batch_size=4)
    for number, image in enumerate(images.numpy()):
        np.save(tmp_path / f"{number}.npy", image)
    given = [images.numpy(), loader, iter([images[:1], images[1:]]), [{"image": images}], tmp_path, str(tmp_path)]
    for other in given:
        size = {"input_size": 22} if hasattr(other, "parts") or isinstance(other, str) else {}
        found = rf.effective_field(model, layer, other, **size)
        np.testing.assert_allclose(found.field, expected.field, rtol=1e-5)
    assert rf.effective_field(model, layer, loader, count=3).attrs["count"] == 3
    half = rf.effective_field(copy.deepcopy(model).bfloat16(), layer, images)
    assert float(rf.compare_fields(expected, half).correlation) > 0.99


def test_pictures_are_scaled_and_normalized(tmp_path):
    from PIL import Image

    from rfscale.engine.fields.measuring.images import IMAGENET, read_image

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (22, 22, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mean, spread = (np.array(v).reshape(3, 1, 1) for v in IMAGENET)
    expected = (pixels.transpose(2, 0, 1) / 255 - mean) / spread
    np.testing.assert_allclose(read_image(tmp_path / "a.png", (1, 3, 22, 22), IMAGENET), expected, rtol=1e-5)
    model, layer, _ = made("residual")
    found = rf.effective_field(model, layer, tmp_path, input_size=22)
    assert "1 images of" in found.attrs["images"]
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(rf.InputError, match="is no picture that can be read"):
        rf.effective_field(model, layer, tmp_path, input_size=22)


# bad input -----------------------------------------------------------------------------------------------------------


def models_without_gradient():
    import torch
    from torch import nn

    class Argmax(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Identity()

        def forward(self, x):
            return self.out(self.conv(x).argmax(1, keepdim=True).float())

    class Rounded(Argmax):
        def forward(self, x):
            return self.out(self.conv(x).round())

    class Detached(Argmax):
        def forward(self, x):
            return self.out(self.conv(x).detach())

    class Infinite(Argmax):
        def forward(self, x):
            return self.out(self.conv(x).abs().sqrt() * torch.zeros(()).log())

    class Quantised(Argmax):
        def forward(self, x):
            y = self.conv(x)
            return self.out(torch.quantize_per_tensor(y, 0.1, 0, torch.qint8).dequantize())

    found = {"argmax": Argmax(), "rounded": Rounded(), "detached": Detached(), "infinite": Infinite()}
    return found | {"quantised": Quantised()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("argmax", "no gradient of layer 'out' of Argmax reaches the image: .*argmax"),
        ("rounded", "the gradient of layer 'out' is 0 on all 5 images"),
        ("detached", "no gradient of layer 'out'"),
        ("quantised", "no gradient of layer 'out' of Quantised reaches the image: .*quantised"),
        ("infinite", "is not a number on image 0"),
    ],
)
def test_models_without_gradient(name, message):
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.effective_field(models_without_gradient()[name], "out", count=5, example_input=(1, 3, 8, 8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "relo@1"}, "has no module 'relo@1'; did you mean 'relu'"),
        ({"layer": "relu"}, "'relu' is called 2 times; name one call: relu@0, relu@1"),
        ({"entry": (11, 0)}, r"entry \(11, 0\) lies outside the 11×11 map"),
        (
            {"images": np.zeros((2, 3, 22, 23), np.float32), "input_size": 22},
            "images they are 3×22×23, where the model takes 3×22×22",
        ),
        ({"protocol": "luo"}, "protocol is 'luo'; did you mean 'luo2016'"),
        ({"images": 3}, "images is 3; give a folder"),
        ({"images": []}, "images has no images"),
        ({"images": "nowhere"}, "images is 'nowhere', is no folder"),
        ({"checkpoint": {}}, "the state dict holds no state dict"),
        ({"checkpoint": "nowhere.pt"}, "nowhere.pt is no file"),
        ({"arguments": {"width": 3}}, "is made already; arguments go with the name"),
        ({"model": "resnet50"}, "resnet50 has no weights that PyTorch can run"),
        ({"model": 3}, "3 has no weights that PyTorch can run"),
        ({"count": 0}, "count"),
        ({"resume": "state.txt"}, "resume is 'state.txt'; name a file that ends in .npz"),
        ({"normalize": "vgg", "images": "."}, "normalize is 'vgg'"),
    ],
)
def test_bad_input_is_one_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((3, 22, 22), np.float32))
    model, layer, shape = made("residual")
    options = {"model": model, "layer": layer, "count": 2, "example_input": shape} | options
    if "input_size" in options:
        del options["example_input"]
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.effective_field(**options)
    assert "\n" not in str(caught.value)


def test_a_layer_without_a_map():
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(2))
    with pytest.raises(rf.InputError, match=r"layer '1' has no spatial map: it returns a tensor of shape \(1, 4, 36\)"):
        rf.effective_field(model, "1", example_input=(1, 3, 8, 8))


def test_images_of_other_sizes_in_a_loader():
    import torch

    model, layer, _ = made("residual")
    batches = [torch.zeros(2, 3, 22, 22), torch.zeros(1, 3, 24, 22)]
    with pytest.raises(rf.InputError, match="image 2 is 3×24×22, where the model takes 3×22×22"):
        rf.effective_field(model, layer, batches)


# checkpoints ---------------------------------------------------------------------------------------------------------


class Whatever:
    """An object in a pickle."""


def test_checkpoints(tmp_path):
    import torch
    from safetensors.torch import save_file

    model, layer, shape = made("residual")
    trained = copy.deepcopy(model)
    torch.nn.init.normal_(trained.conv1.weight)
    expected = rf.predicted_field(trained, layer, example_input=shape)
    state = trained.state_dict()
    torch.save(state, tmp_path / "a.pt")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "b.pth")
    save_file(state, tmp_path / "c.safetensors")
    torch.save({"model": state, "hook": Whatever()}, tmp_path / "d.pt")
    before = copy.deepcopy(model.state_dict())
    for checkpoint in (state, tmp_path / "a.pt", tmp_path / "b.pth", str(tmp_path / "c.safetensors")):
        found = rf.predicted_field(model, layer, checkpoint=checkpoint, example_input=shape)
        assert np.array_equal(found.field, expected.field)
    assert all((before[k] == v).all() for k, v in model.state_dict().items())
    with pytest.raises(rf.InputError, match="holds more than tensors, and unpickling it may run code; nothing was run"):
        rf.predicted_field(model, layer, checkpoint=tmp_path / "d.pt", example_input=shape)
    trusted = rf.predicted_field(model, layer, checkpoint=tmp_path / "d.pt", example_input=shape, trust=True)
    assert np.array_equal(trusted.field, expected.field)
    other = {k: v for k, v in state.items() if not k.startswith("conv1")} | {"head.weight": torch.zeros(1)}
    with pytest.raises(rf.InputError, match=r"keys 2 missing \(conv1.weight, conv1.bias\), 1 unknown \(head.weight\)"):
        rf.predicted_field(model, layer, checkpoint=other, example_input=shape)
    other = state | {"conv1.weight": torch.zeros(6, 6, 5, 5)}
    with pytest.raises(rf.InputError, match=r"conv1.weight is \(6, 6, 5, 5\), not \(6, 6, 3, 3\)"):
        rf.predicted_field(model, layer, checkpoint=other, example_input=shape)
    (tmp_path / "bad.safetensors").write_text("nothing")
    with pytest.raises(rf.InputError, match="is no safetensors file"):
        rf.predicted_field(model, layer, checkpoint=tmp_path / "bad.safetensors", example_input=shape)


def test_the_model_is_left_as_it_was():
    model, layer, shape = made("residual")
    model.train()
    model.conv2.weight.requires_grad_(False)
    statistics = model.bn1.running_mean.clone()
    rf.effective_field(model, layer, count=3, example_input=shape)
    assert model.training
    assert model.bn1.training
    assert (model.bn1.running_mean == statistics).all()
    assert [p.requires_grad for p in (model.conv1.weight, model.conv2.weight)] == [True, False]
    assert model.conv1.weight.grad is None
    assert not model._forward_hooks


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_weights_of_few_digits(dtype):
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 1, 3)).eval()
    found = rf.effective_field(model.to(getattr(torch, dtype)), "1", count=2, input_size=12)
    assert int((found.field > 0).sum()) == 25


@pytest.mark.parametrize(
    ("name", "value"), [("batch", -1), ("batch", 0), ("batch", 1.5), ("batch", "x"), ("protocol", ["squared"])]
)
def test_options_that_are_none(name, value):
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3)).eval()
    with pytest.raises(rf.InputError, match=f"{name} is"):
        rf.effective_field(model, "0", input_size=12, **{"count": 2, name: value})
