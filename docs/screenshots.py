"""Pictures of the explorer for docs/explorer-pictures.md: ``python docs/screenshots.py``, with playwright."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import rfscale as rf

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures" / "explorer"
WIDTHS = {
    1280: ("light", 1500),
    390: ("dark", 2300),
}  # CSS pixels; colours that a browser is set to, and the height shown
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
COLOURS = 96  # of a picture: all together stay below 1.5 MB


def pages() -> dict[str, Callable[[], rf.Page]]:
    """Ten networks and a space, by the name of their picture."""
    from tests.sweeps.explorer.some_networks import ASPP, PHASES, VOLUME, torch_model

    return {
        "chain": lambda: rf.explore("vgg16", input_size=224),
        "resnet": lambda: rf.explore("resnet50", input_size=224),
        "dilated": lambda: rf.explore("dilated5", input_size=64),
        "unet": lambda: rf.explore("unet-padded", input_size=256),
        "pyramid": lambda: rf.explore("fpn-resnet50", resize="short=800,cap=1333", input_size=(800, 1088)),
        "aspp": lambda: rf.explore(ASPP),
        "one-axis": lambda: rf.explore("tcn"),
        "three-axes": lambda: rf.explore(VOLUME),
        "phases": lambda: rf.explore(PHASES),
        "torch": lambda: rf.explore(rf.load(torch_model(), example_input=(1, 3, 96, 128))),
        "space": lambda: rf.explore(rf.Space.from_file(ROOT / "examples" / "dilated-context.yaml")),
    }


def main() -> None:
    """Write a picture of every page at every width; print sizes and how long pages took to open."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, make in pages().items():
            page = make()
            written = page.save(FOLDER / f"{name}.html")
            for width, (scheme, height) in WIDTHS.items():
                tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
                tab.goto(written.as_uri())
                tab.wait_for_timeout(500)
                took = tab.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
                picture = Image.open(io.BytesIO(tab.screenshot(full_page=True))).convert("RGB")
                picture = picture.crop((0, 0, width, min(height, picture.height)))
                target = FOLDER / f"{name}-{width}.png"
                picture.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
                sizes = f"{target.stat().st_size / 1000:.0f} kB; page {len(page.html) / 1000:.0f} kB"
                print(f"{target.name}: {sizes}, open after {took:.0f} ms", flush=True)
            written.unlink()
        browser.close()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
