"""Models that Python code makes, "package.module:factory" or "file.py:factory": found, imported and called.

That code is not ours: whatever it raises becomes one line that says where.
"""

from __future__ import annotations

import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module, util
from pathlib import Path
from typing import Any

from rfscale.engine.errors import FactoryArguments, InputError, nearest, shown

_OF_WEIGHTS = re.compile(r"(\w+_)?(weights|pretrained)(_\w+)?")  # names of parameters
INSTALL = {  # what pip is given for a package that is missing
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "transformers": "torch transformers",
    "monai": "monai",
    "ultralytics": "ultralytics",
    "keras": "keras",
    "onnx": "onnx",
}


def find(text: str, what: str = "network") -> Any:
    """Import and return what "package.module:name" or "file.py:name" names; messages call it `what`.

    Raises
    ------
    InputError
        One line: what cannot be imported and why, the nearest name, and for known packages what to install.
    """
    where, _, name = text.rpartition(":")
    if not where or not name:
        raise InputError(f"{what} {shown(text)} is incomplete; write package.module:factory or file.py:factory")
    try:
        return _with_torchvision(lambda: _member(where, name, f"{what} {shown(text)}"))
    except InputError:
        raise
    except SystemExit:
        raise InputError(f"{what} {shown(text)}: importing {where} ends the program (sys.exit)") from None
    except Exception as error:
        hint = _install_hint(error) or _nearest_file(where, error)
        raise InputError(f"{what} {shown(text)} cannot be imported: {_error_line(error, where)}{hint}") from None


def _member(where: str, name: str, label: str) -> Any:
    """What a dotted name means in a module; packages that import their parts late do so here."""
    found = _module(where)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if not n.startswith("_")]
            raise InputError(f"{label}: {where} has no {part!r}; {nearest(part, known)}")
        found = getattr(found, part)
    return found


def call(text: str, factory: Callable[..., Any], args: Mapping[str, Any], *, on_meta: bool = True) -> Any:
    """Return what a factory makes: PyTorch modules without memory for weights where their code allows that.

    Without `on_meta` they have their values.

    Raises
    ------
    InputError
        One line: arguments that it lacks or does not take, or what it raised and where.
    """
    takes = _check(text, factory, args)
    torch = sys.modules.get("torch")
    if torch is not None and on_meta:
        try:
            with torch.device("meta"):
                return factory(**args)
        except (Exception, SystemExit):  # it reads its weights while it makes them, or fails anyway: called once more
            pass
    try:
        try:
            return _with_torchvision(lambda: factory(**args))
        except OSError:  # it fetches weights, which reading does not need
            args = {**args, **_no_weights(factory, args)}
            return _with_torchvision(lambda: factory(**args))
    except InputError:
        raise
    except SystemExit:
        raise InputError(f"{text} ends the program (sys.exit) when it is called") from None
    except Exception as error:
        message = f"{_error_line(error, getattr(factory, '__module__', ''))}{_install_hint(error)}"
        if not isinstance(error, TypeError):
            raise InputError(f"{text} raised {message}") from None
        # Python's TypeError names the argument in its text only
        wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        close = nearest(wrong[1], takes) if wrong else ""
        raise InputError(
            f"{text} cannot be called so: {message}{f'; {close}' if close.startswith('did you mean') else ''}"
        ) from None


def _module(where: str) -> Any:
    """Import a module by name, the folder of the user included, or a Python file by its path."""
    if where.endswith(".py"):
        path = Path(where)
        if not path.is_file():
            raise InputError(f"{where}: there is no such file")
        _add_folder(str(path.absolute().parent))  # its neighbours, as `python file.py` has them
        spec = util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        before = sys.modules.get(path.stem)
        sys.modules[path.stem] = module  # dataclasses and pickles look there
        try:
            # from the source: a file that is changed within a second has the time stamp of its compiled copy
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        except BaseException:
            sys.modules.pop(path.stem)
            if before is not None:
                sys.modules[path.stem] = before
            raise
        return module
    _add_folder("")  # a module beside the user, as `python -m` has it
    return import_module(where)


def _add_folder(folder: str) -> None:
    """Let modules be imported from a folder: before installed packages, after Python's own.

    A `types.py` of the user must not be imported in the place of Python's, here or in worker processes.
    """
    if folder not in sys.path:
        own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
        places = [i for i, entry in enumerate(sys.path) if entry in own or entry.endswith("lib-dynload")]
        sys.path.insert(places[-1] + 1 if places else 0, folder)


def _with_torchvision(action: Callable[[], Any]) -> Any:
    """Do what may import a torchvision without compiled operators: where they are missing, declare them and repeat."""
    try:
        return action()
    except (RuntimeError, ImportError) as error:
        if not _lacks_operators(error):
            raise
        from rfscale.engine.readers.torch.torchvision import declare_torchvision_operators

        declare_torchvision_operators()
        return action()


def _lacks_operators(error: BaseException | None) -> bool:
    """Whether an error came of them: torch has no class of its own for an operator that is missing."""
    while error is not None:
        if isinstance(error, RuntimeError) and "torchvision::" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check(text: str, factory: Callable[..., Any], args: Mapping[str, Any]) -> list[str]:
    """Refuse arguments that a factory does not name, and name those that it lacks; return all that it names."""
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        return []
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes = [p.name for p in named]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in args:
            if key not in takes:
                hint = nearest(key, takes) if takes else "it takes none"
                raise InputError(f"{text} cannot be called so: it takes no argument {shown(key)}; {hint}")
    lacking = [p.name for p in named if p.default is p.empty and p.name not in args]
    if lacking:
        raise InputError(f"{text} needs {' and '.join(lacking)}", remedy=("give ", FactoryArguments(tuple(lacking))))
    return takes


def _no_weights(factory: Callable[..., Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a factory that keep it from fetching weights, but for those that the user gives."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    asked = [p for p in parameters if _OF_WEIGHTS.fullmatch(p.name) and p.name not in args and p.default]
    return {p.name: False if isinstance(p.default, bool) else None for p in asked if p.default is not p.empty}


def _error_line(error: BaseException, where: str) -> str:
    """An error in one line: its type where that says something, its message, and where in the user's file."""
    text = " ".join(str(error).split())[:200]
    if not isinstance(error, ImportError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    stem = Path(where).stem if where.endswith(".py") else where.rpartition(".")[2]
    own = [f for f in traceback.extract_tb(error.__traceback__) if stem and Path(f.filename).stem == stem]
    return f"{text} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else text


def _install_hint(error: Exception) -> str:
    """What to install for a package that is not there."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"; to read its models: pip install {INSTALL[missing]}" if missing in INSTALL else ""


def _nearest_file(where: str, error: Exception) -> str:
    """The module of this folder that may have been meant."""
    if not isinstance(error, ModuleNotFoundError) or error.name != where:
        return ""
    close = nearest(where, [path.stem for path in Path().glob("*.py")])
    return f"; {close}" if close.startswith("did you mean") else ""
