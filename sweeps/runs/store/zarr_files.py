"""Zarr v3 files, written directly: metadata, labels, and shards of figures, as the specification has them.

`zarr` reads what is written here. Writing by it takes 2 to 5 times as long: it needs 2 ms for each array that it
makes, and copies the chunks of a shard. Here a block of figures is contiguous, and so are its chunks: they are
compressed where they lie.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from rfscale.engine.files import PARTIAL

METADATA = "zarr.json"  # of an array or group, in its folder
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
MISSING = 2**64 - 1  # in the index of a shard: a chunk that lies outside the array
CRC = {"name": "crc32c"}  # of a chunk as it lies on the disk, every byte of it
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
PLAIN = 2  # layout of a store: chunks of zstd
SHUFFLED = 3  # the same, with the bytes of each chunk put in order of their weight by Blosc before

Map = Callable[[Callable[[Any], bytes], Iterable[Any]], Iterable[bytes]]


def codecs_of(layout: int, dtype: str, chunk: Sequence[int]) -> list[dict[str, Any]]:
    """Return the codecs of a chunk of figures.

    On figures that hardly repeat, `SHUFFLED` takes half the time of `PLAIN` and two thirds of the room; LZ4 takes a
    fourth of the time, and 1.2 times the room, but 10 times as much where figures repeat.
    """
    if layout == PLAIN:
        return [BYTES, {"name": "zstd", "configuration": {"level": 0, "checksum": True}}, CRC]
    size = np.dtype(dtype).itemsize
    # one block of Blosc: half the room of those of its choice, and the same bytes on any number of its threads
    parts = {"cname": "zstd", "clevel": 1, "shuffle": "shuffle", "typesize": size, "blocksize": prod(chunk) * size}
    return [BYTES, {"name": "blosc", "configuration": parts}, CRC]


def array_metadata(
    shape: Sequence[int],
    shard: Sequence[int],
    chunk: Sequence[int],
    dtype: str,
    dims: Sequence[str],
    attributes: dict[str, Any],
    codecs: Sequence[dict[str, Any]],
    fill_value: Any = 0,
) -> dict[str, Any]:
    """Return the content of an array's zarr.json; without shards where shard and chunk are the same."""
    codecs = list(codecs)
    if tuple(shard) != tuple(chunk):
        index = [BYTES, CRC]
        parts = {"chunk_shape": chunk, "codecs": codecs, "index_codecs": index, "index_location": "end"}
        codecs = [{"name": "sharding_indexed", "configuration": parts}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        # one folder for an array: not one for each of its dims
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": fill_value,
        "codecs": codecs,
        "dimension_names": dims,
        "attributes": attributes,
        "storage_transformers": [],
    }


def group_metadata(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a group's zarr.json."""
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def chunk_key(position: Sequence[int]) -> str:
    """Return the name of the file of a chunk or shard."""
    return ".".join(["c", *map(str, position)])


def encode(
    values: np.ndarray, shard: Sequence[int], chunk: Sequence[int], run: Map = map, layout: int = SHUFFLED
) -> bytes:
    """Return the content of the file of a shard, or of a chunk where both are the same.

    Parameters
    ----------
    values : array
        The entries of the shard, contiguous, in row-major order; fewer where the shard reaches beyond the array, which
        it may do along the first of its dims that is longer than 1.
    shard, chunk : sequences of int
        A chunk must be a contiguous part of the shard.
    run : callable
        As `map`; that of a pool of threads compresses chunks side by side.
    layout : int
        Of the store.
    """
    return joined(list(run(COMPRESSED[layout], parts(values, chunk))), shard, chunk)


def parts(values: np.ndarray, chunk: Sequence[int]) -> list[np.ndarray]:
    """Return the entries of each chunk of a shard, or of some chunks in a row; the last one may have fewer."""
    flat = values.reshape(-1).astype(values.dtype.newbyteorder("<"), copy=False)
    size = prod(chunk)
    cuts = [flat[at : at + size] for at in range(0, len(flat), size)]
    if len(cuts[-1]) < size:
        cuts[-1] = np.concatenate([cuts[-1], np.zeros(size - len(cuts[-1]), flat.dtype)])
    return cuts


def joined(made: Sequence[bytes], shard: Sequence[int], chunk: Sequence[int]) -> bytes:
    """Return the content of the file of a shard from its compressed chunks."""
    if tuple(shard) == tuple(chunk):
        return made[0]
    index = np.full((prod(shard) // prod(chunk), 2), MISSING, "<u8")
    lengths = [len(m) for m in made]
    index[: len(made), 0] = np.cumsum([0, *lengths[:-1]])
    index[: len(made), 1] = lengths
    return b"".join([*made, _with_crc(index.tobytes())])


def _plain(values: np.ndarray) -> bytes:
    """Return the content of a chunk of the layout `PLAIN`."""
    codecs: Any = import_module("numcodecs")  # without types
    return _with_crc(bytes(codecs.Zstd(level=0, checksum=True).encode(values)))


def _shuffled(values: np.ndarray) -> bytes:
    """Return the content of a chunk of the layout `SHUFFLED`."""
    codecs: Any = import_module("numcodecs")
    return _with_crc(bytes(codecs.Blosc("zstd", clevel=1, shuffle=1, blocksize=values.nbytes).encode(values)))


COMPRESSED = {PLAIN: _plain, SHUFFLED: _shuffled}  # what compresses a chunk, by layout of the store


def _with_crc(raw: bytes) -> bytes:
    return raw + struct.pack("<I", _crc32c(raw))


def _crc32c(raw: bytes) -> int:
    import google_crc32c

    return int(google_crc32c.value(raw))


def is_whole(path: Path, shard: Sequence[int], chunk: Sequence[int]) -> bool:
    """Whether the file of a shard is there with every byte that `encode` gave it; nothing is decompressed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    if tuple(shard) == tuple(chunk):
        return _has_crc(content)
    size = 16 * (prod(shard) // prod(chunk)) + 4
    if not _has_crc(content[-size:]) or len(content) < size:
        return False
    index = np.frombuffer(content[-size:-4], "<u8").reshape(-1, 2).tolist()
    end = 0
    for start, length in index:
        if start == MISSING:
            break
        if start != end or not _has_crc(content[start : start + length]):
            return False
        end += length
    return end + size == len(content)


def _has_crc(raw: bytes) -> bool:
    return len(raw) > 4 and raw[-4:] == struct.pack("<I", _crc32c(raw[:-4]))


def label_files(dim: str, labels: Sequence[Any]) -> dict[str, bytes]:
    """Return the files of the labels of a dim, an array of whole numbers, floats, truth values or text, by path."""
    values = np.array(labels)
    n = [len(values)]
    if values.dtype.kind in "iu":
        made, raw = array_metadata(n, n, n, "int64", [dim], {}, [BYTES]), values.astype("<i8").tobytes()
    elif values.dtype.kind == "f":
        made, raw = array_metadata(n, n, n, "float64", [dim], {}, [BYTES], 0.0), values.astype("<f8").tobytes()
    elif values.dtype.kind == "b":
        made, raw = array_metadata(n, n, n, "bool", [dim], {}, [BYTES], False), values.tobytes()
    else:
        texts = [str(v).encode() for v in labels]
        made = array_metadata(n, n, n, "string", [dim], {}, [{"name": "vlen-utf8", "configuration": {}}], "")
        raw = struct.pack("<I", len(texts)) + b"".join(struct.pack("<I", len(t)) + t for t in texts)
    return {f"{dim}/{chunk_key([0])}": raw, f"{dim}/{METADATA}": json_content(made)}


def json_content(content: dict[str, Any]) -> bytes:
    """Return the file of the metadata of an array or group."""
    return json.dumps(content).encode()  # without an indent: 5 times as fast


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all, and make its folder if need be.

    As `atomically` does, with names in the place of paths: hundreds of small files take half the time.
    """
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name[:30]}.{uuid4().hex}{PARTIAL}"  # no other process's or thread's
    try:
        try:
            handle = os.open(temporary, NEW_FILE, 0o666)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            handle = os.open(temporary, NEW_FILE, 0o666)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(handle, rest) :]
        finally:
            os.close(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
