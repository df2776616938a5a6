"""Small models of every kind that has a rule, with weights from a seed; torch is imported in the functions."""

from __future__ import annotations

from typing import Any


def _residual(nn: Any) -> Any:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(True)
            )
            self.conv1, self.bn1 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
            self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.BatchNorm2d(6)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x
            return self.relu(y)

    return Residual()


def _branches(nn: Any) -> Any:
    import torch

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 4, 1)
            self.b = nn.Sequential(nn.Conv2d(3, 4, 3, padding=2, dilation=2), nn.PReLU(4))
            self.c = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(3, 4, (1, 5), padding=(0, 2)))
            self.join = nn.Conv2d(12, 5, 3)

        def forward(self, x: Any) -> Any:
            return self.join(torch.cat([self.a(x), self.b(x), self.c(x)], 1))

    return Branches()


def _unet(nn: Any) -> Any:
    import torch

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2))
            self.middle = nn.Conv2d(4, 4, 3, padding=1)
            self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
            self.skip = nn.Conv2d(3, 4, 1)
            self.out = nn.Conv2d(8, 3, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return self.out(torch.cat([self.up(self.middle(self.down(x))), self.skip(x)], 1))

    return UNet()


def _head(nn: Any) -> Any:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
            self.fc = nn.Linear(5 * 10 * 10, 4)

        def forward(self, x: Any) -> Any:
            return self.fc(self.body(x).permute(0, 3, 2, 1).contiguous().flatten(1))

    return Head()


def models() -> dict[str, tuple[Any, str, tuple[int, ...]]]:
    """Name → (model in evaluation mode, layer, shape of a batch of one)."""
    import torch
    from torch import nn

    torch.manual_seed(7)
    image = (1, 3, 22, 22)
    row = nn.Sequential
    chain = [f() for _ in range(3) for f in (lambda: nn.Conv2d(3, 3, 3, padding=1), nn.ReLU)]
    depthwise = row(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 5, padding=2, groups=6), nn.Conv2d(6, 2, 1))
    pools = row(nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.MaxPool2d(2, 1, dilation=2))
    shuffled = row(nn.Conv2d(3, 8, 3), nn.PixelShuffle(2), nn.ReflectionPad2d(2), nn.Conv2d(2, 3, 3))

    def resized(how: Any) -> Any:
        return row(nn.Conv2d(3, 4, 3), how, nn.Conv2d(4, 3, 3))

    found = {
        "chain": (row(*chain), "5", image),
        "strided": (row(nn.Conv2d(3, 5, 5, 3, 1), nn.Tanh(), nn.Conv2d(5, 4, 2, 2)), "2", (1, 3, 23, 26)),
        "residual": (_residual(nn), "relu@1", image),
        "branches": (_branches(nn), "join", image),
        "unet": (_unet(nn), "out", image),
        "head": (_head(nn), "fc", image),
        "depthwise": (depthwise, "2", image),
        "pools": (pools, "3", (1, 3, 29, 27)),
        "resized": (resized(nn.Upsample(scale_factor=2, mode="bilinear")), "2", (1, 3, 14, 13)),
        "nearest": (resized(nn.Upsample(scale_factor=3)), "2", (1, 3, 14, 13)),
        "shuffled": (shuffled, "3", (1, 3, 14, 13)),
        "line": (row(nn.Conv1d(2, 4, 5, dilation=3), nn.BatchNorm1d(4), nn.Conv1d(4, 3, 3)), "2", (1, 2, 40)),
        "volume": (row(nn.Conv3d(1, 3, 3), nn.MaxPool3d(2), nn.Conv3d(3, 2, 2)), "2", (1, 1, 9, 8, 10)),
        "pooled": (resized(nn.AdaptiveAvgPool2d(5)), "2", (1, 3, 13, 14)),
        "global": (row(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)), "1", (1, 3, 13, 14)),
    }  # fmt: skip
    for model, _, _ in found.values():
        for part in model.modules():
            if "BatchNorm" in type(part).__name__:
                part.running_var.uniform_(0.5, 2)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.2)
        model.eval()
    return found


def positive(model: Any) -> Any:
    """The same with weights above 0 whose rows sum to 1, in float64: nothing can cancel, and no unit is dead."""
    import torch

    model = model.double()
    with torch.no_grad():
        for part in model.modules():
            if "BatchNorm" in type(part).__name__:
                part.running_mean.zero_()
                part.weight.fill_(0.5)  # some begin with 0; with 1, values grow until relu6 is flat
            elif getattr(part, "weight", None) is not None:
                w = part.weight.abs().add(0.1)
                part.weight.copy_(w / w.sum(tuple(range(1, w.dim())), keepdim=True))
            if getattr(part, "bias", None) is not None:
                part.bias.fill_(0.1)
    return model
