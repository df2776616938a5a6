"""High-resolution networks: four resolutions side by side that exchange their maps.

J. Wang, K. Sun, T. Cheng, B. Jiang, C. Deng, Y. Zhao, D. Liu, Y. Mu, M. Tan, X. Wang, W. Liu, B. Xiao, "Deep
High-Resolution Representation Learning for Visual Recognition", IEEE TPAMI 43(10), 2021, Table 1 and Figures 2 and 3,
with the classification head of its Section 7 as the authors' code has it.

Layers carry the names of the authors' code: `conv1`, `layer1.0.conv1`, `transition1.0`, `stage2.0.branches.0.0.conv1`,
`stage2.0.fuse_layers.0.1`, …, `incre_modules.0.0.conv1`, `downsamp_modules.0`, `final_layer`, `classifier`; the map
that a module puts out at resolution i is `stage2.0.out.i`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole
from rfscale.engine.zoo.blocks import normed

CITATION = "Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2021, Table 1"
MODULES = {2: 1, 3: 4, 4: 3}  # per stage, which has as many resolutions as its number
UNITS = 4  # residual units per resolution of a module
HEAD = (32, 64, 128, 256)  # width of the head's bottleneck at each resolution


def hrnet(width: int = 18, *, classes: int | None = 1000, input_size: int | tuple[int, ...] = 224) -> Network:
    """Return a high-resolution network.

    Parameters
    ----------
    width : int
        Channels of the highest resolution; each further one has twice as many.
    classes : int or None
        Outputs of the classifier; None leaves out the whole head, and the four maps of the last stage are the outputs.
    input_size : int or tuple of int
        A multiple of 32, or the maps that merge differ in size.

    Examples
    --------
    >>> net = hrnet(18, classes=None)
    >>> [net.map_sizes()[name][0] for name in net.outputs]
    [56, 28, 14, 7]
    """
    widths = [whole(width, "width") << i for i in range(4)]
    b = NetworkBuilder(f"hrnet_w{width}", input_size=input_size)
    normed(b, "conv1", 64, 3, 2)
    normed(b, "conv2", 64, 3, 2)
    for i in range(4):
        _bottleneck(b, f"layer1.{i}", b.last, 64, project=i == 0)
    maps = [b.last]
    for stage, modules in MODULES.items():
        maps = _transition(b, f"transition{stage - 1}", maps, widths[:stage])
        for module in range(modules):
            maps = _module(b, f"stage{stage}.{module}", maps, widths)
    if classes is None:
        return b.build(outputs=maps)
    merged = ""
    for i, (source, head) in enumerate(zip(maps, HEAD, strict=True)):
        wide = _bottleneck(b, f"incre_modules.{i}.0", source, head, project=True)
        if merged:
            b.conv(f"downsamp_modules.{i - 1}", kernel=3, stride=2, padding=1, channels=4 * head, inputs=merged)
            wide = b.add(f"downsamp_modules.{i - 1}.add", inputs=[wide, b.last])
        merged = wide
    b.conv("final_layer", kernel=1, channels=2048)
    b.global_pool("avgpool")
    b.linear("classifier", channels=classes)
    return b.build()


def _bottleneck(b: NetworkBuilder, name: str, source: str, width: int, *, project: bool) -> str:
    normed(b, f"{name}.conv1", width, inputs=source)
    normed(b, f"{name}.conv2", width, 3)
    last = normed(b, f"{name}.conv3", 4 * width)
    shortcut = normed(b, f"{name}.downsample", 4 * width, inputs=source) if project else source
    return b.add(f"{name}.add", inputs=[last, shortcut])


def _transition(b: NetworkBuilder, name: str, maps: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Append one more resolution, made from the lowest there is; after the stem also narrow the first."""
    out = list(maps)
    if len(maps) == 1:
        out = [normed(b, f"{name}.0", widths[0], 3, inputs=maps[0])]
    new = len(widths) - 1
    return [*out, normed(b, f"{name}.{new}", widths[new], 3, 2, inputs=maps[-1])]


def _module(b: NetworkBuilder, name: str, maps: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Append residual units at each resolution, then the exchange between all of them."""
    made = []
    for i, source in enumerate(maps):
        for unit in range(UNITS):
            label = f"{name}.branches.{i}.{unit}"
            normed(b, f"{label}.conv1", widths[i], 3, inputs=source)
            normed(b, f"{label}.conv2", widths[i], 3)
            source = b.add(f"{label}.add", inputs=[b.last, source])
        made.append(source)
    return [
        b.add(
            f"{name}.out.{i}",
            inputs=[_moved(b, f"{name}.fuse_layers.{i}.{j}", source, j, i, widths) for j, source in enumerate(made)],
        )
        for i in range(len(made))
    ]


def _moved(b: NetworkBuilder, name: str, source: str, old: int, new: int, widths: Sequence[int]) -> str:
    """Append what brings a map from one resolution to another: a 1×1 and nearest entries up, strided 3×3 down."""
    if new < old:
        normed(b, name, widths[new], inputs=source)
        return b.upsample(f"{name}.up", scale=2 ** (old - new), mode="nearest")
    for step in range(new - old):
        channels = widths[new] if step == new - old - 1 else widths[old]
        source = normed(b, f"{name}.{step}", channels, 3, 2, inputs=source)
    return source
