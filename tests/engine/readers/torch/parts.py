"""Models of parts as people write them: U-Nets, necks, decoders, shared heads, modules that end in what is dropped."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


def conv(i, o, kernel=3, stride=1, dilation=1):
    layer = nn.Conv2d(i, o, kernel, stride, dilation * (kernel // 2), dilation)
    return nn.Sequential(layer, nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Up(nn.Module):
    """Its forward ends in a child."""

    def __init__(self, i, o):
        super().__init__()
        self.up = nn.ConvTranspose2d(i, i // 2, 2, 2)
        self.conv = nn.Sequential(conv(i, o), conv(o, o))

    def forward(self, low, skip):
        return self.conv(torch.cat([skip, self.up(low)], 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = conv(3, 8)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), conv(8, 16))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), conv(16, 32))
        self.up1, self.up2, self.out = Up(32, 16), Up(16, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.down1(a)
        return self.out(self.up2(self.up1(self.down2(b), b), a))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.c3, self.c4, self.c5 = conv(3, 8, 3, 2), conv(8, 8, 3, 2), conv(8, 8, 3, 2), conv(8, 8, 3, 2)

    def forward(self, x):
        a = self.c3(self.stem(x))
        b = self.c4(a)
        return {"c3": a, "c4": b, "c5": self.c5(b)}


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(3)])
        self.out = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])

    def forward(self, maps):
        a, b, c = (lateral(m) for lateral, m in zip(self.lateral, maps.values(), strict=True))
        b = b + F.interpolate(c, scale_factor=2)
        a = a + F.interpolate(b, scale_factor=2)
        return OrderedDict(p3=self.out[0](a), p4=self.out[1](b), p5=self.out[2](c))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower, self.classes, self.boxes = conv(8, 8), nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.tower(x)
        return self.classes(x).sigmoid(), self.boxes(x)


class Detector(nn.Module):
    """One head on three levels."""

    def __init__(self):
        super().__init__()
        self.backbone, self.neck, self.head = Backbone(), Pyramid(), Head()

    def forward(self, x):
        return {name: self.head(level) for name, level in self.neck(self.backbone(x)).items()}


class Levels(NamedTuple):
    low: torch.Tensor
    high: torch.Tensor


class PathAggregation(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.pyramid = Backbone(), Pyramid()
        self.down1, self.down2, self.merge1, self.merge2 = conv(8, 8, 3, 2), conv(8, 8, 3, 2), conv(8, 8), conv(8, 8)

    def forward(self, x):
        levels = self.pyramid(self.backbone(x))
        a = self.merge1(levels["p4"] + self.down1(levels["p3"]))
        return Levels(levels["p3"], self.merge2(levels["p5"] + self.down2(a)))


class Bottleneck(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b = conv(n, n, 1), conv(n, n)

    def forward(self, x):
        return x + self.b(self.a(x))


class CrossStage(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = conv(8, 4, 1), conv(8, 4, 1), conv(8, 8, 1)
        self.blocks = nn.Sequential(Bottleneck(4), Bottleneck(4))

    def forward(self, x):
        return self.last(torch.cat([self.blocks(self.a(x)), self.b(x)], 1))


class CrossStageChunks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = conv(8, 8, 1), conv(16, 8, 1)
        self.blocks = nn.ModuleList([Bottleneck(4), Bottleneck(4)])

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        parts.extend(block(parts[-1]) for block in self.blocks)
        return self.last(torch.cat(parts, 1))


def cross_stage():
    return nn.Sequential(OrderedDict(stem=conv(3, 8, 3, 2), csp=CrossStage(), c2f=CrossStageChunks()))


class Atrous(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList([conv(8, 8, 1), conv(8, 8, 3, 1, 2), conv(8, 8, 3, 1, 4)])
        self.project = nn.Sequential(nn.Conv2d(24, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x):
        return self.project(torch.cat([branch(x) for branch in self.branches], 1))


def atrous():
    return nn.Sequential(OrderedDict(stem=conv(3, 8, 3, 2), aspp=Atrous(), head=nn.Conv2d(8, 2, 3, padding=1)))


class EndsInDropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 5, padding=2)
        self.norm, self.act, self.drop, self.same = nn.BatchNorm2d(8), nn.GELU(), nn.Dropout2d(), nn.Identity()

    def forward(self, x):
        x = self.conv1(x)
        return self.same(self.drop(self.act(self.norm(x + self.conv2(x)))))


def ends_in_dropped():
    return nn.Sequential(OrderedDict(block=EndsInDropped(), conv=nn.Conv2d(8, 8, 3), same=nn.Identity()))


class Reused(nn.Module):
    """One convolution under two names and one activation, several times each."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)
        self.alias = self.conv

    def forward(self, x):
        y = self.relu(self.conv(x))
        y = self.relu(self.alias(y))
        return self.relu(self.conv(y) + x)


class Several(nn.Module):
    """What it was given, what it makes, and a constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return {"same": x, "new": self.conv(x), "pooled": F.max_pool2d(x, 2), "constant": torch.ones(1, 8, 4, 4)}


class PassesOn(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.several, self.conv = conv(3, 8), Several(), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        maps = self.several(self.stem(x))
        return self.conv(maps["same"]) + maps["new"], self.conv(maps["pooled"]), [maps["constant"]]


class Shuffle(nn.Module):
    """A pixel shuffle of views."""

    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, h * 2, w * 2)


def shuffles():
    first = nn.Conv2d(3, 16, 3, 2, 1), Shuffle(), nn.Conv2d(4, 4, 3, padding=1), nn.PixelUnshuffle(2)
    return nn.Sequential(*first, nn.Conv2d(16, 16, 1), Shuffle())


class NoGradients(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen, self.conv = conv(3, 8), conv(8, 8)

    def forward(self, x):
        with torch.no_grad():
            x = self.frozen(x)
        return self.conv(x)


class DecoderBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.attention, self.conv2 = conv(16, 8), nn.Identity(), conv(8, 8)

    def forward(self, x, skip):
        x = torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1)
        return self.conv2(self.attention(self.conv1(x)))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([conv(3, 8), conv(8, 8, 3, 2), conv(8, 8, 3, 2)])
        self.blocks = nn.ModuleDict({"low": DecoderBlock(), "high": DecoderBlock()})
        self.head = nn.Sequential(nn.Conv2d(8, 1, 3, padding=1), nn.Identity(), nn.Identity())

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return self.head(self.blocks["high"](self.blocks["low"](maps[2], maps[1]), maps[0]))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 5, padding=2)

    def forward(self, x):
        return self.a(x), self.b(x), None


class Nested(nn.Module):
    """Returns a tuple with a list in it."""

    def __init__(self):
        super().__init__()
        self.stages, self.pair = nn.ModuleList([conv(3, 8, 3, 2), conv(8, 8, 3, 2)]), Pair()

    def forward(self, x):
        a = self.stages[0](x)
        b = self.stages[1](a)
        return a, [b, self.pair(b)]


PARTS = (
    UNet, Detector, PathAggregation, cross_stage, atrous, ends_in_dropped, Reused, PassesOn, shuffles, NoGradients,
    Decoder, Nested,
)  # fmt: skip
