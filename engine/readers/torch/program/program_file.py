"""Programs of torch.export.save, .pt2 files: read as data, unless their maker is trusted.

A .pt2 is an archive of JSON, raw tensors and pickles, and torch runs what its pickles, its symbolic sizes, the types of
its arguments or its compiled libraries name. Here every record is checked first, and torch gets a copy of the archive
that holds the checked records and no others, so that it cannot see another archive in the file than we did.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, Parameter, shown

# records by their path; all others but these and the archive's own are left out of the copy
_GRAPH = re.compile(r"models/[^/]+\.json|serialized_exported_program\.json")
_CONFIG = re.compile(r"data/(weights|constants)/[^/]+_config\.json")
_PICKLE = re.compile(r"data/(sample_inputs|weights|constants)/[^/]+\.pt|serialized_\w+\.(pt|json)")
_TENSOR = re.compile(r"data/(weights/weight_|constants/tensor_)\d+")
_CODE = re.compile(r"data/constants/(custom|opaque)_obj.*|data/aotinductor/.*")
_ARCHIVE = ("archive_format", "archive_version", "byteorder", "version", ".data/version", ".data/serialization_id")

_OPERATOR = re.compile(
    r"torch\.ops\.(?!load_library|import_module)(_?[a-zA-Z]\w*)(\.(__i?(and|or|xor|lshift|rshift)__|_?[a-zA-Z0-9]\w*)){1,2}"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor|not_"
    r"|lshift|rshift|invert|index)|math\.[a-z]\w*|torch\._?sym_\w+|#\w+:\w+"
)
# operators that open a file which the graph names
_FILES = ("torch.ops.aten.from_file", "torch.ops.aten.save", "torch.ops.image.")
_IMPORTS = ("default_factory_module", "__enum__")  # keys of argument types whose value torch imports
_EXPRESSION = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.Tuple, ast.UnaryOp, ast.BinOp,
    ast.operator, ast.unaryop, ast.Compare, ast.cmpop,
)  # fmt: skip


class _CodeError(Exception):
    """A record that holds, or may hold, code."""


def load_program(path: str, *, trust: bool = False) -> Any:
    """Return the exported program of a .pt2 file.

    Parameters
    ----------
    path : str
    trust : bool
        Let torch load the file as it is, which runs the code that it may hold.

    Raises
    ------
    InputError
        For a file that is no program, or that holds code and is not trusted.
    """
    try:
        import torch
    except ImportError:
        raise InputError(f"{path} is a PyTorch program; to read it: pip install torch") from None
    if not Path(path).is_file():
        raise InputError(f"{path}: {'is a folder' if Path(path).is_dir() else 'No such file or directory'}")
    try:
        return torch.export.load(path if trust else _checked_copy(path))
    except _CodeError as found:
        raise InputError(
            f"{path} may run code when it is loaded: {found}; nothing was run",
            remedy=("if you trust its maker, give ", Parameter("trust")),
        ) from None
    except Exception as error:  # an archive that may hold anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path} is not a program of torch.export.save: {shown(lines[0], 200)}") from None


def _checked_copy(path: str) -> io.BytesIO:
    """Return the archive with nothing but records that are data."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as copy:
        records = [r for r in archive.infolist() if not r.is_dir()]
        names = [r.filename for r in records]
        if len(set(names)) < len(names):
            raise _CodeError("two of its records have one name")
        folder = "" if "version" in names else names[0].partition("/")[0] + "/" if names else ""
        for record in records:
            name = record.filename.removeprefix(folder)
            if record.compress_type != zipfile.ZIP_STORED:
                raise ValueError("its records are compressed, which torch.export.save does not do")
            if not record.filename.startswith(folder) or not (name in _ARCHIVE or _is_checked(archive, record, name)):
                continue
            copy.writestr(record.filename, archive.read(record))
    out.seek(0)
    return out


def _is_checked(archive: zipfile.ZipFile, record: zipfile.ZipInfo, name: str) -> bool:
    """Whether torch may have a record; raise a `_CodeError` if it can hold code."""
    if _CODE.fullmatch(name):
        raise _CodeError(f"its record {shown(name)} is an object or a library")
    if _GRAPH.fullmatch(name):
        _check_graph(json.loads(archive.read(record)))
        return True
    if _CONFIG.fullmatch(name):
        for entry in json.loads(archive.read(record))["config"].values():
            if entry["use_pickle"] or not _TENSOR.fullmatch(f"{name.rpartition('/')[0]}/{entry['path_name']}"):
                raise _CodeError(f"{shown(name)} says that {shown(entry['path_name'])} is an object, not numbers")
        return True
    if _PICKLE.fullmatch(name):
        _check_pickle(archive.read(record), name)
        return True
    return bool(_TENSOR.fullmatch(name))


def _check_pickle(content: bytes, name: str) -> None:
    """Refuse a pickle of other things than tensors and plain values."""
    import torch

    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # torch has many: whatever it does not take is not plain
        raise _CodeError(f"its record {shown(name)} is a pickle of more than tensors") from None


def _check_graph(node: Any) -> None:
    """Refuse names of code in the JSON of a graph, also in texts that are JSON themselves."""
    if isinstance(node, list):
        for value in node:
            _check_graph(value)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _IMPORTS:
                raise _CodeError(f"a type of its arguments has {key!r}, which names a module")
            if key == "expr_str":
                _check_expression(value)
            elif key == "target" and isinstance(value, str):
                if not _OPERATOR.fullmatch(value) or value.startswith(_FILES):
                    raise _CodeError(f"a node calls {shown(value)}")
            else:
                _check_graph(value)
    elif isinstance(node, str) and node.lstrip()[:1] in ("[", "{", '"'):
        try:
            inner = json.loads(node)
        except ValueError:
            return
        _check_graph(inner)


def _check_expression(text: Any) -> None:
    """Refuse a symbolic size that is more than functions of symbols and numbers: sympy evaluates it as Python."""
    refused = _CodeError(f"the symbolic size {shown(text)} is more than symbols and numbers")
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, TypeError, ValueError):
        raise refused from None
    for node in nodes:
        plain = isinstance(node, _EXPRESSION)
        if isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name) and node.func.id[:1].isupper()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            plain = node.value.isidentifier() or re.fullmatch(r"-?[\d.]+([eE][-+]?\d+)?", node.value) is not None
        if not plain:
            raise refused
