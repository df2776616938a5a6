"""Swin-T: attention inside windows that shift from block to block.

Z. Liu, Y. Lin, Y. Cao, H. Hu, Y. Wei, Z. Zhang, S. Lin, B. Guo, "Swin Transformer: Hierarchical Vision Transformer
using Shifted Windows", ICCV 2021, Table 7 and Figure 3.

A shifted block rolls its map by half a window and masks what the roll has brought together from opposite borders. What
is left is attention inside windows whose corner lies half a window further, those at the border cut off, and so it is
written: a pad, the windows, a crop. That holds for every entry, at borders too. Linear layers that act on each entry
are 1×1 convolutions, and the merging of 2×2 entries with its linear layer is a 2×2 convolution of stride 2.

Layers carry torchvision's names: `features.0`, `features.1.0.attn.qkv`, `features.1.0.attn.window`,
`features.1.0.attn.proj`, `features.1.0.attn.add`, `features.1.0.mlp.0`, `features.1.0.mlp.3`, `features.1.0.mlp.add`,
`features.2.reduction`, …, `head`; `features.1`, `features.3`, `features.5`, `features.7` are the maps after each stage.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network, Size, check_size

CITATION = "Liu et al., Swin Transformer, ICCV 2021, Table 7"
BLOCKS = (2, 2, 6, 2)
WIDTHS = (96, 192, 384, 768)
PATCH = 4
WINDOW = 7


def swin_t(*, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return Swin-T.

    Parameters
    ----------
    classes : int or None
        Outputs of the classifier; None leaves it out.
    input_size : int or tuple of int
        Build the network with the size that it is used at: a map no larger than one window (the last stage, up to 224
        pixels) is not shifted.

    Examples
    --------
    >>> swin_t().map_sizes()["features.7"]
    (7, 7)
    """
    size = check_size(input_size, 2)
    b = NetworkBuilder("swin_t", input_size=size)
    b.conv("features.0", kernel=PATCH, stride=PATCH, channels=WIDTHS[0])
    entries = tuple(n // PATCH for n in size)
    for stage, (blocks, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        if stage:  # an odd map gets one more entry at its end
            b.conv(f"features.{2 * stage}.reduction", kernel=2, stride=2, padding="same", channels=width, bias=False)
            entries = tuple((n + 1) // 2 for n in entries)
        for i in range(blocks):
            _block(b, f"features.{2 * stage + 1}.{i}", width, entries, shifted=i % 2 == 1)
        b.pointwise(f"features.{2 * stage + 1}")
    if classes is not None:
        b.global_pool("avgpool")
        b.linear("head", channels=classes)
    return b.build()


def _block(b: NetworkBuilder, name: str, width: int, entries: Size, *, shifted: bool) -> None:
    source = b.last
    # a window begins half a window before the map; a multiple of the window is no shift at all
    ahead = tuple(WINDOW - WINDOW // 2 if shifted and n > WINDOW else 0 for n in entries)
    b.conv(f"{name}.attn.qkv", kernel=1, channels=3 * width)
    if any(ahead):
        b.pad(f"{name}.attn.pad", padding=[*ahead, 0, 0])
    b.window_attention(f"{name}.attn.window", window=WINDOW, channels=width)
    if any(ahead):
        b.crop(f"{name}.attn.crop", amount=[*ahead, 0, 0])
    b.conv(f"{name}.attn.proj", kernel=1, channels=width)
    b.add(f"{name}.attn.add", inputs=[b.last, source])
    source = b.last
    b.conv(f"{name}.mlp.0", kernel=1, channels=4 * width)
    b.conv(f"{name}.mlp.3", kernel=1, channels=width)
    b.add(f"{name}.mlp.add", inputs=[b.last, source])
