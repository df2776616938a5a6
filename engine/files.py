"""Files: read YAML and JSON that may be anything (malformed, deeply nested, huge, hostile); write whole files only."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4

from rfscale.engine.errors import InputError, shown

MAX_BYTES = 64 << 20
MAX_DEPTH = 32


def read_mapping(path: str | PathLike[str]) -> Mapping[str, Any]:
    """Return the mapping that a .json, .yaml or .yml file holds.

    Raises
    ------
    InputError
        One line that names the file and what is wrong with it.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise InputError(f"{path} is a folder; give a .yaml or .json file")
        if file.exists() and not file.is_file():  # a device or a pipe may have no end
            raise InputError(f"{path} is no regular file; give a .yaml or .json file")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} has {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 text file: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise InputError(f"{path} is empty")
    data = _json(path, text) if file.suffix == ".json" else _yaml(path, text)
    if not isinstance(data, Mapping):
        raise InputError(f"{path} holds {shown(data)}; it must hold a mapping")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {shown(key)} stands twice in one mapping")
        out[key] = value
    return out


def _json(path: object, text: str) -> Any:
    try:
        data = json.loads(text, object_pairs_hook=_unique)
        if "\\u" in text:  # an escape may be half of a character
            json.dumps(data, ensure_ascii=False).encode()
        return data
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1]
        raise InputError(f"{path} has the lone surrogate {half!r} in a text") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError among them
        raise InputError(f"{path} cannot be read as JSON: {error}") from None


def _yaml(path: object, text: str) -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            known: set[Any] = set()
            for key, _ in node.value:
                if key.value in known and isinstance(key.value, str) and key.value != "<<":
                    raise ValueError(f"the key {shown(key.value)} stands twice in one mapping")
                if isinstance(key.value, str):
                    known.add(key.value)
            return dict(super().construct_mapping(node, deep=deep))

    try:
        simple, data = _simple_yaml(path, Loader(text))
        return data if simple else yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):  # libyaml reads ahead and stops before our own count does
            raise InputError(f"{path} is nested more than {MAX_DEPTH} deep") from None
        raise InputError(f"{path} cannot be read as YAML: {_one_line(error)}") from None
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a scalar that is not what its tag says raises whatever comes of it
        raise InputError(f"{path} cannot be read as YAML: {_one_line(error)}") from None


def _simple_yaml(path: object, loader: Any) -> tuple[bool, Any]:
    """Return True and the data of a text without tags, anchors and merge keys; False where there are any.

    Data are made as the events come, and equal scalars once, which takes a sixth of the time and memory of a tree of
    nodes. Events also come before anything nests: a text that is too deep is refused in time.
    """
    import yaml

    simple, document, documents = True, None, 0
    known: dict[Any, tuple[Any, bool]] = {}
    open_ones: list[tuple[Any, set[str], list[Any]]] = []  # a list or dict; keys as written; the key that has no value
    while loader.check_event():
        event: Any = loader.get_event()
        if isinstance(event, yaml.CollectionEndEvent):
            open_ones.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            documents += isinstance(event, yaml.DocumentStartEvent)
            simple = simple and documents < 2
            continue
        simple = simple and event.anchor is None and getattr(event, "tag", None) is None
        node: Any = None
        if isinstance(event, yaml.CollectionStartEvent):
            node = {} if isinstance(event, yaml.MappingStartEvent) else []
        elif simple and isinstance(event, yaml.ScalarEvent):
            node, has_value = known.get((event.value, event.implicit), (None, False))
            if not has_value:
                tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
                simple = not tag.endswith((":merge", ":value"))
                node = loader.construct_object(yaml.ScalarNode(tag, event.value)) if simple else None
                known[event.value, event.implicit] = node, True
        if simple and open_ones:
            simple = _put(node, event, *open_ones[-1])
        elif simple:
            document = node
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((node, set(), []))
            if len(open_ones) > MAX_DEPTH:
                raise InputError(f"{path} is nested more than {MAX_DEPTH} deep")
    return simple, document


def _put(node: Any, event: Any, into: Any, written: set[str], key: list[Any]) -> bool:
    """Add a node to a list, or as the next key or value to a dict; return False for a key that is no scalar."""
    if isinstance(into, list):
        into.append(node)
    elif key:
        into[key.pop()] = node
    elif isinstance(node, list | dict):
        return False
    else:
        if event.value in written:
            raise ValueError(f"the key {shown(event.value)} stands twice in one mapping")
        written.add(event.value)
        key.append(node)
    return True


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    return " ".join(str(problem).split())[:200] + where


DATA = (".nc", ".zarr", ".csv", ".json")
PICTURES = (".png", ".svg", ".pdf")
NEEDS = {".nc": "h5netcdf", **dict.fromkeys(PICTURES, "matplotlib")}  # suffix: package
INSTALLED_WITH = {
    "h5netcdf": "h5netcdf h5py",
    "PIL": "pillow",
}  # what pip is given, where that is not the name that is imported


def check_target(path: Path | None, suffixes: Sequence[str], option: str) -> None:
    """Raise an InputError if `path`, given to `option`, cannot be written; None is fine."""
    if path is None:
        return
    if path.suffix not in suffixes:
        got = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
        raise InputError(f"{option} {path} {got}; it must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}")
    check_folder(path.absolute().parent, option)
    if path.is_dir() and path.suffix != ".zarr":
        raise InputError(f"{option} {path} is a folder; give the name of a file")
    if (path / "done").is_dir():
        raise InputError(f"{option} {path} is the store of a sweep; it is not replaced, give another name")
    if path.is_dir():
        check_own_store(path, option)
    if path.suffix == ".zarr" and path.is_file():
        raise InputError(f"{option} {path} is a file, where a zarr store is a folder; give another name")
    if path.suffix in NEEDS:
        need_package(NEEDS[path.suffix], why=f"to write {path.suffix} files")


def check_folder(folder: Path, option: str) -> None:
    """Raise an InputError unless files can be made in `folder`."""
    if not folder.is_dir():
        raise InputError(f"{option}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{option}: the folder {folder} cannot be written to")


def need_package(package: str, why: str) -> None:
    """Raise an InputError that says what to install, if `package` is missing."""
    if find_spec(package) is None:
        raise InputError(f"{package} is needed {why}: pip install {INSTALLED_WITH.get(package, package)}")


def check_own_store(store: Path, what: str) -> None:
    """Raise an InputError unless a folder is a Zarr store that rfscale wrote, with nothing of anyone else in it.

    Only such a folder may be removed or replaced.
    """
    try:
        attributes = json.loads((store / "zarr.json").read_bytes())["attributes"]
        reason = "" if attributes["software"].startswith("rfscale ") else "was written by other software"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        reason = "is a folder that holds no store of rfscale"
    if store.is_symlink():
        reason = "is a symbolic link"
    for file in () if reason else sorted(store.rglob("*")):
        name = file.relative_to(store).as_posix()
        known = _OF_A_STORE.fullmatch(name) or is_partial(file.name)
        if file.is_symlink() or (not file.is_dir() and not known):
            reason = f"holds {shown(name)}, which is not of rfscale"
            break
    if reason:
        raise InputError(f"{what} {store} {reason}; it is left alone, give another name")


_OF_A_STORE = re.compile(r"done/lock|(.*/)?(zarr\.json|c([./]\d+)*)")  # metadata and chunks


def check_not_read(written: Path, read: Iterable[str]) -> None:
    """Raise an InputError if a file that is to be written is among those that are named as input.

    Parameters
    ----------
    written : Path
    read : iterable of str
        Names that may be files, also as file.py:factory.
    """
    for text in read:
        for name in {text, text.rpartition(":")[0]} - {""}:
            try:
                same = written.samefile(name)
            except (OSError, ValueError):  # one of them is no file
                continue
            if same:
                raise InputError(f"{written} is read by the same command; it is not overwritten, give another name")


PARTIAL = ".partial"  # in the name of a file that is not whole yet


def is_partial(name: str) -> bool:
    """Whether a file has a name of `atomically`, and is not whole."""
    return re.fullmatch(rf"\..*\.[0-9a-f]{{32}}{re.escape(PARTIAL)}(\..*)?", name) is not None


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it takes the place of `path`, on any failure it is removed.

    The name is no other process's or thread's, and keeps the suffix. A process that is killed leaves it there.
    """
    temporary = path.parent / f".{path.stem[:30]}.{uuid4().hex}{PARTIAL}{path.suffix}"  # names end at 255 bytes
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        if path.is_dir():  # a store cannot be renamed onto another
            path.rename(old)
            temporary.replace(path)
            shutil.rmtree(old, ignore_errors=True)
        else:  # a store has hundreds of small files: they take no call of the system more than this
            temporary.replace(path)
    except BaseException:
        if old.is_dir() and not path.exists():
            old.rename(path)
        for stray in (temporary, old):
            if stray.is_dir():
                shutil.rmtree(stray, ignore_errors=True)
            else:
                stray.unlink(missing_ok=True)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As `atomically`; what the system refuses is an InputError that names the file."""
    try:
        with atomically(path) as temporary:
            yield temporary
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def json_text(content: Any) -> str:
    """Return JSON whose characters without a shape, such as control and bidirectional ones, are escapes."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"[^\n -~]", lambda c: c[0] if c[0].isprintable() else json.dumps(c[0])[1:-1], text)


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
