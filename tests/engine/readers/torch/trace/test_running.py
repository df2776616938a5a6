"""Models are read while they run: whatever Python does in a forward, in-place writes and views, judged by NaN."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.engine.errors import PartlyReadWarning

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")]
torch = pytest.importorskip("torch")
SHAPE = (1, 4, 9, 8)


def influence(module, shape=SHAPE):
    """Which entries (of the last dims of the output) become NaN for each pixel that is NaN: [*entry, *pixel]."""
    module = copy.deepcopy(module).double().eval()
    pixels = shape[2:]
    found = []
    with torch.no_grad():
        for pixel in np.ndindex(*pixels):
            image = torch.rand(shape, dtype=torch.float64)
            image[(slice(None), slice(None), *pixel)] = float("nan")
            out = module(image)
            found.append(out.isnan().flatten(0, 1).any(0).numpy())
    stacked = np.stack(found, -1)
    return stacked.reshape(*stacked.shape[:-1], *pixels)


def check(module, shape=SHAPE, **options):
    """Compare the footprint of every entry of the output; return the network."""
    net = rf.load(module, example_input=shape, **options)
    right = influence(module, shape)
    name = net.outputs[-1]
    assert net.map_sizes()[name] == right.shape[: len(shape) - 2]
    for entry in np.ndindex(*right.shape[: len(shape) - 2]):
        found = rf.footprint(net, name, entry, shape[2:]).values
        np.testing.assert_array_equal(found, right[entry], err_msg=f"entry {entry}")
    return net


class Model(torch.nn.Module):
    """A forward of a test, with two convolutions."""

    def __init__(self, forward):
        super().__init__()
        self.a = torch.nn.Conv2d(4, 4, 3, padding=1)
        self.b = torch.nn.Conv2d(4, 4, (1, 3), padding=(0, 1))
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def additions_to_a_part(m, x):
    y = m.a(x)
    y[:, :2].add_(m.a(y)[:, :2])
    return m.b(y)


def rows_that_are_replaced(m, x):
    y = m.a(x)
    y[:, :, 2:4] = m.b(x)[:, :, 5:7]
    return m.b(y)


def one_row(m, x):
    y = m.b(x).clone()
    y[..., 3, :] = x[..., 0, :]
    return y


def every_second_column(m, x):
    y = torch.zeros_like(x)
    y[..., ::2] = m.a(x)[..., ::2]
    y[..., 1::2] = x[..., 1::2]
    return y


def a_buffer_that_is_filled(m, x):
    y = torch.zeros(1, 4, 11, 8)
    y[:, :, 1:-1] = x.float()
    return m.a(y) if x.dtype == torch.float32 else m.a(y.double())


def a_view_that_is_read_after_a_write(m, x):
    y = m.b(x)
    top = y[:, :, :3]
    y += m.a(x)
    return m.b(torch.cat([top, y[:, :, 3:]], 2))


def a_write_through_a_permutation(m, x):
    y = m.b(x)
    y.permute(0, 2, 3, 1)[:, 4] = m.a(x).permute(0, 2, 3, 1)[:, 4]
    return y


def a_write_through_a_reshape(m, x):
    y = m.b(x)
    y.view(1, 4, 72)[:, :, :] = m.a(x).flatten(2)
    return y


def parts_that_are_scaled(m, x):
    y = m.a(x)
    left, _ = y.chunk(2, 3)
    left.mul_(m.b(x)[..., :4])
    return y


def zeros_in_a_row(m, x):
    y = m.a(x)
    y[:, :, 0] = 0
    return m.b(y)


def out_argument(m, x):
    y = torch.empty_like(x)
    torch.add(m.a(x), x, out=y)
    return y


def loops_and_dicts(m, x):
    found = {"x": x}
    for i in range(3):
        found[i] = m.b(found["x"] if i == 0 else found[i - 1])
    return found[2]


def shapes_changed_in_place(m, x):
    y = m.a(x)
    y.unsqueeze_(1).squeeze_(1)
    z = m.b(x).transpose_(2, 3)
    z[:, :, 2] = 0
    return z.transpose(2, 3) + y


def subtract_alias(m, x):
    return torch.subtract(m.a(x), m.b(x)).multiply(2)


def attribute_data(m, x):
    y = m.a(x)
    return m.b(y.data)


def last_write_counts(m, x):
    y = m.a(x)
    y.copy_(x)
    return m.b(y)


def rows_shifted_by_padding(m, x):
    """Positions relative to each column made absolute: 2·8 − 1 of them are in the channels."""
    y = m.a(x).repeat(1, 4, 1, 1)[:, :15].permute(0, 2, 3, 1).reshape(9, 8, 15)
    y = torch.nn.functional.pad(torch.nn.functional.pad(y, [0, 1]).flatten(1), [0, 15 - 8])
    return y.reshape(9, 9, 15)[:, :8, 7:].permute(2, 0, 1).unsqueeze(0)


def nothing_between_pixels_by_padding(m, x):
    y = torch.nn.functional.pad(m.a(x).reshape(1, 4, 9, 1, 8, 1), [0, 1, 0, 0, 1, 1])
    return m.b(y.reshape(1, 4, 27, 16))


def nothing_between_pixels_by_stacking(m, x):
    return m.b(torch.stack([torch.zeros_like(x), m.a(x)], -1).flatten(3))


def nothing_between_pixels_by_a_write(m, x):
    y = torch.zeros(1, 4, 9, 8, 3, dtype=x.dtype)
    y[..., 1] = m.a(x)
    return m.b(y.flatten(3))


def a_row_that_is_repeated(m, x):
    y = m.a(x)
    return m.b(torch.cat([y[:, :, :1].repeat(1, 1, 2, 1), y, y[:, :, -1].unsqueeze(2)], 2).repeat(1, 1, 2, 1))


def pixels_that_are_cut_after_they_were_channels(m, x):
    return m.b(m.a(x).reshape(1, 2, 2, 9, 8).permute(0, 1, 3, 2, 4).reshape(1, 2, 18, 8)[:, :, 1:].repeat(1, 2, 1, 1))


def different_maps_as_pixels(m, x):
    return m.b(torch.stack([m.a(x), x], -1).flatten(3))


def rows_shifted_by_a_column(m, x):
    """The same as transformers of sequences do it."""
    y = m.b(x).permute(0, 2, 3, 1)
    y = torch.nn.functional.pad(y, [1, 0]).reshape(1, 9, 5, 8)[:, :, 1:].reshape(1, 9, 8, 4)
    return m.a(y.permute(0, 3, 1, 2))


IDIOMS = [
    additions_to_a_part, rows_that_are_replaced, one_row, every_second_column, a_buffer_that_is_filled,
    a_view_that_is_read_after_a_write, a_write_through_a_permutation, a_write_through_a_reshape,
    parts_that_are_scaled, shapes_changed_in_place, zeros_in_a_row, out_argument, loops_and_dicts, subtract_alias,
    attribute_data, last_write_counts, rows_shifted_by_padding,
    nothing_between_pixels_by_padding, nothing_between_pixels_by_stacking, nothing_between_pixels_by_a_write,
    a_row_that_is_repeated, pixels_that_are_cut_after_they_were_channels,
]  # fmt: skip


@pytest.mark.parametrize("forward", IDIOMS, ids=lambda f: f.__name__)
def test_what_python_does_in_a_forward(forward):
    check(Model(forward))


@pytest.mark.parametrize(
    ("forward", "reason"),
    [(rows_shifted_by_a_column, "cuts across the map's axes"), (different_maps_as_pixels, "hold different maps")],
)
def test_what_is_no_map_ends_there(forward, reason):
    with pytest.warns(PartlyReadWarning, match=reason):
        net = rf.load(Model(forward), example_input=SHAPE)
    assert [layer.op for layer in net.layers if layer.op != "concat"] == ["conv"]


def test_a_branch_on_values_is_taken_and_said():
    net = rf.load(Model(lambda m, x: m.a(x) if x.mean() > 0.1 else x), example_input=SHAPE)
    assert [layer.op for layer in net.layers] == ["conv"]
    assert any("values of one example image" in why for why in net.assumed.values())
    assert not rf.load(Model(lambda m, x: m.a(x) if x.shape[2] > 3 else x), example_input=SHAPE).assumed


def test_the_values_of_the_user_decide():
    model = Model(lambda m, x: m.a(x) if x.max() > 0 else m.b(x))
    assert rf.profile(rf.load(model, example_input=torch.zeros(SHAPE))).extent.values[-1].tolist() == [1, 3]
    assert rf.profile(rf.load(model, example_input=torch.ones(SHAPE))).extent.values[-1].tolist() == [3, 3]


def test_what_leaves_torch_is_not_known_afterwards():
    model = Model(lambda m, x: m.b(torch.from_numpy(m.a(x).numpy() * 2)))
    with pytest.raises(InputError):
        rf.load(model, example_input=SHAPE)


def test_a_module_that_keeps_tensors_is_left_as_it_was():
    class Caches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 4, 3)
            self.shape = None
            self.register_buffer("count", torch.zeros(()))
            self.register_buffer("grid", torch.zeros(0), persistent=False)

        def forward(self, x):
            self.count += 1
            self.last, self.shape = self.conv(x), x.shape
            self.grid = torch.arange(x.shape[-1], dtype=x.dtype)
            return self.last + self.grid[: self.last.shape[-1]]

    made = Caches()
    rf.load(made, example_input=SHAPE)
    assert made.shape is None
    assert not hasattr(made, "last")
    assert made.count.item() == 0
    assert made.grid.numel() == 0
    assert made.training
    made(torch.rand(SHAPE)).sum().backward()  # trains as before
    assert rf.load(made, example_input=SHAPE).layers == rf.load(made, example_input=SHAPE).layers


@dataclass
class Levels:
    """What some libraries return."""

    fine: object
    coarse: object


def test_outputs_are_named_by_dataclasses_tuples_and_dicts():
    class Neck(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.b = torch.nn.Conv2d(4, 4, 3, stride=2, padding=1)

        def forward(self, x):
            return Levels(self.a(x), [self.b(x), None])

    net = rf.load(torch.nn.Sequential(Neck()), example_input=SHAPE)
    assert net["0:fine"].name == "0.a"
    assert net["0:coarse.0"].name == "0.b"
    assert net.outputs == ("0.a", "0.b")


def test_scripted_modules_and_shared_modules():
    plain = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.ReLU(inplace=True))
    net = rf.load(torch.jit.script(plain), example_input=SHAPE)
    np.testing.assert_array_equal(rf.profile(net).extent, rf.profile(check(plain)).extent)
    assert [layer.op for layer in net.layers] == ["conv"]
    frozen = torch.jit.freeze(torch.jit.script(plain.eval()))
    assert [layer.op for layer in rf.load(frozen, example_input=SHAPE).layers] == ["conv"]
    shared = torch.nn.Conv2d(4, 4, 3, padding=1)
    assert len(check(torch.nn.Sequential(shared, torch.nn.ReLU(), shared)).layers) == 2


def test_a_model_without_memory_for_its_weights():
    """A billion parameters on the meta device: nothing of their size is made."""
    with torch.device("meta"):
        wide = torch.nn.Sequential(*(torch.nn.Conv2d(10_000, 10_000, 3, padding=1) for _ in range(3)))
    net = rf.load(wide, example_input=(1, 10_000, 16, 16))
    assert rf.profile(net).params.values.sum() == sum(p.numel() for p in wide.parameters())


class Written(torch.nn.Module):
    """Fills tensors of its own with its buffers: the weights of a convolution, and a table of entries."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", torch.ones(2))
        self.register_buffer("table", torch.tensor([0, 2]))

    def forward(self, x):
        weights, channels = x.new_zeros(4, 4, 5), torch.arange(4, device=x.device)
        weights[channels, channels, 1:3] = self.kernel
        table = torch.zeros(2, dtype=torch.long, device=x.device)
        half = table[:]
        half[:] = self.table
        return torch.nn.functional.conv1d(x, weights), x[..., table]


def test_a_tensor_is_not_what_it_was_before_something_without_values_was_written_into_it():
    net = rf.load(Written(), example_input=(1, 4, 16))
    data = rf.profile(net)
    assert [data.sel(layer=name).extent.item() for name in net.outputs] == [2, 1]
    assert data.sel(layer=net.outputs[1]).jump.item() == 2
    with torch.device("meta"):
        model = Written()
    with pytest.warns(PartlyReadWarning):
        net = rf.load(model, example_input=(1, 4, 16))
    assert list(net.left_out.values()) == ["it picks entries by a table whose values are not known"]
    assert rf.profile(net).extent.values.tolist() == [[5]]
    assert "its mask has no values" in str(net.assumed)


def test_pixels_are_written_beside_tokens():
    """What is added to the pixels of a sequence leaves its class token where it is."""

    def run(m, x):
        y = m.a(x)
        t = torch.cat([torch.zeros_like(y[:, :, 0, :1]), y.flatten(2)], 2)
        t[:, :, 1:] += m.b(x).flatten(2)
        return m.b((t * 2)[:, :, 1:].reshape(y.shape))

    check(Model(run))


@pytest.mark.parametrize("given", [SHAPE, None])
def test_an_error_after_values_decided_ends_the_reading(given):
    """Boxes that a model selects by values, and an error with those of the example: what is before them is known."""

    def run(m, x):
        y = m.a(x)
        chosen = m.b(y)[y > 1e9]
        if len(chosen) == 0:
            raise RuntimeError("no boxes")
        return chosen

    module = Model(run)
    module.example_input_array = torch.zeros(SHAPE)
    with pytest.warns(rf.PartlyReadWarning, match="the model ends there: 'no boxes'"):
        net = rf.load(module, example_input=given)
    assert [layer.op for layer in net.layers] == ["conv", "conv"]


def test_places_where_a_condition_holds_depend_on_values():
    def run(m, x):
        y = m.a(x)
        (places,) = torch.where(y[0, 0].flatten() > -1e9)  # all, on any image: nothing says so
        return y.flatten(2)[:, :, places]

    with pytest.warns(rf.PartlyReadWarning, match="where.*values of one example image decide"):
        net = rf.load(Model(run), example_input=SHAPE)
    assert net.outputs == ("a",)


# torch's compiler -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["whole", "a part", "in place"])
def test_compiled_modules_are_read_as_they_were(how):
    plain = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, dilation=2)))
    expected = rf.profile(rf.load(plain, example_input=SHAPE)).extent.values.tolist()
    if how == "whole":
        plain = torch.compile(plain, backend="eager")
    elif how == "a part":
        plain[1] = torch.compile(plain[1], backend="eager")
    else:
        plain.compile(backend="eager")
    assert rf.profile(rf.load(plain, example_input=SHAPE)).extent.values.tolist() == expected


def test_reading_imports_no_compiler():
    """Torch's takes a second to import."""
    code = (
        "import sys, torch, rfscale as rf\n"
        "rf.load(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), example_input=(1, 3, 8, 8))\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
