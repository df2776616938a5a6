"""The page in a browser: what is painted is the footprint, keys and mouse work, nothing is asked of a server."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import rfscale as rf
from tests.sweeps.explorer.some_networks import ASPP, HOSTILE_NETWORK, MAKERS, PIXEL, torch_model

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

DROP = """(bytes) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(bytes)], 'photo.png', {type: 'image/png'}));
  document.dispatchEvent(new DragEvent('drop', {dataTransfer: dropped}));
}"""


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
    """Random entries of random layers: what is painted is the footprint.

    At every size of the page, at a larger one that it works out itself, and without borders.
    """
    document = page.document
    views = {tuple(view["input_size"] or ()): view["terms"] for view in document["views"]}
    larger = tuple(n + 32 for n in document["views"][0]["input_size"])
    views[larger] = document["views"][0]["terms"]
    seen = 0
    for _ in range(ENTRIES):
        size = rng.choice(list(views))
        layer = rng.choice([i for i, terms in enumerate(views[size]) if terms is not None])
        name = document["layers"][layer]["name"]
        map_size = network.map_sizes(size)[name] if size else [9] * len(document["axes"])
        entry = [rng.randrange(n) for n in map_size]
        state = {"view": "x".join(map(str, size)) or "none", "layer": layer, "entry": entry}
        opened.tab.evaluate(SHOW, state | {"neighbour": rng.randrange(len(entry))})
        assert opened.tab.evaluate("() => rfscale.state.view") == state["view"]
        fp = rf.footprint(network, name, entry, size or None)
        for plane in opened.tab.evaluate(PAINTED):
            assert np.array_equal(painted(plane), expected(fp, plane, len(entry))), (size, name, entry, plane["plane"])
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


# by hand --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def resnet(opened):
    return opened(rf.explore("resnet18", input_size=97))


def layer(shown: Opened) -> str:
    return shown.tab.evaluate("() => rfscale.doc.layers[rfscale.state.layer].name")


def test_the_mouse_chooses_entries_layers_and_boxes(resnet):
    tab = resnet.tab
    tab.locator("[data-name='layer1'][role=treeitem] .fold").first.scroll_into_view_if_needed()
    tab.locator("[role=treeitem][data-name='layer3']").first.click()  # an open module folds …
    tab.locator("[role=treeitem][data-name='layer3']").first.click()  # … and its row chooses what it returns
    resnet.settle()
    assert layer(resnet) == "layer3"
    tab.locator("#map canvas").hover(position={"x": 5, "y": 150})
    n = tab.evaluate("() => rfscale.view().figures.map_size[rfscale.state.layer]")
    assert resnet.state("entry") == [5, 0]
    assert n == [7, 7]
    stage = tab.locator(".stage")
    stage.scroll_into_view_if_needed()
    scale = stage.bounding_box()["width"] / tab.evaluate("() => document.querySelector('.mask').width")
    origin = tab.evaluate("() => document.querySelector('.stage').dataset.origin.split(',').map(Number)")
    stage.click(position={"x": (48 - origin[1]) * scale, "y": (96 - origin[0]) * scale})
    assert resnet.state("entry") == [6, 3]
    frame = stage.bounding_box()
    corner = [frame["x"] - origin[1] * scale, frame["y"] - origin[0] * scale]
    tab.mouse.move(corner[0] + 10 * scale, corner[1] + 20 * scale)
    tab.mouse.down()
    tab.mouse.move(corner[0] + 50 * scale, corner[1] + 60 * scale, steps=4)
    tab.mouse.up()
    assert resnet.state("box") == pytest.approx([20, 10, 60, 50], abs=1)
    assert re.search(r"Object of \d\d×\d\d px: .*2.5 entries at P4, inside the 95 % box", tab.inner_text("#told"))
    tab.locator(".chip").first.click()
    resnet.settle()
    assert layer(resnet) in tab.inner_text(".chip >> nth=0")
    assert layer(resnet) in tab.inner_text("#remedy")
    tab.locator("#sentences button").last.click()
    resnet.settle()
    assert layer(resnet) == "layer4"
    tab.locator(".dot").first.click()
    resnet.settle()
    assert layer(resnet) == "conv1"
    assert "; extent within the image 4×7; " in tab.inner_text("#told")
    tab.evaluate(SHOW, {"entry": [24, 24]})
    assert "; extent 7; " in tab.inner_text("#told")
    resnet.quiet()


def test_keys_reach_everything(resnet):
    tab = resnet.tab
    tab.evaluate("() => document.querySelector('[role=treeitem][tabindex=\"0\"]').focus()")
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    resnet.settle()
    assert layer(resnet) == "maxpool"
    tab.keyboard.press("p")
    resnet.settle()
    assert resnet.state("pin") == resnet.state("layer")
    tab.keyboard.press("ArrowDown")
    rows = tab.locator("[role=treeitem]").count()
    tab.keyboard.press("ArrowLeft")
    resnet.settle()
    assert tab.locator("[role=treeitem]").count() < rows
    tab.keyboard.press("ArrowRight")
    resnet.settle()
    assert tab.locator("[role=treeitem]").count() == rows
    tab.focus("#map canvas")
    for key, entry in (
        ("Home", [0, 0]),
        ("ArrowDown", [1, 0]),
        ("ArrowRight", [1, 1]),
        ("End", [24, 24]),
        ("c", [12, 12]),
    ):
        tab.keyboard.press(key)
        assert resnet.state("entry") == entry
    tab.keyboard.press("Shift+ArrowLeft")
    assert resnet.state("entry") == [12, 4]
    tab.fill("#e-y", "3")
    tab.keyboard.press("Enter")
    assert resnet.state("entry") == [3, 4]
    assert tab.evaluate("() => document.activeElement.id") == "e-y", "the keyboard stays where it was"
    tab.fill("#b-0", "20")
    tab.keyboard.press("Tab")
    assert resnet.state("box") == [39, 39, 59, 59]
    resnet.quiet()


def test_controls_objects_tiles_and_the_table(resnet):
    tab = resnet.tab
    everything = tab.inner_text("#objects")
    tab.get_by_label("Category").select_option("person")
    resnet.settle()
    assert tab.inner_text("#objects") != everything
    assert "are under two entries wide" in tab.inner_text("#objects")
    tab.get_by_label("Images resized").select_option("1")
    assert resnet.state("rule") == 1
    before = tab.inner_text("#halo output")
    tab.focus("#tile")
    tab.keyboard.press("ArrowRight")
    resnet.settle()
    assert tab.inner_text("#halo output") != before
    tab.click("#open-all")
    resnet.settle()
    tab.get_by_role("button", name="extent", exact=True).click()
    resnet.settle()
    cells = [int(text) for text in tab.locator("tbody td:nth-child(5)").all_inner_texts() if text.isdigit()]
    assert cells == sorted(cells)
    assert len(cells) > 30
    tab.check("#formulas")
    resnet.settle()
    assert "published area" in tab.inner_text("thead")
    tab.get_by_role("button", name="Copy as CSV").click()
    resnet.settle()
    copied = tab.input_value("#copied textarea") if tab.locator("#copied textarea").count() else None
    assert copied is None or copied.startswith("layer,op,map,stride,extent")
    resnet.quiet()


def test_the_address_opens_the_page_as_it_was(resnet):
    state = {"layer": 3, "entry": [2, 7], "pin": 1, "formulas": True, "box": [1, 2, 9, 9], "view": "130x75"}
    resnet.tab.evaluate(SHOW, state)
    resnet.tab.wait_for_url("**pin=maxpool**")
    address = resnet.tab.url
    assert "#" in address
    resnet.tab.goto("about:blank")
    resnet.tab.goto(address)
    resnet.settle()
    assert {key: resnet.state(key) for key in state} == state


@pytest.mark.parametrize("width", [390, 1280])
def test_only_the_list_scrolls_to_a_layer(opened, width):
    shown = opened(rf.explore("vgg16", input_size=64))
    tab = shown.tab
    tab.set_viewport_size({"width": width, "height": 500})
    tab.reload()
    tab.click("#open-all")
    tab.evaluate("() => scrollTo(0, 0)")
    last = tab.locator("[role=treeitem]").count() - 1
    seen = """() => {
      const [box, row] = ["#graph", "[aria-selected=true]"].map((s) =>
        document.querySelector(s).getBoundingClientRect());
      return row.top >= box.top - 1 && row.bottom <= box.bottom + 1;
    }"""
    for number in (0, last, 0):
        tab.evaluate(SHOW, {"layer": number})
        assert tab.evaluate("() => scrollY") == 0
        assert tab.evaluate(seen)
    tab.wait_for_url("**#**")
    tab.evaluate(SHOW, {"layer": last})
    tab.reload()
    shown.settle()
    assert tab.evaluate("() => scrollY") == 0, "nothing scrolls on opening"
    assert shown.said == []


def test_any_size_that_the_network_takes(opened):
    """What the page works out itself is painted as the engine has it; sizes that do not fit are refused in words."""
    network = rf.load("unet-padded")
    shown = opened(rf.explore(network, input_size=96))
    tab = shown.tab
    for written, key in (("64x112", "64x112"), ("80", "80x80")):
        tab.fill("#size", written)
        tab.keyboard.press("Enter")
        assert shown.state("view") == key
        assert shown.state("entry") == [int(n) // 2 for n in key.split("x")]
        fp = rf.footprint(network, "output", shown.state("entry"), [int(n) for n in key.split("x")])
        (plane,) = tab.evaluate(PAINTED)
        assert np.array_equal(painted(plane), expected(fp, plane, 2))
        assert f"{int(fp.sum())} pixels" in tab.inner_text("#told")
    tab.fill("#size", "70x64")
    tab.keyboard.press("Enter")
    assert shown.state("view") == "80x80"
    assert "merges maps of" in tab.inner_text("[role=alert]")
    assert "it takes multiples of 16, such as 208, 224" in tab.inner_text("[role=alert]")
    tab.evaluate(SHOW, {"zoom": 8})
    assert tab.evaluate("() => document.querySelector('.mask').width") < 30
    shown.quiet()


def test_a_photo_stays_in_the_page(opened, tmp_path):
    (tmp_path / "photo.png").write_bytes(PIXEL)
    shown = opened(rf.explore(ASPP))
    shown.tab.set_input_files("#photo", str(tmp_path / "photo.png"))
    shown.tab.wait_for_function("() => rfscale.photo !== null")
    shown.quiet()
    embedded = opened(rf.explore(ASPP, photo=tmp_path / "photo.png"))
    embedded.tab.wait_for_function("() => rfscale.photo !== null")
    embedded.quiet()


def test_hostile_names_are_texts(opened):
    shown = opened(rf.explore(HOSTILE_NETWORK))
    shown.tab.click("#open-all")
    for number in range(len(HOSTILE_NETWORK["layers"])):
        shown.tab.evaluate(SHOW, {"layer": number, "pin": 0})
    assert shown.tab.locator("img").count() == 0
    assert shown.tab.locator("script").count() == 2
    assert "<img src=x onerror=alert(1)>" in shown.tab.inner_text("#told")
    assert "__proto__" in shown.tab.inner_text("#graph")
    shown.quiet()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_small_and_large_screens_and_paper(opened, width, scheme):
    shown = opened(rf.explore("fpn-resnet50", input_size=(128, 160)), color_scheme=scheme)
    shown.tab.set_viewport_size({"width": width, "height": 844})
    shown.settle()
    assert shown.tab.evaluate("() => document.documentElement.scrollWidth") <= width
    shown.tab.emulate_media(media="print")
    assert shown.tab.locator("#controls").is_hidden()
    assert shown.tab.locator("#sentences").is_visible()
    paper = "() => getComputedStyle(document.documentElement).getPropertyValue('--card')"
    assert shown.tab.evaluate(paper) == "#fff", "paper is white, whatever the screen has"
    shown.settle()
    corner = "() => [...document.querySelector('.photo').getContext('2d').getImageData(9, 9, 1, 1).data]"
    assert shown.tab.evaluate(corner)[3] == 0 or min(shown.tab.evaluate(corner)[:3]) > 90
    shown.quiet()


def test_a_space_is_brushed_and_opens_its_networks(opened):
    stages = [{"name": f"s{i}", "kernel": [3, 5], "dilation": [1, 2], "stride": [1, 2]} for i in range(3)]
    shown = opened(rf.explore(rf.Space.from_dict({"channels": 8, "input_size": 64, "stages": stages})))
    tab = shown.tab
    assert tab.locator(".drawn.out").count() == 0
    tab.locator(".value").first.click()
    shown.settle()
    assert 0 < tab.locator(".drawn.out").count() < tab.locator(".drawn").count()
    assert tab.locator(".value").first.get_attribute("aria-pressed") == "true"
    tab.locator(".opens").first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#network-page:not([hidden]) [role=treeitem]")
    assert tab.locator("[role=treeitem]").count() == 3
    tab.evaluate("() => { window.before = rfscale; }")
    tab.click("#back")
    shown.tab.wait_for_function("() => document.getElementById('network-page').hidden")
    tab.locator(".opens").last.click()
    tab.wait_for_selector("#network-page:not([hidden]) [role=treeitem]")
    assert tab.locator("[role=treeitem]").count() == 3
    tab.evaluate(DROP, list(PIXEL))
    tab.wait_for_function("() => rfscale.photo !== null")
    assert tab.evaluate("() => before !== rfscale && before.photo === null"), "the network before no longer listens"
    shown.quiet()


def test_a_notebook_shows_it(opened, tmp_path):
    (tmp_path / "notebook.html").write_text(f"<p>out</p>{rf.explore(ASPP)._repr_html_()}", encoding="utf-8")
    shown = opened(rf.explore(ASPP))
    shown.asked.clear()
    shown.tab.goto((tmp_path / "notebook.html").as_uri())
    frame = shown.tab.frame_locator("iframe")
    frame.locator("[role=treeitem]").first.wait_for()
    frame.locator("[role=treeitem]").nth(2).click()
    frame.get_by_role("button", name="Copy as CSV").click()
    frame.locator("#copied textarea").wait_for()
    assert frame.locator("#copied textarea").input_value().startswith("layer,op,map,stride,extent")
    shown.quiet()
