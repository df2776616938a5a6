"""The page in a browser: what is painted is the footprint, keys and mouse work, nothing is asked of a server."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import rfscale as rf
from tests.sweeps.explorer.some_networks import MAKERS, torch_model

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ENTRIES = 200  # of each network

# a plane as it is painted: the pixels of the window where anything is, packed as runs along rows
PAINTED = """() => [...document.querySelectorAll('.stage')].map((stage) => {
  const mask = stage.querySelector('.mask');
  const copy = Object.assign(document.createElement('canvas'), {width: mask.width, height: mask.height});
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(mask, 0, 0);
  const data = context.getImageData(0, 0, mask.width, mask.height).data;
  const starts = [];
  let on = false;
  for (let i = 0; i < mask.width * mask.height; i++) {
    const here = data[4 * i + 3] > 0;
    if (here !== on) starts.push(i);
    on = here;
  }
  return {origin: stage.dataset.origin.split(',').map(Number), cut: stage.dataset.cut, plane: stage.dataset.plane,
          shape: [mask.height, mask.width], starts};
})"""
SHOW = """(state) => new Promise((done) => {
  rfscale.set(state);
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """A page in a tab of its own, with all that it said and asked for."""

    def __init__(self, chromium, path: Path, **context) -> None:
        self.tab = chromium.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(path.as_uri())
        self.settle()

    def settle(self) -> None:
        self.tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def state(self, name: str):
        self.settle()
        return self.tab.evaluate(f"() => rfscale.state[{json.dumps(name)}]")

    def quiet(self) -> None:
        """Nothing was logged, and nothing asked for but the file itself and what stands in it."""
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))] == []
        assert len([url for url in self.asked if url.startswith("file:")]) == 1


@pytest.fixture
def opened(chromium, tmp_path):
    def open_page(page, **context) -> Opened:
        return Opened(chromium, page.save(tmp_path / "page.html"), **context)

    return open_page


def painted(plane) -> np.ndarray:
    """The window of one plane as a bool grid."""
    height, width = plane["shape"]
    flips = np.zeros(height * width + 1, int)
    flips[plane["starts"]] = 1
    return (np.cumsum(flips)[:-1] % 2).astype(bool).reshape(height, width)


def expected(fp, plane, ndim: int) -> np.ndarray:
    """The footprint in the window of one plane."""
    grid, origin = fp.values, [int(fp[d].values[0]) if fp.sizes[d] else 0 for d in fp.dims]
    if ndim == 1:
        grid, origin = grid[None], [0, *origin]
    if ndim == 3:
        axis = int(plane["plane"])
        at = int(plane["cut"]) - origin[axis]
        grid = grid.take(at, axis) if 0 <= at < grid.shape[axis] else np.zeros_like(grid.take(0, axis))
        del origin[axis]
    out = np.zeros(plane["shape"], bool)
    shift = [o - w for o, w in zip(origin, plane["origin"], strict=True)]
    ends = [s + n for s, n in zip(shift, grid.shape, strict=True)]
    inside = tuple(slice(max(0, s), min(e, n)) for s, e, n in zip(shift, ends, plane["shape"], strict=True))
    outside = tuple(slice(i.start - s, i.stop - s) for i, s in zip(inside, shift, strict=True))
    out[inside] = grid[outside]
    assert out.sum() == grid.sum(), "the window has the whole footprint"
    return out


def compare(opened: Opened, page, network, rng: random.Random) -> int:
    """Random entries of random layers, at every size and without borders: what is painted is the footprint."""
    document = page.document
    seen = 0
    for _ in range(ENTRIES):
        number = rng.randrange(len(document["views"]))
        view = document["views"][number]
        layers = [i for i, terms in enumerate(view["terms"]) if terms is not None]
        layer = rng.choice(layers)
        sizes = view["figures"]["map_size"][layer] if view["input_size"] else [9] * len(document["axes"])
        entry = [rng.randrange(n) for n in sizes]
        opened.tab.evaluate(
            SHOW, {"view": number, "layer": layer, "entry": entry, "neighbour": rng.randrange(len(entry))}
        )
        name = document["layers"][layer]["name"]
        fp = rf.footprint(network, name, entry, view["input_size"])
        for plane in opened.tab.evaluate(PAINTED):
            assert np.array_equal(painted(plane), expected(fp, plane, len(entry))), (
                number,
                name,
                entry,
                plane["plane"],
            )
        seen += bool(fp.values.any())
    return seen


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_painted_is_the_footprint(kind, opened, capsys):
    network, size = MAKERS[kind]()
    page = rf.explore(network, input_size=size)
    shown = opened(page)
    assert compare(shown, page, network, random.Random(kind)) > ENTRIES / 2
    shown.quiet()
    with capsys.disabled():
        took = shown.tab.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
        print(f"{kind}: {len(page.html) / 1000:.0f} kB, opened in {took:.0f} ms")


@pytest.mark.torch
def test_what_is_painted_of_a_torch_model_is_the_footprint(opened):
    pytest.importorskip("torch")
    network = rf.load(torch_model(), example_input=(1, 3, 40, 48))
    page = rf.explore(network)
    shown = opened(page)
    assert compare(shown, page, network, random.Random(0)) > ENTRIES / 2
    shown.quiet()
