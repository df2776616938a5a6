"""How a field is measured: the gradient that the entry gets, and what of the image's gradient is averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rfscale.engine.errors import InputError, Parameter, nearest

Output = Literal["signs", "normal", "fixed normal", "active"]
OfGradient = Literal["square", "absolute", "signed", "positive"]


@dataclass(frozen=True)
class Protocol:
    """One way to measure a field.

    Attributes
    ----------
    name : str
    output : {"signs", "normal", "fixed normal", "active"}
        The gradient of the entry's channels: random signs, standard normal numbers (for each image its own, or the
        same for all), or 1 where the channel is above 0.
    gradient : {"square", "absolute", "signed", "positive"}
        What of the gradient of each pixel's channels is summed; the mean over images is the field.
    summary : str
    """

    name: str
    output: Output
    gradient: OfGradient
    summary: str

    def entry_gradient(self, values: Any, draws: Any) -> Any:
        """The gradient of the entry: of its channels' values, and numbers drawn for it, both (images, channels)."""
        if self.output == "active":
            return (values.detach() > 0).to(values.dtype)
        return draws.to(values.dtype)

    def maps(self, gradient: Any) -> Any:
        """The map of each image, in float64: (images, channels, pixels …) in, (images, pixels …) out."""
        if self.gradient == "square":
            gradient = gradient.square()
        elif self.gradient == "absolute":
            gradient = gradient.abs()
        elif self.gradient == "positive":
            gradient = gradient.clamp_min(0)
        return gradient.sum(1).double()


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("squared", "signs", "square", "mean over images of the squared gradient, of random signs of channels"),
        Protocol("luo2016", "normal", "absolute", "mean over images of |gradient|, of a random normal gradient"),
        Protocol(
            "luo2016-signed", "fixed normal", "signed", "|mean over images of the gradient|, of one random gradient"
        ),
        Protocol("replknet", "active", "positive", "mean over images of relu(gradient) of the sum of relu(channels)"),
    )
}


def protocol_of(name: str) -> Protocol:
    """Return the protocol of a name, or raise an error with the names."""
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise InputError(argument=Parameter("protocol"), value=name, remedy=nearest(name, PROTOCOLS))
    return PROTOCOLS[name]
