"""What several families of the zoo are made of: squeeze-and-excitation, inverted residuals, unbiased convolutions."""

from __future__ import annotations

from collections.abc import Iterable

from rfscale.engine.network.builder import NetworkBuilder

Kernel = int | tuple[int, ...]
Source = str | Iterable[str]


def half(kernel: Kernel) -> Kernel:
    """Return the padding that keeps the size of a map under an odd kernel."""
    return (kernel - 1) // 2 if isinstance(kernel, int) else tuple((k - 1) // 2 for k in kernel)


def normed(
    b: NetworkBuilder,
    name: str,
    channels: int,
    kernel: Kernel = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: Kernel | None = None,
    inputs: Source | None = None,
) -> str:
    """Append a convolution that a normalisation follows, hence without bias, and return its name.

    Without `padding` it is padded by half its kernel.
    """
    padding = half(kernel) if padding is None else padding
    return b.conv(
        name,
        kernel=kernel,
        stride=stride,
        padding=padding,
        channels=channels,
        groups=groups,
        bias=False,
        inputs=inputs,
    )


def squeeze_excitation(b: NetworkBuilder, name: str, squeezed: int, channels: int) -> str:
    """Append squeeze-and-excitation of the newest map and return the name of the scaled map.

    The mean over the whole map scales each of its entries, so its receptive field is global; ``global_ops="skip"``
    leaves that branch out.
    """
    source = b.last
    b.global_pool(f"{name}.avgpool")
    b.conv(f"{name}.fc1", kernel=1, channels=squeezed)
    scale = b.conv(f"{name}.fc2", kernel=1, channels=channels)
    return b.multiply(f"{name}.multiply", inputs=[source, scale])


def inverted_residual(
    b: NetworkBuilder,
    name: str,
    part: str,
    *,
    kernel: int,
    stride: int,
    channels: tuple[int, int, int],
    squeezed: int | None = None,
) -> str:
    """Append an inverted residual unit and return the name of its last layer.

    A 1×1 widens the map, a depthwise layer moves over it, a 1×1 narrows it, and a shortcut leads around where neither
    size nor channels change. As in torchvision there is no widening layer where it would change nothing.

    Parameters
    ----------
    b : NetworkBuilder
    name, part : str
        The layers are called ``<name>.<part>.0``, ``<name>.<part>.1``, …, their sum ``<name>.add``.
    kernel, stride : int
        Of the depthwise layer.
    channels : tuple of int
        Before the unit, inside, and after it.
    squeezed : int, optional
        Channels inside squeeze-and-excitation, which follows the depthwise layer; without it there is none.
    """
    source = b.last
    before, inside, after = channels
    steps = iter(range(4))
    if inside != before:
        normed(b, f"{name}.{part}.{next(steps)}", inside)
    normed(b, f"{name}.{part}.{next(steps)}", inside, kernel, stride, groups=inside)
    if squeezed is not None:
        squeeze_excitation(b, f"{name}.{part}.{next(steps)}", squeezed, inside)
    last = normed(b, f"{name}.{part}.{next(steps)}", after)
    return b.add(f"{name}.add", inputs=[last, source]) if stride == 1 and before == after else last


def divisible(width: float, by: int = 8) -> int:
    """Return the multiple of `by` that is nearest to `width`, without losing more than a tenth of it."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded
