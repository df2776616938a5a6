"""PyTorch modules of networks that no library of the test extra has, written as their authors' code has them.

They share nothing with the zoo: the reader makes networks of them, and tests/engine/readers/test_zoo.py sets those
beside it.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

# U-Net (Ronneberger et al. 2015, Çiçek et al. 2016) ---------------------------------------------------------------


class UNet(nn.Module):
    """`down` has the channels of the two 3×3 of each level, the bottom last; `up` those of the transposed layers."""

    def __init__(self, channels, down, up, classes, *, padding=0, bias=True, ndim=2):
        super().__init__()
        conv = nn.Conv3d if ndim == 3 else nn.Conv2d
        transposed = nn.ConvTranspose3d if ndim == 3 else nn.ConvTranspose2d
        self.pool = F.max_pool3d if ndim == 3 else F.max_pool2d

        def double(before, first, second):
            three = partial(conv, kernel_size=3, padding=padding)
            return nn.Sequential(three(before, first), nn.ReLU(), three(first, second), nn.ReLU())

        befores = [channels, *(second for _, second in down)]
        self.down = nn.ModuleList(double(n, *pair) for n, pair in zip(befores, down, strict=False))
        self.up, self.joined, below = nn.ModuleList(), nn.ModuleList(), down[-1][1]
        for (_, width), risen in zip(down[-2::-1], up[::-1], strict=True):
            self.up.append(transposed(below, risen, 2, 2, bias=bias))
            self.joined.append(double(width + risen, width, width))
            below = width
        self.last = conv(below, classes, 1)

    def forward(self, x):
        maps = []
        for i, level in enumerate(self.down):
            x = level(x if not i else self.pool(x, 2))
            maps.append(x)
        for rise, join, old in zip(self.up, self.joined, maps[-2::-1], strict=True):
            x = rise(x)
            for axis in range(2, x.dim()):
                old = old.narrow(axis, (old.shape[axis] - x.shape[axis]) // 2, x.shape[axis])
            x = join(torch.cat([old, x], 1))
        return self.last(x)


def unet(padding=0):
    widths = [64, 128, 256, 512, 1024]
    return UNet(1, [(w, w) for w in widths], widths[:-1], 2, padding=padding)


def unet3d():
    down = [(32, 64), (64, 128), (128, 256), (256, 512)]
    return UNet(3, down, [128, 256, 512], 3, bias=False, ndim=3)


# PatchGAN (NLayerDiscriminator of Isola et al. 2017) ----------------------------------------------------------------


def patchgan(layers=3, width=64):
    parts = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    before = width
    for n in range(1, layers + 1):
        after = width * min(2**n, 8)
        parts += [nn.Conv2d(before, after, 4, 2 if n < layers else 1, 1, bias=False)]
        parts += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
        before = after
    return nn.Sequential(*parts, nn.Conv2d(before, 1, 4, 1, 1))


# TCN (Bai et al. 2018) ----------------------------------------------------------------------------------------------


class TemporalBlock(nn.Module):
    def __init__(self, before, after, kernel, dilation):
        super().__init__()
        self.chomp = (kernel - 1) * dilation
        self.conv1 = nn.Conv1d(before, after, kernel, padding=self.chomp, dilation=dilation)
        self.conv2 = nn.Conv1d(after, after, kernel, padding=self.chomp, dilation=dilation)
        self.downsample = nn.Conv1d(before, after, 1) if before != after else None

    def forward(self, x):
        out = self.conv1(x)[:, :, : -self.chomp].contiguous().relu()
        out = self.conv2(out)[:, :, : -self.chomp].contiguous().relu()
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


def tcn(levels=8, kernel=7, width=25):
    return nn.Sequential(*(TemporalBlock(width if i else 1, width, kernel, 2**i) for i in range(levels)))


# WaveNet (van den Oord et al. 2016) ---------------------------------------------------------------------------------


class WaveNet(nn.Module):
    def __init__(self, blocks=3, layers=10, width=32, skip=256, levels=256):
        super().__init__()
        self.dilations = [2**i for i in range(layers)] * blocks
        self.causal = nn.Conv1d(levels, width, 2)
        self.filters = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=d) for d in self.dilations)
        self.gates = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=d) for d in self.dilations)
        self.residuals = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.dilations)
        self.skips = nn.ModuleList(nn.Conv1d(width, skip, 1) for _ in self.dilations)
        self.post1, self.post2 = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, levels, 1)

    def forward(self, x):
        x, total = self.causal(F.pad(x, (1, 0))), 0
        for i, dilation in enumerate(self.dilations):
            padded = F.pad(x, (dilation, 0))
            gated = torch.tanh(self.filters[i](padded)) * torch.sigmoid(self.gates[i](padded))
            total = total + self.skips[i](gated)
            x = x + self.residuals[i](gated)
        return self.post2(self.post1(total.relu()).relu())


# YOLOv5s, release 6.0 -----------------------------------------------------------------------------------------------


def conv(before, after, kernel=1, stride=1, padding=None):
    padding = kernel // 2 if padding is None else padding
    layers = nn.Conv2d(before, after, kernel, stride, padding, bias=False), nn.BatchNorm2d(after), nn.SiLU()
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    def __init__(self, width, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.shortcut = conv(width, width), conv(width, width, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    def __init__(self, before, after, n=1, shortcut=True):
        super().__init__()
        half = after // 2
        self.cv1, self.cv2, self.cv3 = conv(before, half), conv(before, half), conv(2 * half, after)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(n)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.cv1, self.cv2, self.m = conv(width, width // 2), conv(2 * width, width), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.m(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class YOLOv5s(nn.Module):
    def __init__(self):
        super().__init__()
        self.p3 = nn.Sequential(
            conv(3, 32, 6, 2, 2), conv(32, 64, 3, 2), C3(64, 64), conv(64, 128, 3, 2), C3(128, 128, 2)
        )
        self.p4 = nn.Sequential(conv(128, 256, 3, 2), C3(256, 256, 3))
        self.p5 = nn.Sequential(conv(256, 512, 3, 2), C3(512, 512), SPPF(512))
        self.narrow5, self.up4 = conv(512, 256), C3(512, 256, 1, False)
        self.narrow4, self.up3 = conv(256, 128), C3(256, 128, 1, False)
        self.down3, self.pan4 = conv(128, 128, 3, 2), C3(256, 256, 1, False)
        self.down4, self.pan5 = conv(256, 256, 3, 2), C3(512, 512, 1, False)

    def forward(self, x):
        p3 = self.p3(x)
        p4 = self.p4(p3)
        n5 = self.narrow5(self.p5(p4))
        n4 = self.narrow4(self.up4(torch.cat([F.interpolate(n5, scale_factor=2), p4], 1)))
        out3 = self.up3(torch.cat([F.interpolate(n4, scale_factor=2), p3], 1))
        out4 = self.pan4(torch.cat([self.down3(out3), n4], 1))
        return out3, out4, self.pan5(torch.cat([self.down4(out4), n5], 1))
