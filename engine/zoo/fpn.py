"""Feature pyramid networks on a residual network.

T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan, S. Belongie, "Feature Pyramid Networks for Object Detection",
CVPR 2017, Section 3 and Figure 3; P6 from Section 4.1. The paper has no layer table of its own; the bottom-up path is
Table 1 of He et al., CVPR 2016, with the stride in the 1×1 as in the models that the paper builds on.
Layers: those of the residual network, then `lateral5`, `topdown4`, `merge4`, `P5` and so on.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.zoo import resnet

CITATION = "Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, Section 3"


def fpn(
    depth: int = 50, *, stride_in: str = "1x1", channels: int = 256, input_size: int | tuple[int, ...] = (800, 1344)
) -> Network:
    """Return a feature pyramid; its maps P2 … P6 are the outputs.

    Parameters
    ----------
    depth : int
        Depth of the residual network.
    stride_in : str
        As in `resnet`.
    channels : int
        Channels of each level.
    input_size : int or tuple of int
        Multiples of 32, or the branches that merge differ in size. The default is what detectors feed it on COCO:
        short side 800, long side at most 1333, padded to a multiple of 32.

    Examples
    --------
    >>> net = fpn(50, input_size=224)
    >>> [net.map_sizes()[name][0] for name in net.outputs]
    [56, 28, 14, 7, 4]
    """
    resnet.check(depth, stride_in)
    b = NetworkBuilder(f"fpn-resnet{depth}", input_size=input_size)
    b.conv("conv1", kernel=7, stride=2, padding=3, channels=64, bias=False)
    b.max_pool("maxpool", kernel=3, stride=2, padding=1)
    stages = resnet.stages(b, depth, stride_in=stride_in)
    above = ""
    for level, stage in reversed(list(enumerate(stages, start=2))):
        lateral = b.conv(f"lateral{level}", kernel=1, channels=channels, inputs=stage)
        if above:
            b.upsample(f"topdown{level}", scale=2, mode="nearest", inputs=above)
            above = b.add(f"merge{level}", inputs=[lateral, f"topdown{level}"])
        else:
            above = lateral
        b.conv(f"P{level}", kernel=3, padding=1, channels=channels, inputs=above)
    b.max_pool("P6", kernel=1, stride=2, inputs="P5")
    return b.build(outputs=["P2", "P3", "P4", "P5", "P6"])
