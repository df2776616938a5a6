"""Write the pictures of docs/validity.md, and the dataset where it is asked for; print the table.

Run as ``python docs/atlas.py docs/pictures atlas.nc``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rfscale.sweeps.report.datasets import write
from rfscale.sweeps.report.pictures.atlas import domain_figure, published_figure
from rfscale.sweeps.report.pictures.style import save
from rfscale.sweeps.report.pictures.validation import gaussian_figure
from rfscale.sweeps.validation.atlas import FORMULAS, atlas, summary
from rfscale.sweeps.validation.gaussian import gaussian


def main(folder: Path, out: Path | None = None) -> None:
    """Write the pictures, and the dataset where it is asked for; print the table."""
    data = atlas()
    save(published_figure(data), folder / "atlas-published.png")
    for formula in FORMULAS[1:]:
        save(domain_figure(data, formula), folder / f"atlas-{formula.replace('_', '-')}.png")
    distances = gaussian((2, 3, 7), (1, 2), (1, 2), 50)
    distances = distances.isel(
        window=np.flatnonzero(distances.stride * distances.dilation < 4)
    )  # one of them at a time
    save(gaussian_figure(distances), folder / "atlas-gaussian.png")
    if out:
        write(data, out)
    print("\n".join(summary(data)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
