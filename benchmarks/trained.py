"""Networks trained on the spot, in seconds on a CPU: what lies in the noise, a square, a disc, a cross or a ring.

Of each kind that the predicted field has rules for: plain chains, batch norms, skips, depthwise layers, gates, norms of
the image itself, attention. ``python -m benchmarks.fields`` measures and predicts their fields.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

SIDE, SHAPES, SEED = 40, 4, 0
BATCH = 48


class Kind(NamedTuple):
    """One network to train."""

    make: Callable[[], nn.Module]
    layer: str
    rate: float = 2e-3
    steps: int = 300
    nothing: bool = False  # whether noise alone is one thing more to find


class Head(nn.Module):
    """A map, its mean, and a guess of the shape."""

    def __init__(self, body: nn.Module, channels: int, kinds: int = SHAPES) -> None:
        super().__init__()
        self.body, self.out = body, nn.Linear(channels, kinds)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the shapes."""
        return self.out(self.body(x).mean((2, 3)))


def shapes(count: int, generator: torch.Generator, nothing: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of noise with one shape of random kind, size, place and colour, or nothing, and its kind."""
    kinds = torch.randint(0, SHAPES + nothing, (count,), generator=generator)
    radius = 4 + 4 * torch.rand(count, generator=generator).reshape(-1, 1, 1)
    middle = 10 + (SIDE - 20) * torch.rand((2, count, 1, 1), generator=generator)
    y, x = ((torch.arange(SIDE).reshape(s) - m).abs() for s, m in zip(((1, -1, 1), (1, 1, -1)), middle, strict=True))
    far, away = torch.maximum(y, x), (y.square() + x.square()).sqrt()
    masks = (far < 0.9 * radius, away < radius, (far < radius) & (torch.minimum(y, x) < radius / 3),
             (away < radius) & (away > radius / 2), far < 0)  # fmt: skip
    mask = torch.stack(masks, 1)[torch.arange(count), kinds].float()
    colour = 1 + 0.5 * torch.randn((count, 3, 1, 1), generator=generator)
    return torch.randn((count, 3, SIDE, SIDE), generator=generator) + mask[:, None] * colour, kinds


def trained(kind: Kind) -> tuple[nn.Module, float]:
    """A network after training, and the share of right answers on other images."""
    torch.manual_seed(SEED)
    model, generator = kind.make(), torch.Generator().manual_seed(SEED + 1)
    optimizer = torch.optim.AdamW(model.parameters(), kind.rate, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, kind.rate, total_steps=kind.steps)
    model.train()
    for _ in range(kind.steps):
        images, kinds = shapes(BATCH, generator, kind.nothing)
        optimizer.zero_grad()
        functional.cross_entropy(model(images), kinds).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        plan.step()
    model.eval()
    with torch.no_grad():
        images, kinds = shapes(500, generator, kind.nothing)
        return model, float((model(images).argmax(1) == kinds).float().mean())


# networks ------------------------------------------------------------------------------------------------------------


def chain(norm: bool) -> nn.Module:
    """Seven 3×3, two max-pools."""
    parts: list[nn.Module] = []
    wide = 3
    for n, channels in enumerate((16, 16, 24, 24, 32, 32, 32)):
        parts += [nn.Conv2d(wide, channels, 3, padding=1, bias=not norm)]
        parts += [nn.BatchNorm2d(channels)] if norm else []
        parts += [nn.ReLU(inplace=True)]
        parts += [nn.MaxPool2d(2)] if n in (1, 3) else []
        wide = channels
    return Head(nn.Sequential(*parts), wide)


class Excite(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Each channel times a gate."""
        return x * torch.sigmoid(self.up(functional.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Residual(nn.Module):
    """Layers beside a skip."""

    def __init__(self, inner: nn.Module, skip: nn.Module | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.skip, self.after = inner, skip or nn.Identity(), after or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of both."""
        return self.after(self.inner(x) + self.skip(x))


def conv(wide: int, channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm."""
    layer = nn.Conv2d(wide, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(channels)]


def resnet(excite: bool, kinds: int = SHAPES) -> nn.Module:
    """Three stages of two basic blocks."""
    parts = [*conv(3, 16), nn.ReLU()]
    for wide, channels, stride in ((16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 32, 2), (32, 32, 1)):
        inner = [*conv(wide, channels, 3, stride), nn.ReLU(), *conv(channels, channels)]
        inner += [Excite(channels)] if excite else []
        skip = None if wide == channels else nn.Sequential(*conv(wide, channels, 1, stride))
        parts.append(Residual(nn.Sequential(*inner), skip, nn.ReLU()))
    return Head(nn.Sequential(*parts), 32, kinds)


def mobilenet(act: Callable[[], nn.Module], excite: bool) -> nn.Module:
    """Inverted bottlenecks, depthwise 3×3 and 5×5."""
    parts = [*conv(3, 16, 3, 2), act()]
    for wide, channels, kernel, stride in ((16, 16, 3, 1), (16, 24, 5, 2), (24, 24, 5, 1), (24, 32, 3, 1)):
        deep = 4 * wide
        inner = [*conv(wide, deep, 1), act(), *conv(deep, deep, kernel, stride, deep), act()]
        inner += [Excite(deep)] if excite else []
        block = nn.Sequential(*inner, *conv(deep, channels, 1))
        parts.append(Residual(block) if stride == 1 and wide == channels else block)
    return Head(nn.Sequential(*parts), 32)


class Turned(nn.Module):
    """Layers on a map with its channels last."""

    def __init__(self, *inner: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The map, as it was."""
        return self.inner(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    """Depthwise 7×7, layer norm, two layers of channels."""
    parts: list[nn.Module] = [nn.Conv2d(3, 24, 2, 2), Turned(nn.LayerNorm(24))]
    for n in range(4):
        if n == 2:
            parts += [Turned(nn.LayerNorm(24)), nn.Conv2d(24, 32, 2, 2)]
        c = 24 if n < 2 else 32
        inner = Turned(nn.LayerNorm(c), nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))
        parts.append(Residual(nn.Sequential(nn.Conv2d(c, c, 7, padding=3, groups=c), inner)))
    return Head(nn.Sequential(*parts), 32)


class Attention(nn.Module):
    """Attention among all tokens, or in windows, which may be shifted by half their side."""

    def __init__(self, channels: int, heads: int, window: int = 0, shift: int = 0) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.heads, self.window, self.shift = heads, window, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (n, height, width, channels) the same."""
        n, h, w, c = x.shape
        s = self.window or h
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        t = x.reshape(n, h // s, s, w // s, s, c).transpose(2, 3).reshape(-1, s * s, c)
        q, k, v = self.qkv(t).reshape(len(t), s * s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        t = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(t), s * s, c)
        x = self.out(t).reshape(n, h // s, w // s, s, s, c).transpose(2, 3).reshape(n, h, w, c)
        return torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x


class Positions(nn.Module):
    """Patches, and what says where they are."""

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, patch, patch)
        self.where = nn.Parameter(0.02 * torch.randn(1, channels, SIDE // patch, SIDE // patch))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A map of tokens."""
        return self.patches(x) + self.where


def transformer(patch: int, window: int) -> nn.Module:
    """Four blocks of attention."""
    c = 32
    parts: list[nn.Module] = [Positions(c, patch)]
    for n in range(4):
        attention = Attention(c, 4, window, window // 2 * (n % 2))
        parts.append(Residual(Turned(nn.LayerNorm(c), attention)))
        parts.append(Residual(Turned(nn.LayerNorm(c), nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))))
    return Head(nn.Sequential(*parts), c)


KINDS = {
    "chain": Kind(partial(chain, norm=False), "body"),
    "chain, batch norms": Kind(partial(chain, norm=True), "body"),
    "residual": Kind(partial(resnet, excite=False), "body"),
    "residual, silent on noise": Kind(partial(resnet, excite=False, kinds=SHAPES + 1), "body", nothing=True),
    "residual, gates": Kind(partial(resnet, excite=True), "body"),
    "depthwise, relu6": Kind(partial(mobilenet, act=nn.ReLU6, excite=False), "body"),
    "depthwise, gates, SiLU": Kind(partial(mobilenet, act=nn.SiLU, excite=True), "body"),
    "ConvNeXt-like": Kind(convnext, "body", steps=500),
    "ViT-like": Kind(partial(transformer, patch=4, window=0), "body", steps=600),
    "Swin-like": Kind(partial(transformer, patch=4, window=5), "body", steps=600),
}
