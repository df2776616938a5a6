"""A page: it shows itself in a notebook, and is saved as one file."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.files import check_target, json_text, write_text
from rfscale.sweeps.report.page.html import html_of

PHOTOS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
FRAME_HEIGHT = 900  # pixels of the page in a notebook
SUFFIXES = (".html", ".json")


class Page:
    """One HTML page that shows itself in a notebook, and is saved as one file that asks no server.

    Attributes
    ----------
    document : dict
        What the page draws, as docs/formats.md describes it.
    html : str
    """

    def __init__(self, document: dict[str, Any], photo: str | None = None) -> None:
        self.document = document
        self._photo = photo

    @property
    def html(self) -> str:
        """The whole page."""
        return html_of(self.document, self._photo)

    def save(self, path: str | Path) -> Path:
        """Write the page to an .html file, or its document to a .json file.

        Raises
        ------
        InputError
            For another suffix, and a folder that does not exist.
        """
        target = Path(path)
        check_target(target, SUFFIXES, "path")
        write_text(json_text(self.document) if target.suffix == ".json" else self.html, target)
        return target

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" width="100%" height="{FRAME_HEIGHT}" '
            'style="border:0" sandbox="allow-scripts"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Page of {self.document['kind']} {self.document['name']}; save('page.html') writes it>"


def is_photo(text: object) -> bool:
    """Whether a text is the name of a picture file, and not of an input of a model."""
    return isinstance(text, str | Path) and Path(text).suffix.lower() in PHOTOS


def photo_url(path: str | Path, given_as: str = "photo") -> str:
    """Return a picture file as a data URL; errors name the parameter that it was given as.

    Raises
    ------
    InputError
        For another suffix, a file that cannot be read, or one that begins like no picture.
    """
    file = Path(path)
    kind = PHOTOS.get(file.suffix.lower())
    if kind is None:
        raise InputError(argument=Parameter(given_as), value=str(path), remedy=f"give a file of {', '.join(PHOTOS)}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", argument=Parameter(given_as)) from None
    if not content.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF", b"GIF8")):
        raise InputError(f"{path} begins with {shown(content[:4])}, as no picture does", argument=Parameter(given_as))
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
