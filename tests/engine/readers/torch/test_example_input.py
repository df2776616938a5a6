"""What a model may be called with: shapes, tensors and structures in every form that users write."""

from collections import OrderedDict

import numpy as np
import pytest

from rfscale.engine.errors import InputError

torch = pytest.importorskip("torch")

from rfscale.engine.readers.torch.inputs.example_input import made, model_inputs, tensor_inputs  # noqa: E402
from rfscale.engine.readers.torch.inputs.fitting_inputs import first_that_runs  # noqa: E402


class Net(torch.nn.Module):
    """One convolution; `wanted` are attributes of the module."""

    def __init__(self, channels=3, rank=2, dtype=None, **wanted):
        super().__init__()
        self.conv = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[rank - 1](channels, 4, 3, dtype=dtype)
        for name, value in wanted.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.conv(x)


class Keywords(Net):
    def forward(self, *, image, mask=None):
        return self.conv(image)


class Two(Net):
    def forward(self, mask, image):
        return self.conv(image)


class Batch(Net):
    def forward(self, batch):
        return self.conv(batch["data"]["image"])


class Images(Net):
    def forward(self, images: list[torch.Tensor], targets=None):
        return [self.conv(image) for image in images]


class Clip(Net):
    """Frames before channels, which become an axis or images of a batch."""

    def forward(self, pixel_values):
        batch, frames, channels, height, width = pixel_values.shape
        if self.conv.weight.dim() == 5:
            return self.conv(pixel_values.transpose(1, 2))
        return self.conv(pixel_values.reshape(batch * frames, channels, height, width))


class Video(Clip):
    def forward(self, pixel_values_videos):
        return super().forward(pixel_values_videos)


class Waveform(Net):
    def forward(self, waveform):
        return self.conv(waveform[:, None])


class Words(torch.nn.Module):
    def __init__(self, **config):
        super().__init__()
        self.config = config
        self.words, self.conv = torch.nn.Embedding(5, 4), torch.nn.Conv1d(4, 4, 3)

    def forward(self, input_ids):
        return self.conv(self.words(input_ids).transpose(1, 2))


class Blocks(Net):
    """Its second part names the size of the map that it gets."""

    def __init__(self, **wanted):
        super().__init__(**wanted)
        self.block = Net(input_resolution=(14, 14))


def run(module):
    def call(inputs):
        with torch.no_grad(), torch.device("meta"):
            image = torch.zeros(inputs.image.shape, dtype=inputs.image.dtype)
            args, kwargs = made((inputs.args, inputs.kwargs), "meta", {inputs.image: image})
            module.to("meta")(*args, **kwargs)
            return tuple(image.shape)

    return call


def image_of(module, *args, **kwargs):
    """Shape of the image and its spatial dims, of inputs that the module runs on."""
    candidates = model_inputs(module, *args, **kwargs)
    inputs, shape = first_that_runs(module, candidates, run(module))
    assert shape == inputs.image.shape
    return shape, inputs.axes


@pytest.mark.parametrize(
    "given",
    [
        (1, 3, 32, 32),
        [1, 3, 32, 32],
        torch.Size([1, 3, 32, 32]),
        np.array([1, 3, 32, 32]),
        tuple(np.array([1, 3, 32, 32], np.int32)),
        torch.zeros(1, 3, 32, 32),
        np.zeros((1, 3, 32, 32)),
        np.zeros((1, 3, 32, 32), np.float32),
        32,
        np.int64(32),
        np.array(32),
        (32, 32),
        (3, 32, 32),
        [torch.zeros(1, 3, 32, 32)],
        [(1, 3, 32, 32)],
        {"x": (1, 3, 32, 32)},
        OrderedDict(x=torch.zeros(1, 3, 32, 32)),
        torch.zeros(3, 32, 32),
        np.zeros((3, 32, 32)),
        np.zeros((1, 3, 32, 32), np.uint8),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
    ],
    ids=str,
)
def test_one_image_in_every_form(given):
    assert image_of(Net(), given) == ((1, 3, 32, 32), (2, 3))


@pytest.mark.parametrize(
    ("module", "given", "shape"),
    [
        (Net(), {}, (1, 3, 224, 224)),
        (Net(channels=1), {}, (1, 1, 224, 224)),
        (Net(channels=12, rank=3), {}, (1, 12, 96, 96, 96)),
        (Net(channels=2, rank=1), {}, (1, 2, 4096)),
        (Net(img_size=(96, 64)), {}, (1, 3, 96, 64)),
        (Net(channels=1, default_cfg={"input_size": (3, 288, 288)}), {}, (1, 1, 288, 288)),
        (Net(config={"image_size": {"height": 48, "width": 80}}), {}, (1, 3, 48, 80)),
        (Net(rank=3, img_size=40), {}, (1, 3, 40, 40, 40)),
        (Net(channels=5), {"input_size": 48}, (1, 5, 48, 48)),
        (Net(), {"input_size": [48, 64]}, (1, 3, 48, 64)),
        (Net(), {"example_input": (2, 3, 9, 9), "input_size": 48}, (2, 3, 48, 48)),
        (Net(), {"example_input": (3, 9, 9), "input_size": 48}, (1, 3, 48, 48)),
    ],
)
def test_the_model_says_what_the_user_leaves_out(module, given, shape):
    assert image_of(module, **given)[0] == shape


@pytest.mark.parametrize(
    ("module", "given", "shape", "axes"),
    [
        (Clip(rank=3, config={"num_frames": 16, "image_size": 64}), {}, (1, 16, 3, 64, 64), (1, 3, 4)),
        (Clip(config={"frames_per_clip": 4}), {"input_size": 32}, (1, 4, 3, 32, 32), (1, 3, 4)),
        (Video(config={"crop_size": 48}), {}, (1, 8, 3, 48, 48), (1, 3, 4)),
        (Clip(rank=3), {"example_input": (1, 6, 3, 32, 32)}, (1, 6, 3, 32, 32), (1, 3, 4)),
        (Clip(), {"example_input": [torch.zeros(1, 6, 3, 32, 32)]}, (1, 6, 3, 32, 32), (1, 3, 4)),
        (Net(channels=1, rank=3), {"example_input": (1, 1, 3, 32, 32)}, (1, 1, 3, 32, 32), (2, 3, 4)),
        (Waveform(channels=1, rank=1), {}, (1, 4096), (1,)),
        (Waveform(channels=1, rank=2), {"input_size": (32, 40)}, (1, 32, 40), (1, 2)),
        (Words(), {}, (1, 64), (1,)),
        (Words(n_positions=77), {}, (1, 77), (1,)),
        (Words(max_position_embeddings=1 << 20), {}, (1, 1024), (1,)),
        (Words(), {"example_input": 20}, (1, 20), (1,)),
        (Words(), {"example_input": {"input_ids": torch.zeros(1, 9, dtype=torch.long)}}, (1, 9), (1,)),
        (Blocks(config={"image_size": 56}), {}, (1, 3, 56, 56), (2, 3)),
        (Blocks(), {}, (1, 3, 14, 14), (2, 3)),
    ],
)
def test_clips_waveforms_and_texts(module, given, shape, axes):
    assert image_of(module, **given) == (shape, axes)


def test_the_image_may_be_anywhere():
    x, mask = torch.zeros(1, 3, 16, 16), torch.zeros(1, 7, dtype=torch.int64)
    assert image_of(Keywords(), (1, 3, 16, 16))[0] == (1, 3, 16, 16)
    assert image_of(Keywords(), {"image": x, "mask": mask})[0] == (1, 3, 16, 16)
    assert image_of(Two(), [mask, x])[0] == (1, 3, 16, 16)
    assert image_of(Batch(), {"data": {"image": (1, 3, 16, 16), "n": 3, "other": None}})[0] == (1, 3, 16, 16)
    masks = torch.zeros(1, 5, 8, 8)
    assert image_of(Two(), [masks, x], image="image")[0] == (1, 3, 16, 16)
    both = {"data": {"first": masks, "image": x}}
    assert image_of(Batch(), both, image="data.image")[0] == image_of(Batch(), both, image="image")[0] == x.shape


def test_lists_of_images_have_no_batch():
    assert image_of(Images()) == ((3, 224, 224), (1, 2))
    assert image_of(Images(), (1, 3, 16, 16)) == ((3, 16, 16), (1, 2))
    assert image_of(Images(), [torch.zeros(3, 16, 16)] * 2) == ((3, 16, 16), (1, 2))


def test_a_tensor_given_twice_is_one_input():
    x = torch.zeros(1, 3, 16, 16)
    (inputs,) = model_inputs(Two(), [x, x])
    assert len({id(t) for t in tensor_inputs(inputs.args)}) == 1
    (inputs,) = model_inputs(Net(), [[x, x]])
    assert isinstance(inputs.args[0], list)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("given", [None, (1, 3, 8, 8), [np.zeros((1, 3, 8, 8), np.float32)]], ids=str)
def test_inputs_have_the_dtype_of_the_model(dtype, given):
    inputs = model_inputs(Net(dtype=dtype), given)[0]
    assert inputs.image.dtype is dtype


def test_numbers_that_are_no_shape_keep_their_values():
    ids = torch.tensor([[4, 5]])
    (inputs,) = model_inputs(Two(), [ids, (1, 3, 8, 8)])
    image = torch.zeros(inputs.image.shape)
    args, _ = made((inputs.args, inputs.kwargs), "cpu", {inputs.image: image})
    assert args[0].tolist() == [[4, 5]]
    assert args[1] is image


class Flat(torch.nn.Module):
    def __init__(self, channels, *, strided=False):
        super().__init__()
        self.conv = torch.nn.Sequential(torch.nn.Conv2d(channels, 6, 5), torch.nn.MaxPool2d(2))
        self.fc = torch.nn.Linear(6 * 14 * 14, 10)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class Registered(torch.nn.Module):
    """Its first convolution in the order of its modules is not the first that is called."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Conv2d(8, 4, 1)
        self.stem = torch.nn.Conv2d(1, 8, 3)

    def forward(self, x):
        return self.head(self.stem(x))


class Beside(torch.nn.Module):
    """Its convolution gets channels that forward makes, `extra` of its own or the image `times` over."""

    def __init__(self, wanted, extra=0, times=1):
        super().__init__()
        self.conv, self.extra, self.times = torch.nn.Conv2d(wanted, 4, 3), extra, times

    def forward(self, x):
        return self.conv(torch.cat([x] * self.times + [torch.zeros_like(x[:, :1])] * self.extra, 1))


def test_a_size_that_nobody_gave_is_one_that_fits():
    assert image_of(Flat(1))[0] == (1, 1, 32, 32)
    assert image_of(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))[0] == (1, 1, 28, 28)
    assert image_of(Registered())[0] == (1, 1, 224, 224)


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        (Net(), {"example_input": (1, 4, 8, 8)}, r"give example_input \(1, 3, 8, 8\): it wants 3"),
        (
            Beside(4, extra=1),
            {"example_input": (1, 4, 8, 8)},
            r"give example_input \(1, 3, 8, 8\): it wants 3 channels",
        ),
        (
            Beside(4, times=2),
            {"example_input": (1, 3, 8, 8)},
            r"give example_input \(1, 2, 8, 8\): it wants 2 channels",
        ),
        (Beside(3, times=2), {"example_input": (1, 3, 8, 8)}, "give another example_input, or a part of the module"),
        (Flat(1), {"example_input": (1, 1, 40, 40)}, r"try 32×32 pixels, multiples of 32: give input_size"),
        (Flat(1), {"input_size": 20}, r"try 32×32 pixels"),
        (Two(), {}, r"called with image as well; give example_input as a dict .*: \{'mask': .*'image': …"),
        (Net(), {"example_input": "224"}, "example_input is '224'; it must be a shape such as"),
        (Net(), {"example_input": {"x": {1, 2}}}, r"example_input\['x'\] is \{1, 2\}; it must be a shape"),
        (Net(), {"image": "picture"}, "image is 'picture'; known: x"),
        (Net(), {"example_input": 0}, "example_input is 0; it must lie between 1"),
        (Net(), {"example_input": {"x": "a"}}, "give a shape"),
        (Two(), {"example_input": [(1, 7), (1, 3, 8, 8)], "image": "imag"}, "image is 'imag'; did you mean 'image'"),
        (Net(), {"example_input": torch.zeros(1, 3, 8, 8), "input_size": 8}, "give one of the two"),
        (Net(), {"example_input": (1, 3, 8, 8), "axes": (4, 5)}, "axes is"),
    ],
)
def test_messages_say_what_to_give(module, given, message):
    with pytest.raises(InputError, match=message):
        image_of(module, **given)


@pytest.mark.parametrize(
    "lacks", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried 9 bytes")]
)
def test_of_several_inputs_that_fail_the_one_that_only_lacks_memory_is_shown(lacks):
    module = Net()
    small, large = (model_inputs(module, (1, 3, n, n))[0] for n in (32, 64))

    def fails(inputs):
        raise lacks if inputs is large else ValueError("no such size")

    with pytest.raises(InputError, match="needs more memory than there is on an input of 1×3×64×64; give a smaller"):
        first_that_runs(module, [small, large], fails)
