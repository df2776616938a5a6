"""WaveNet: causal layers on a sound wave whose dilations double.

A. van den Oord, S. Dieleman, H. Zen, K. Simonyan, O. Vinyals, A. Graves, N. Kalchbrenner, A. Senior, K. Kavukcuoglu,
"WaveNet: A Generative Model for Raw Audio", arXiv:1609.03499, 2016, Section 2 and Figures 3 and 4. The paper gives
kernels of 2 and dilations 1, 2, 4, …, 512, repeated; the channels, which it does not tell, are ours.

Layers: `causal`, `block0.layer0.filter`, `.gate`, `.gated`, `.residual`, `.skip`, `.add`, …, `skips`, `post1`, `post2`.
"""

from __future__ import annotations

from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole

CITATION = "van den Oord et al., WaveNet: A Generative Model for Raw Audio, arXiv:1609.03499, 2016, Section 2"


def wavenet(
    blocks: int = 3,
    layers: int = 10,
    *,
    kernel: int = 2,
    channels: int = 32,
    skip_channels: int = 256,
    input_channels: int = 256,
    input_size: int | tuple[int, ...] = 16000,
) -> Network:
    """Return WaveNet, one axis, whose entries see only samples at or before their own.

    Its last map sees 1 + (kernel − 1)·(1 + blocks·(2^layers − 1)) samples. The scores at one sample are those of the
    next one.

    Parameters
    ----------
    blocks : int
        How often the dilations run from 1 to 2^(layers − 1).
    layers : int
        Dilated layers per block.
    kernel : int
    channels : int
        Channels of the residual path and of each gate.
    skip_channels : int
        Channels after the sum of all skips.
    input_channels : int
        Levels of a sample, which comes in one-hot; also the scores that come out.
    input_size : int or tuple of int
        Samples.

    Examples
    --------
    >>> wavenet(blocks=1, layers=2).axes
    ('x',)
    """
    blocks, layers = whole(blocks, "blocks"), whole(layers, "layers", maximum=24)
    reach = whole(kernel, "kernel") - 1
    b = NetworkBuilder("wavenet", axes=1, input_size=input_size, input_channels=input_channels)
    source = b.conv("causal", kernel=kernel, padding=[reach, 0], channels=channels)
    skips = []
    for block in range(blocks):
        for i in range(layers):
            name, dilation = f"block{block}.layer{i}", 2**i
            halves = [
                b.conv(
                    f"{name}.{half}",
                    kernel=kernel,
                    dilation=dilation,
                    padding=[reach * dilation, 0],
                    channels=channels,
                    inputs=source,
                )
                for half in ("filter", "gate")
            ]
            gated = b.multiply(f"{name}.gated", inputs=halves)
            skips.append(b.conv(f"{name}.skip", kernel=1, channels=skip_channels, inputs=gated))
            if block < blocks - 1 or i < layers - 1:  # nothing reads the last sum
                b.conv(f"{name}.residual", kernel=1, channels=channels, inputs=gated)
                source = b.add(f"{name}.add", inputs=[b.last, source])
    b.add("skips", inputs=skips)
    b.conv("post1", kernel=1, channels=skip_channels)
    b.conv("post2", kernel=1, channels=input_channels)
    return b.build()
