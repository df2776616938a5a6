"""Fields predicted from weights: against autograd of a model of squared weights, and the exact footprint."""

from __future__ import annotations

import copy
from functools import cache, partial

import numpy as np
import pytest

import rfscale as rf
from tests.engine.fields import small_models

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
NAMES = (
    "chain strided residual branches unet head depthwise pools resized nearest shuffled line volume pooled global"
).split()


@cache
def some():
    return small_models.models()


def made(name):
    model, layer, shape = some()[name]
    return copy.deepcopy(model), layer, shape


def surrogate(model, layer, shape, entry):
    """Expected squared gradients, written down by module: weights squared, and one factor for each nonlinearity."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Squared(nn.Module):
        def __init__(self, f):
            super().__init__()
            self.f = f

        def forward(self, x):
            return self.f(x)

    def scaled(factor):
        """A map times a number, or times one for each channel."""
        return lambda x: x * (factor.reshape(1, -1, *(1,) * (x.dim() - 2)) if hasattr(factor, "reshape") else factor)

    def shared(part, x):
        """The mean over a window whose gradient every tap gets a part of, squared: once more over the taps."""
        return part(x) / part.kernel_size ** (len(shape) - 2)

    def average(part):
        """The mean over the taps of a window that lie in the map."""
        kernel, dims = part.kernel_size, shape[2:]
        wide = [kernel] * len(dims) if isinstance(kernel, int) else list(kernel)
        stride = part.stride if isinstance(part.stride, (tuple, list)) else [part.stride] * len(dims)
        dilation = getattr(part, "dilation", 1)
        conv = (F.conv1d, F.conv2d, F.conv3d)[len(dims) - 1]
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(dims) - 1]

        def f(x):
            ones = torch.ones((x.shape[1], 1, *wide), dtype=x.dtype)
            out = pool(x, part.kernel_size, part.stride, part.padding, dilation, ceil_mode=part.ceil_mode)
            more = [s for n in reversed(range(len(dims))) for s in (part.padding, part.padding + 8)]

            def total(y):
                padded = F.pad(y, more)
                found = conv(padded, ones, stride=stride, dilation=dilation, groups=x.shape[1])
                return found[(slice(None), slice(None), *(slice(0, n) for n in out.shape[2:]))]

            return total(x) / total(torch.ones_like(x))

        return f

    model = copy.deepcopy(model).double()
    parts = dict(model.named_modules())
    with torch.no_grad():
        for path, part in parts.items():
            kind = type(part).__name__
            f = None
            if kind.startswith(("Conv", "Linear")):
                part.weight.square_()
                if part.bias is not None:
                    part.bias.zero_()
            elif kind.startswith("BatchNorm"):
                scale = part.weight.square() / (part.running_var + part.eps)
                f = scaled(scale)
            elif kind == "ReLU":
                f = scaled(1 / 2)
            elif kind == "LeakyReLU":
                f = scaled((1 + part.negative_slope**2) / 2)
            elif kind == "PReLU":
                f = scaled((1 + part.weight.square()) / 2)
            elif kind == "Tanh":
                z = torch.special.ndtri((torch.arange(512, dtype=torch.float64) + 0.5) / 512)
                f = scaled(float((1 - torch.tanh(z) ** 2).square().mean()))
            elif kind.startswith("MaxPool"):
                f = average(part)
            elif kind.startswith("AvgPool"):
                f = partial(shared, part)
            elif kind.startswith("Adaptive") or (kind == "Upsample" and part.mode != "nearest"):
                f = squared_matrix(copy.deepcopy(part))
            if f is not None:
                owner = model.get_submodule(path.rpartition(".")[0])
                setattr(owner, path.rpartition(".")[2], Squared(f))
    path, _, call = layer.partition("@")
    found = []
    model.get_submodule(path).register_forward_hook(lambda _m, _a, out: found.append(out))
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    model.eval()(x)
    out = found[int(call or 0)]
    (gradient,) = torch.autograd.grad(out[(0, slice(None), *entry)].sum(), x)
    return gradient[0].sum(0).numpy()


def squared_matrix(part):
    """A linear module with its matrix written out, and squared."""
    import torch

    def f(x):
        cells = x[0, 0].numel()
        unit = torch.eye(cells, dtype=x.dtype).reshape(cells, 1, *x.shape[2:])
        rows = part(unit)
        flat = x.flatten(2) @ rows.reshape(cells, -1).square()
        return flat.reshape(1, x.shape[1], *rows.shape[2:])

    return f


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_squared_on_the_way_back(name):
    model, layer, shape = made(name)
    before = copy.deepcopy(model.state_dict())
    found = rf.predicted_field(
        model, layer, signs="random", activations="even", precision="double", example_input=shape
    )
    expected = surrogate(model, layer, shape, tuple(found.attrs["entry"]))
    np.testing.assert_allclose(found.field.values, expected, rtol=1e-9, atol=1e-12 * expected.max())
    assert all((model.state_dict()[key] == value).all() for key, value in before.items())
    fast = rf.predicted_field(model, layer, signs="random", activations="even", example_input=shape).field.values
    np.testing.assert_allclose(fast, expected, rtol=0, atol=0.01 * expected.max())


@pytest.mark.parametrize("name", NAMES)
def test_the_support_is_the_exact_footprint(name):
    model, layer, shape = made(name)
    model = small_models.positive(model)
    net = rf.load(model, example_input=shape)
    found = rf.predicted_field(model, layer, precision="double", example_input=shape)
    at = found.attrs["entry"] or (0,) * (len(shape) - 2)
    exact = rf.footprint(net, rf.engine.network.modules.module_layer(net, layer), at, shape[2:])
    assert np.array_equal(found.field.values > 0, exact.values)


@pytest.mark.parametrize("name", "depthwise resized nearest shuffled line pooled global".split())
def test_what_is_linear_is_exact_with_signs_kept(name):
    """Without chance the field is the squared Jacobian, summed over channels."""
    import torch

    model, layer, shape = made(name)
    found = rf.predicted_field(model, layer, signs="kept", precision="double", example_input=shape)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    outputs = model.double()(x)[(0, slice(None), *found.attrs["entry"])]
    rows = [torch.autograd.grad(o, x, retain_graph=True)[0][0] for o in outputs]
    expected = sum(r.square().sum(0) for r in rows).numpy()
    np.testing.assert_allclose(found.field, expected, rtol=1e-8, atol=1e-12 * expected.max())
    squared = rf.predicted_field(model, layer, signs="random", precision="double", example_input=shape)
    assert name == "global" or not np.allclose(squared.field, expected, rtol=0.01)


@pytest.mark.parametrize("choice", ["a rectifier", "a leaky one"])
def test_chance_after_one_layer_is_exact(choice):
    """The mean over all slopes, one independent of the other."""
    import itertools

    import torch
    from torch import nn

    torch.manual_seed(4)
    kinds = {"a rectifier": nn.ReLU(), "a leaky one": nn.LeakyReLU(0.3)}
    model = nn.Sequential(nn.Conv1d(1, 2, 3), kinds[choice], nn.Conv1d(2, 3, 2)).double()
    length = 4
    options = {"signs": "kept", "activations": "even", "precision": "double"}
    found = rf.predicted_field(model, "2", (0,), example_input=(1, 1, length), **options)
    expected = np.zeros(length)
    with torch.no_grad():
        for channel in range(3):
            at_map = model[2].weight[channel]  # (2, 2): the gradient with respect to the two entries that it reads
            slopes = (1.0, 0.3 if choice == "a leaky one" else 0.0)
            draws = list(itertools.product(range(2), repeat=4))
            for draw in draws:
                before = torch.zeros(2, length - 2, dtype=torch.float64)
                for (c, i), which in zip(itertools.product(range(2), range(2)), draw, strict=True):
                    before[c, i] = at_map[c, i] * slopes[which]
                image = torch.nn.functional.conv_transpose1d(before[None], model[0].weight)[0, 0]
                expected += image.square().numpy() / len(draws)
    np.testing.assert_allclose(found.field, expected, rtol=1e-9, atol=1e-15)


def test_filters_that_add_up_are_seen_with_signs_kept():
    """Means of pixels, written as layers: the mean of the gradient is flat, and squares of weights say otherwise."""
    import torch
    from torch import nn

    model = nn.Sequential(*[f() for _ in range(3) for f in (lambda: nn.Conv1d(1, 1, 3), nn.ReLU)], nn.Conv1d(1, 1, 3))
    with torch.no_grad():
        for part in model:
            if isinstance(part, nn.Conv1d):
                part.weight.fill_(1 / 3)
                part.bias.fill_(1)  # every unit is active
    measured = rf.effective_field(model, "6", count=200, example_input=(1, 1, 9))
    kept, random = (rf.predicted_field(model, "6", signs=s, example_input=(1, 1, 9)) for s in ("kept", "random"))
    assert float(rf.compare_fields(measured, kept).correlation) > 0.999
    paths = rf.path_counts(rf.load(model, example_input=(1, 1, 9)), "6", input_size=9)
    np.testing.assert_allclose(rf.field_figures(random).mass, paths, rtol=0.01)  # equal squares
    assert rf.field_figures(kept)["std"] < rf.field_figures(random)["std"]


def test_an_entry_at_the_border_and_one_without_borders():
    model, layer, shape = made("chain")
    corner = rf.predicted_field(
        model, layer, (0, 0), signs="random", activations="even", precision="double", example_input=shape
    )
    np.testing.assert_allclose(corner.field.values, surrogate(model, layer, shape, (0, 0)), rtol=1e-9)
    beyond = rf.predicted_field(model, layer, (0, 0), borders=False, precision="double", example_input=shape)
    assert beyond.y.values.tolist() == list(range(-3, 4))
    middle = rf.predicted_field(model, layer, precision="double", example_input=shape)  # away from borders: the same
    around = middle.field.values[11 - 3 : 11 + 4, 11 - 3 : 11 + 4]
    np.testing.assert_allclose(beyond.field.values, around, rtol=1e-12)
    padding = float(rf.field_figures(beyond, input_size=22).padding_mass)
    assert padding == pytest.approx(1 - around[3:, 3:].sum() / around.sum())


REFUSED = {
    "factors that have one tensor in common": (
        "(lambda y: y * torch.sigmoid(y + x))(self.other(x))",
        "both its factors are functions of one tensor",
    ),
    "a softmax that averages nothing": ("torch.softmax(self.other(x), 1)", "no rule for _softmax"),
    "a product of maps": ("torch.einsum('ncij,ncjk->ncik', self.other(x), x)", "no rule for bmm, both"),
    "a quotient of maps": ("(lambda y: y / (y + x))(self.other(x))", "no rule for div, it divides by"),
    "a slope without bound": (
        "(lambda y: y / (y * y))(self.other(x))",
        "no rule for div, the mean square of its slope",
    ),
    "the same in one operator": ("1 / self.other(x)", "no rule for reciprocal, the mean square of its slope"),
    "a root of what may be negative": ("self.other(x) ** 0.5", "no rule for pow, the mean square of its slope"),
    "a view that was written": ("self.written(self.other(x))", "written through another view"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused(name):
    import torch

    code, message = REFUSED[name]

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.other = torch.nn.Conv2d(3, 3, 3, padding=1)
            self.last = torch.nn.Conv2d(3, 3, 3, padding=1)

        def written(self, y):
            y[:, :1].add_(1)
            return y

        def forward(self, x):
            return self.last(eval(code, {"self": self, "torch": torch, "x": x}))

    model = Model()
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.predicted_field(model, "last", example_input=(1, 3, 9, 9))
    assert "\n" not in str(caught.value)
    first = rf.predicted_field(model, "other", example_input=(1, 3, 9, 9))  # before it all is well
    assert int((first.field > 0).sum()) == 9


def test_what_is_assumed_is_said():
    def assumed(**options):
        return rf.predicted_field(model, layer, example_input=shape, **options).attrs["assumed"]

    model, layer, shape = made("chain")
    assert assumed(activations="even") == ["signs of nonlinearities' inputs are even, and independent of the gradients"]
    (from_weights,) = assumed()
    assert from_weights.endswith("as batch norms say, or as follows from a standard normal image")
    model, layer, shape = made("strided")
    assert assumed(activations="even") == ["values that tanh gets are standard normal"]
    for option in ("activations", "precision", "signs"):
        with pytest.raises(rf.InputError, match=f"{option} is 'x'; it must be"):
            assumed(**{option: "x"})


def test_what_nonlinearities_get_is_what_they_get_on_noise():
    """Mean and spread of each channel: worked out from the weights, and of values on noise."""
    import torch
    from torch import nn

    from rfscale.engine.fields.squares.moments import AllMoments
    from rfscale.engine.fields.target import target

    torch.manual_seed(3)
    row = [
        nn.Conv2d(3, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 3),
    ]
    model = nn.Sequential(*row, nn.Hardswish(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 5), nn.ReLU())
    nn.init.normal_(model[2].bias, std=0.3)
    of = target(model, reading={"example_input": (1, 3, 12, 12)})
    every = AllMoments(of.recorded.nodes)
    noise = torch.randn((4000, 3, 12, 12), generator=torch.Generator().manual_seed(1))
    for number in (0, 2, 3, 4, 5, 6, 9):
        with torch.no_grad():
            values = model[: number + 1](noise).transpose(0, 1).flatten(1)
        found = every.of(of.recorded.returned[str(number)][-1].ref)
        assert found is not None
        spread = values.std(1).numpy()
        assert np.abs(found.mean.flatten() - values.mean(1)).max() < 0.25 * spread.max(), number
        np.testing.assert_allclose(found.variance.sqrt().flatten(), spread, rtol=0.3)


def test_biases_decide_which_channels_count():
    import torch
    from torch import nn

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].weight[0, 0, 0, 0] = model[0].weight[1, 0, 2, 2] = 1
        model[0].bias.copy_(torch.tensor([3.0, -1.0]))
        model[2].weight.fill_(1)
    found = rf.predicted_field(model, "2", (0, 0), precision="double", example_input=(1, 1, 3, 3)).field
    share = torch.special.ndtr(torch.tensor([3.0, -1.0])).tolist()
    assert [float(found[0, 0]), float(found[2, 2])] == pytest.approx(share, rel=1e-4)
    measured = rf.effective_field(model, "2", entry=(0, 0), count=2000, example_input=(1, 1, 3, 3)).field
    assert [float(measured[0, 0]), float(measured[2, 2])] == pytest.approx(share, abs=0.04)


def test_planted_errors_are_found(monkeypatch):
    """A rule that forgets a square, or a factor, is another number than the surrogate's."""
    import torch

    from rfscale.engine.fields.squares import rules

    model, layer, shape = made("residual")
    expected = surrogate(model, layer, shape, (5, 5))

    def differs():
        found = rf.predicted_field(
            model, layer, signs="random", activations="even", precision="double", example_input=shape
        )
        values = found.field.values
        return not np.allclose(values, expected, rtol=1e-6, atol=0)

    assert not differs()
    monkeypatch.setattr(rules, "batch_norm_scale", lambda node, old=rules.batch_norm_scale: old(node).abs().sqrt())
    assert differs()
    monkeypatch.undo()
    monkeypatch.setattr(rules, "slope_squared", lambda node, ref: (torch.ones(1) / 4, torch.ones(1) / 4, True))
    assert differs()
