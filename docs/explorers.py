"""The pages of the explorer that the site embeds: made when the site is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NETWORKS: dict[str, dict[str, Any]] = {  # file: arguments of rf.explore
    "fpn-resnet50": {"model": "fpn-resnet50", "resize": "short=800,cap=1333"},
    "dilated5": {"model": "dilated5", "input_size": 64},
    "unet-padded": {"model": "unet-padded", "input_size": 256},
    "tcn": {"model": "tcn"},
}
SPACE = "dilated-context"


def write(folder: Path, examples: Path) -> list[str]:
    """Write the pages to a folder; return their names."""
    import rfscale as rf

    folder.mkdir(parents=True, exist_ok=True)
    pages = {name: rf.explore(**arguments) for name, arguments in NETWORKS.items()}
    pages[SPACE] = rf.explore(rf.Space.from_file(examples / f"{SPACE}.yaml"))
    for name, page in pages.items():
        page.save(folder / f"{name}.html")
    return list(pages)
