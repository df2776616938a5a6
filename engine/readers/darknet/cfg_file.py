"""A .cfg file of Darknet as sections of keys and texts; nothing of it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.tensors.layout import UnreadableError

MAX_BYTES = 1 << 24
LARGEST = 1 << 31


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes
    ----------
    kind : str
        What stands in its brackets.
    number : int
        As routes count them: the first after [net] is 0.
    options : mapping
        Texts by key.
    """

    kind: str
    number: int
    options: Mapping[str, str]

    def number_of(self, key: str, default: int | None = None) -> int:
        """A whole number of the section.

        Raises
        ------
        UnreadableError
            For one that is not there, or no whole number.
        """
        return self._whole(key, self.options[key]) if key in self.options else self._default(key, default)

    def numbers_of(self, key: str) -> list[int]:
        """Whole numbers with commas between."""
        return [self._whole(key, text) for text in self.options.get(key, "").split(",") if text.strip()]

    def _whole(self, key: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise UnreadableError(f"its {key} is {text!r}, no whole number") from None
        if abs(value) >= LARGEST:
            raise UnreadableError(f"its {key} is {text!r}, too large")
        return value

    def _default(self, key: str, default: int | None) -> int:
        if default is None:
            raise UnreadableError(f"it has no {key}")
        return default


def sections_of(path: str) -> list[Section]:
    """Return the sections of a file, [net] first.

    Raises
    ------
    InputError
        For a file that is none of Darknet's.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: {'is a folder' if file.is_dir() else 'No such file or directory'}")
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
    found: list[tuple[str, dict[str, str]]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text or text.startswith(";"):
            continue
        if text.startswith("["):
            found.append((text.strip("[]").strip().lower(), {}))
            continue
        key, sign, value = text.partition("=")
        if not sign or not found:
            raise InputError(f"{path} is no configuration of Darknet: line {number} is {shown(text)}, not key=value")
        found[-1][1][key.strip()] = value.strip()
    if not found or found[0][0] not in ("net", "network"):
        raise InputError(f"{path} is no configuration of Darknet: its first section must be [net]")
    return [Section(kind, number, options) for number, (kind, options) in enumerate(found, start=-1)]
