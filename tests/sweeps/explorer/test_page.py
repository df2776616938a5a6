"""The page: one file that asks for nothing, whatever names a network has; its scripts and their sums."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

import rfscale as rf
from rfscale.sweeps.report.page.html import SCRIPTS, bundle, html_of, json_for_html
from rfscale.sweeps.report.page.page import photo_url
from tests import ROOT
from tests.sweeps.explorer.some_networks import ASPP, HOSTILE, HOSTILE_NETWORK, PIXEL, ROW

FILES = ROOT / "sweeps" / "report" / "page" / "files"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node runs the scripts of the page")


class Outline(HTMLParser):
    """Elements of a page, and the text of each script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside in ("script", "style"):
            self.texts.append((self._inside, data))


def outline_of(network, **options) -> Outline:
    return Outline(rf.explore(network, **options).html)


def test_names_of_a_user_make_no_markup():
    """The elements of a page are those of its template, whatever stands in the document."""
    plain, hostile = outline_of(ROW), outline_of(HOSTILE_NETWORK)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    document = next(text for tag, text in hostile.texts if text.startswith("{"))
    assert not re.search(r"[<>&]", document)
    assert json.loads(document)["layers"][0]["name"] == f"a{HOSTILE}"
    assert len(json.loads(document)["layers"]) == 4


def test_nothing_but_its_own_script_and_style_may_run_and_nothing_is_asked_for():
    page = outline_of(ROW)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    script = next(text for tag, text in page.texts if tag == "script" and "use strict" in text)
    for text in (script, next(text for tag, text in page.texts if tag == "style")):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    asked = [
        a for _, a in page.tags if any(k in a for k in ("src", "href", "action", "data")) and a.get("rel") != "icon"
    ]
    assert asked == []
    assert not re.search(
        r"\bfetch\(|XMLHttpRequest|WebSocket|innerHTML|outerHTML|insertAdjacent|eval\(|import\(", script
    )
    assert set(re.findall(r"https?://[^\"'\s]+", script)) == {"http://www.w3.org/2000/svg"}


def test_the_scripts_are_few_lines_and_all_of_them_in_the_bundle():
    files = sorted(FILES.rglob("*.mjs"))
    assert {f"{f.parent.name}/{f.stem}" for f in files if f.parent != FILES} == {
        f"{folder}/{name}" for folder, names in SCRIPTS.items() if folder for name in names
    }
    assert sum(len(f.read_text().splitlines()) for f in files) < 1500
    assert all(len(line) <= 150 for f in files for line in f.read_text().splitlines())


@needs_node
def test_the_scripts_are_sound(tmp_path):
    (tmp_path / "bundle.js").write_text(bundle())
    for path in [*FILES.rglob("*.mjs"), tmp_path / "bundle.js"]:
        done = subprocess.run([NODE, "--check", str(path)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), path


@needs_node
def test_the_sums_of_the_scripts():
    tests = sorted(str(path) for path in (ROOT / "tests" / "sweeps" / "explorer" / "page").glob("*.test.mjs"))
    done = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_json_for_html_is_json():
    value = {"a": HOSTILE, "b": [1, None, "\ud7ff<"]}
    text = json_for_html(value)
    assert json.loads(text) == value
    assert "<" not in text
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_for_html({"a": float("nan")})


def test_a_page_in_a_notebook_and_in_files(tmp_path):
    page = rf.explore(ASPP, resize="letterbox=640")
    shown = page._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count("<") == shown.count(">") == 2
    assert page.save(tmp_path / "a.html").read_text() == page.html == html_of(page.document)
    assert json.loads(page.save(tmp_path / "a.json").read_text()) == json.loads(json.dumps(page.document))
    with pytest.raises(rf.InputError, match=r"it must end in .html or .json"):
        page.save(tmp_path / "a.png")


def test_a_photo_stands_in_the_page(tmp_path):
    (tmp_path / "p.png").write_bytes(PIXEL)
    (tmp_path / "t.png").write_text("text")
    assert photo_url(tmp_path / "p.png").startswith("data:image/png;base64,iVBOR")
    assert "data:image/png;base64,iVBOR" in rf.explore(ASPP, photo=tmp_path / "p.png").html
    for name, message in (("t.png", "begins with"), ("n.png", "No such file"), ("a.txt", "give a file of .png")):
        with pytest.raises(rf.InputError, match=message):
            rf.explore(ASPP, photo=tmp_path / name)


def test_a_page_of_resnet50_is_small():
    assert len(rf.explore("resnet50", input_size=224).html.encode()) < 2_000_000


@needs_node
def test_shares_of_a_category_are_those_of_match(tmp_path):
    """What the page counts in a histogram is what `match` counts for these objects alone."""
    document = rf.explore("fpn-resnet50", resize="letterbox=640").document
    (tmp_path / "doc.json").write_text(json.dumps(document["objects"][0]))
    script = f"""
      import {{ readFileSync }} from "node:fs";
      import {{ shareBelow }} from {json.dumps((FILES / "model" / "numbers.mjs").as_uri())};
      const o = JSON.parse(readFileSync({json.dumps(str(tmp_path / "doc.json"))}));
      const below = (counts, limit) => shareBelow(o.edges, counts, limit);
      const row = (c) => o.levels.map((l) => [below(c, l.smallest), 1 - below(c, l.largest)]);
      console.log(JSON.stringify([row(o.total), row(o.categories.person)]));
    """
    done = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    for shares, categories in zip(json.loads(done.stdout), (None, ["person"]), strict=True):
        sizes = rf.object_sizes(resize="letterbox=640", categories=categories)
        found = rf.match("fpn-resnet50", sizes)
        assert np.allclose(shares, np.stack([found.under, found.over], 1), atol=1e-4)
