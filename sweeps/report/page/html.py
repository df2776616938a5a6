"""One HTML file of a document: scripts and style in it, no request allowed, texts of a user nowhere as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

# in an order in which each comes after those it imports
SCRIPTS = {
    "model": ("sets", "numbers", "copy", "state", "tree", "footprint", "sizes"),
    "view": (
        "dom",
        "app",
        "scene",
        "verdict",
        "graph",
        "canvas",
        "map",
        "chart",
        "table",
        "controls",
        "network",
        "space",
    ),
    "": ("main",),
}


def html_of(document: dict[str, Any], photo: str | None = None) -> str:
    """Return the page that draws a document.

    Parameters
    ----------
    document : dict
        As docs/formats.md describes it.
    photo : str, optional
        A picture as a data URL.
    """
    script, style = bundle(), _text("style.css")
    # the hash of each: nothing else may run, and nothing may be asked for
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    embedded = "" if photo is None else f'<script type="text/plain" id="photo-data">{escape(photo)}</script>'
    made, layers = document.get("made", {}), document.get("layers")
    return Template(_text("page.html")).substitute(
        policy=escape(policy, quote=False),
        title=escape(str(document["name"])),
        made=escape(", ".join(filter(None, [made.get("software"), layers and f"{len(layers)} layers"]))),
        style=style,
        script=script,
        document=json_for_html(document),
        photo=embedded,
    )


def json_for_html(document: Any) -> str:
    """Return JSON that can stand in a script element: no text of it ends the element or begins a comment."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def bundle() -> str:
    """Return the modules as one script: each a function of its own that hands on what it exports."""
    parts = ['"use strict";\nconst modules = {};\n']
    for folder, names in SCRIPTS.items():
        parts += [_module(name, _text(f"{folder}/{name}.mjs" if folder else f"{name}.mjs")) for name in names]
    return "".join(parts)


def _module(name: str, text: str) -> str:
    """One module as a function; imports are taken from those before it, by the name of their file."""
    text = re.sub(
        r'^import (\{[^}]*\}) from "[./a-z]*/(\w+)\.mjs";$', r"const \1 = modules.\2;", text, flags=re.MULTILINE
    )
    exported = re.findall(r"^export (?:async )?(?:function|const) (\w+)", text, flags=re.MULTILINE)
    text = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    return f"modules.{name} = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();\n"


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath("files", *name.split("/")).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
