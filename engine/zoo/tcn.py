"""Temporal convolutional networks: residual units of causal layers whose dilations double.

S. Bai, J. Z. Kolter, V. Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
Modeling", arXiv:1803.01271, 2018, Section 3 and Figure 1; the defaults are the authors' code for sequential MNIST.

Layers carry the names of that code: `network.0.conv1`, `network.0.conv2`, `network.0.downsample`, `network.0.add`, …,
`linear`.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = (
    "Bai, Kolter, Koltun, An Empirical Evaluation of Generic Sequence Modeling, arXiv:1803.01271, 2018, Section 3"
)


def tcn(
    levels: int = 8,
    kernel: int = 7,
    *,
    channels: int = 25,
    classes: int | None = 10,
    input_channels: int = 1,
    input_size: int | tuple[int, ...] = 784,
) -> Network:
    """Return a temporal convolutional network, one axis, whose entries see only samples at or before their own.

    Its last map sees 1 + 2·(kernel − 1)·(2^levels − 1) samples.

    Parameters
    ----------
    levels : int
        Residual units, of dilations 1, 2, 4, ….
    kernel : int
    channels : int
        Channels of each layer.
    classes : int or None
        Outputs of the linear layer, here at every sample (of which a classifier takes the last); None leaves it out.
    input_channels : int
    input_size : int or tuple of int
        Samples.

    Examples
    --------
    >>> tcn(levels=2)["network.1.conv1"].params["dilation"]
    (2,)
    """
    levels, reach = whole(levels, "levels", maximum=24), whole(kernel, "kernel") - 1
    b = NetworkBuilder("tcn", axes=1, input_size=input_size, input_channels=input_channels)
    before = input_channels
    source: str | None = None
    for level in range(levels):
        name, dilation = f"network.{level}", 2**level
        shortcut = source
        if before != channels:
            shortcut = b.conv(f"{name}.downsample", kernel=1, channels=channels, inputs=source)
        for i in (1, 2):
            source = b.conv(
                f"{name}.conv{i}",
                kernel=kernel,
                dilation=dilation,
                padding=[reach * dilation, 0],
                channels=channels,
                inputs=source,
            )
        source = b.add(f"{name}.add", inputs=[source, shortcut or "input"])
        before = channels
    if classes is not None:
        b.conv("linear", kernel=1, channels=classes)
    return b.build()
