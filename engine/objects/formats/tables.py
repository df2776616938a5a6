"""Tables of boxes: CSV (gzipped or not), read in chunks by pandas, and Parquet, where pyarrow is there."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from importlib.util import find_spec
from io import BufferedReader, FileIO, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.objects.boxes import CHUNK, Base, Boxes, numbers, reading

NEEDED = ("image_width", "image_height", "width", "height")
OPTIONAL = ("x", "y", "category", "count")
MAX_LINE_BYTES = 1 << 24
READ_BYTES = 1 << 18


class BoundedLines(RawIOBase):
    """A binary file that is refused at a line longer than `MAX_LINE_BYTES`: parsers hold a line in memory."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path, self._line_bytes = file, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._line_bytes = len(data) - 1 - end if (end := data.rfind(b"\n")) >= 0 else self._line_bytes + len(data)
        if self._line_bytes > MAX_LINE_BYTES:
            raise InputError(f"objects: {self._path} has a line of more than {MAX_LINE_BYTES} bytes; it is no table")
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class CsvSource(Base):
    """A table with a header; lines before it that begin with # are comments."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def chunks(self) -> Iterator[Boxes]:
        import pandas as pd

        with reading(self.path):
            comments, columns, separator = self._header()
            places = {columns.index(name): name for name in _used(self.path, columns)}  # pandas may name them otherwise
            table = pd.read_csv(
                self._opened(),
                sep=separator,
                skiprows=comments,
                usecols=[*places],
                skipinitialspace=True,
                chunksize=CHUNK,
                dtype={place: str for place, name in places.items() if name == "category"},
                encoding="utf-8-sig",
                low_memory=False,
            )
            for part in table:
                yield _boxes({places[at]: part.iloc[:, i].to_numpy() for i, at in enumerate(sorted(places))})

    def _opened(self) -> BufferedReader:
        """The bytes of the table, unpacked, in lines of bounded length."""
        file = gzip.GzipFile(self.path) if _packed(self.path) else FileIO(self.path)
        return BufferedReader(BoundedLines(file, self.path), READ_BYTES)

    def _header(self) -> tuple[int, list[str], str]:
        """Comment lines, column names and separator."""
        with TextIOWrapper(self._opened(), "utf-8-sig") as file:
            comments, line = 0, file.readline()
            while line.startswith("#"):
                comments, line = comments + 1, file.readline()
            if not line:
                raise InputError(f"objects: {self.path} is empty")
        separator = max(",;\t", key=line.count)
        try:
            columns = next(csv.reader([line.rstrip("\r\n")], delimiter=separator, skipinitialspace=True))
        except csv.Error as error:
            raise InputError(f"objects: {self.path} has no header that is one of a table: {error}") from None
        return comments, [name.strip() for name in columns], separator


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _used(path: Path, columns: list[str]) -> list[str]:
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise InputError(
            f"objects: {path} has no column {', '.join(missing)}; needed are {', '.join(NEEDED)}, there are "
            f"{', '.join(columns[:12])}"
        )
    twice = [name for name in (*NEEDED, *OPTIONAL) if columns.count(name) > 1]
    if twice:
        raise InputError(f"objects: {path} has the column {twice[0]} {columns.count(twice[0])} times; leave one")
    return [name for name in (*NEEDED, *OPTIONAL) if name in columns]


def _boxes(columns: dict[str, Any]) -> Boxes:
    rows = len(columns["width"])
    unknown = np.full(rows, np.nan)
    category = np.full(rows, "object", object)
    if "category" in columns:
        given = columns["category"]
        category[:] = ["none" if v is None or v != v else str(v) for v in given]
    return Boxes(
        numbers(columns["width"]),
        numbers(columns["height"]),
        numbers(columns["image_width"]),
        numbers(columns["image_height"]),
        numbers(columns["x"]) if "x" in columns else unknown,
        numbers(columns["y"]) if "y" in columns else unknown,
        category,
        numbers(columns["count"]) if "count" in columns else np.ones(rows),
    )


class ParquetSource(Base):
    """A Parquet file with the columns of the CSV."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        if find_spec("pyarrow") is None:
            raise InputError(f"objects: pyarrow is needed to read {path}: pip install pyarrow, or give a .csv file")

    def chunks(self) -> Iterator[Boxes]:
        from pyarrow import parquet

        with reading(self.path):
            file = parquet.ParquetFile(self.path)
            used = _used(self.path, list(file.schema_arrow.names))
            for batch in file.iter_batches(CHUNK, columns=used):
                yield _boxes({name: batch.column(name).to_numpy(zero_copy_only=False) for name in used})
