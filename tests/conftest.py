"""What tests of the command share."""

from __future__ import annotations

import sys

import pytest

from rfscale.sweeps.cli.main import main

PLAIN = """
import rfscale as rf

def build(n=3, *, kernel=3):
    return rf.Network.sequential(*[{"kernel": kernel}] * n, name="plain")

def deep(blocks=3):
    b = rf.NetworkBuilder("deep")
    for i in range(blocks):
        x = b.last
        b.conv(f"body.{i}.conv1", kernel=3, padding=1)
        b.conv(f"body.{i}.conv2", kernel=3, padding=2, dilation=2)
        b.conv(f"body.{i}.conv3", kernel=3, padding=1)
        b.add(f"body.{i}", inputs=[x, b.last])
    b.conv("head", kernel=1)
    return b.build()

def needs(width, depth, *, name="x"):
    return build()

def raises():
    raise ValueError("no luck\\n today")

def ends():
    raise SystemExit(3)

def number():
    return 3

def loud():
    import logging, sys, warnings
    print("hello")
    print("hello", file=sys.stderr)
    warnings.warn("careful")
    logging.warning("mind")
    return build()

class Inner:
    make = staticmethod(build)

made = build()
"""
TORCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, depth=2):
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3 if i == 0 else width, width, 3, padding=1) for i in range(depth)))

    def forward(self, x):
        return self.body(x)

class Branching(Net):
    def forward(self, x):
        return self.body(x) if x.sum() > 0 else x

class Ranked(Net):
    def forward(self, x):
        return torch.argsort(self.body(x), 2)

class Ordered(Net):
    def forward(self, x):
        return torch.sort(self.body(x), 2)[0]

class OrderedFirst(Net):
    def forward(self, x):
        return self.body(torch.sort(x, 2)[0])

class Coordinates(Net):
    def forward(self, x):
        row = torch.linspace(-1, 1, x.shape[2]).view(1, 1, -1, 1).expand(x.shape[0], 1, x.shape[2], x.shape[3])
        return self.body(torch.cat([x[:, :2], row], 1))

class Last(Net):
    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2))

class Pair(Net):
    def forward(self, x, y):
        return self.body(x) + y

net = Net()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of modules, the working directory as a user has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    files = {
        "plainnet": PLAIN,
        "torchnet": TORCH,
        "needy": "import nothere",
        "wrong": "x = = 3",
        "zero": "1 / 0",
        "ending": "import sys; sys.exit(0)",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "net.yaml").write_text("layers: [{kernel: 3}]")
    yield tmp_path
    for name in files:
        sys.modules.pop(name, None)


@pytest.fixture
def rfscale(capsys):
    """Run the command in this process: (exit code, stdout, stderr)."""

    def run(*args):
        code = main([str(a) for a in args])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run
