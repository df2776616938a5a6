"""Memory of maps: by hand, and against the tensors that are alive while PyTorch runs."""

from __future__ import annotations

from math import isnan

import pytest

import rfscale as rf
from rfscale.engine.network.memory import peak_memory
from rfscale.engine.network.network import Network

C8 = {"kernel": 1, "channels": 8}
N = 4 * 6 * 5  # bytes of one channel


def test_a_chain_drops_what_is_read():
    net = Network.sequential(C8, {"kernel": 1, "channels": 2}, {"kernel": 1, "channels": 4}, axes=2)
    assert peak_memory(net, (6, 5)) == N * (3 + 8 + 8)  # the image, the first map, and its activation


def test_a_skip_is_kept():
    net = Network.sequential(C8, C8, C8, {"op": "add", "inputs": ["conv1", "conv3"]})
    assert peak_memory(net, (6, 5)) == N * (3 + 8 + 8 + 8)  # while conv3 is made and read, conv1 is kept


def test_a_module_keeps_what_it_reads():
    layers = [{"name": "stem", **C8}, {"name": "block.a", **C8}, {"name": "block.b", **C8}]
    flat = [{**layer, "name": str(layer["name"]).replace(".", "")} for layer in layers]
    assert peak_memory(Network.sequential(*flat), (6, 5)) == N * (3 + 8 + 8)
    assert peak_memory(Network.sequential(*layers), (6, 5)) == N * (3 + 8 + 8 + 8)


def test_outputs_are_kept():
    layers = [{"name": f"c{i}", **C8} for i in range(3)]
    one = Network.from_dict({"layers": layers})
    all_of_them = Network.from_dict({"layers": layers, "outputs": ["c0", "c1", "c2"]})
    assert peak_memory(one, (6, 5)) == N * (3 + 16)
    assert peak_memory(all_of_them, (6, 5)) == N * (3 + 32)


def test_bytes_of_a_value():
    net = rf.load("unet-padded")
    assert [peak_memory(net, (64, 64), d) / peak_memory(net, (64, 64), "int8") for d in ("float64", "float16")] == [
        8,
        2,
    ]


def test_channels_that_are_not_known():
    assert isnan(peak_memory(Network.sequential({"kernel": 3}), (9, 9)))


@pytest.mark.torch
def test_tensors_that_are_alive_in_a_run():
    import weakref

    import torch
    from torch import nn
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Alive(TorchDispatchMode):
        """Bytes of storages that some tensor holds."""

        def __init__(self):
            super().__init__()
            self.holders, self.now, self.peak = {}, 0, 0

        def hold(self, tensor):
            storage = tensor.untyped_storage()
            key, size = storage.data_ptr(), storage.nbytes()
            self.holders[key] = self.holders.get(key, 0) + 1
            self.now += size if self.holders[key] == 1 else 0
            self.peak = max(self.peak, self.now)
            weakref.finalize(tensor, self.drop, key, size)

        def drop(self, key, size):
            self.holders[key] -= 1
            self.now -= 0 if self.holders[key] else size

        def __torch_dispatch__(self, call, types, args=(), kwargs=None):
            out = call(*args, **(kwargs or {}))
            known = {id(leaf) for leaf in tree_leaves((args, kwargs))}
            for leaf in tree_leaves(out):
                if isinstance(leaf, torch.Tensor) and id(leaf) not in known:
                    self.hold(leaf)
            return out

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.Conv3d(1, 8, 3, padding=1)
            self.pool = nn.MaxPool3d((2, 8, 4))
            self.deep = nn.Conv3d(8, 16, 3, padding=1)
            self.up = nn.Upsample(scale_factor=(2, 8, 4))
            self.head = nn.Conv3d(24, 2, 3, padding=1)

        def forward(self, x):
            skip = self.down(x).relu()
            return self.head(torch.cat([skip, self.up(self.deep(self.pool(skip)).relu())], 1))

    def block(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())

    plain = nn.Sequential(block(3, 16), nn.MaxPool2d(2), block(16, 32), block(32, 32))
    for model, shape in ((UNet(), (1, 1, 46, 104, 84)), (plain, (1, 3, 64, 48))):
        net = rf.load(model.eval(), example_input=shape)
        image = torch.rand(shape)
        with torch.no_grad(), Alive() as alive:
            alive.hold(image)
            result = model(image)
        assert result.numel()
        assert peak_memory(net, shape[2:]) == alive.peak
