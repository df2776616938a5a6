"""SegFormer-B0.

E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo, "SegFormer: Simple and Efficient Design for Semantic
Segmentation with Transformers", NeurIPS 2021, Table 6 and Figure 2.

Its convolutional parts (overlapping patches, the depthwise 3×3 between the linear layers) move pixels by a few entries;
its attention, over a map reduced by a strided layer, has a global receptive field. That is written as queries
multiplied by a global pool of keys and values, so that ``global_ops="skip"`` leaves the convolutional parts. Linear
layers that act on each entry are 1×1 convolutions.

Layers carry the names of the authors' code: `patch_embed1.proj`, `block1.0.attn.q`, `block1.0.attn.sr`,
`block1.0.attn.kv`, `block1.0.attn`, `block1.0.attn.proj`, `block1.0.mlp.fc1`, `block1.0.mlp.dwconv`,
`block1.0.mlp.fc2`, …, `linear_c4`, …, `linear_fuse`, `linear_pred`; `block1` … `block4` are the maps after each stage.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo.blocks import normed

CITATION = "Xie et al., SegFormer, NeurIPS 2021, Table 6"


# per stage: kernel and stride of the patches, channels, reduction of keys and values
STAGES = ((7, 4, 32, 8), (3, 2, 64, 4), (3, 2, 160, 2), (3, 2, 256, 1))
BLOCKS = 2
HEAD = 256


def segformer_b0(*, classes: int | None = 150, input_size: int | tuple[int, ...] = 512) -> Network:
    """Return SegFormer-B0, up to class scores at a quarter of the image's size.

    Parameters
    ----------
    classes : int or None
        Outputs of the decoder; None leaves it out, and the maps of the four stages are the outputs.
    input_size : int or tuple of int
        A multiple of 32, or the maps that merge differ in size.

    Examples
    --------
    >>> segformer_b0().map_sizes()["linear_pred"]
    (128, 128)
    """
    b = NetworkBuilder("segformer_b0", input_size=input_size)
    maps = []
    for stage, (kernel, stride, channels, reduction) in enumerate(STAGES, start=1):
        b.conv(f"patch_embed{stage}.proj", kernel=kernel, stride=stride, padding=kernel // 2, channels=channels)
        for i in range(BLOCKS):
            _block(b, f"block{stage}.{i}", channels, reduction)
        maps.append(b.pointwise(f"block{stage}"))
    if classes is None:
        return b.build(outputs=maps)
    levels = []
    for stage in (4, 3, 2, 1):
        level = b.conv(f"linear_c{stage}", kernel=1, channels=HEAD, inputs=maps[stage - 1])
        if stage > 1:
            level = b.upsample(f"linear_c{stage}.up", scale=2 ** (stage - 1), mode="bilinear")
        levels.append(level)
    b.concat("linear_fuse.cat", inputs=levels)
    normed(b, "linear_fuse", HEAD)
    b.conv("linear_pred", kernel=1, channels=classes)
    return b.build()


def _block(b: NetworkBuilder, name: str, channels: int, reduction: int) -> None:
    source = b.last
    queries = b.conv(f"{name}.attn.q", kernel=1, channels=channels)
    reduced = source
    if reduction > 1:
        reduced = b.conv(f"{name}.attn.sr", kernel=reduction, stride=reduction, channels=channels, inputs=source)
    b.conv(f"{name}.attn.kv", kernel=1, channels=2 * channels, inputs=reduced)
    b.global_pool(f"{name}.attn.pool", channels=channels)
    b.multiply(f"{name}.attn", inputs=[queries, f"{name}.attn.pool"])
    b.conv(f"{name}.attn.proj", kernel=1, channels=channels)
    source = b.add(f"{name}.attn.add", inputs=[b.last, source])
    b.conv(f"{name}.mlp.fc1", kernel=1, channels=4 * channels)
    b.conv(f"{name}.mlp.dwconv", kernel=3, padding=1, channels=4 * channels, groups=4 * channels)
    b.conv(f"{name}.mlp.fc2", kernel=1, channels=channels)
    b.add(f"{name}.mlp.add", inputs=[b.last, source])
