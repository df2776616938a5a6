"""TorchScript files: programs, which are loaded only for those who trust their maker."""

from __future__ import annotations

from typing import Any

from rfscale.engine.errors import InputError, Parameter, shown


def load_script(path: str, *, trust: bool = False) -> Any:
    """Return the module of a TorchScript file.

    Parameters
    ----------
    path : str
    trust : bool
        Let torch load it. Its documentation says: only load data you trust, for an archive can be made so that loading
        it runs code, and the program in it may read and write files.

    Raises
    ------
    InputError
        Without `trust`, and for a file that torch does not load.
    """
    if not trust:
        raise InputError(
            f"{path} is a TorchScript file, a program that may run code when it is loaded; nothing was run",
            remedy=("if you trust its maker, give ", Parameter("trust")),
        )
    try:
        import torch
    except ImportError:
        raise InputError(f"{path} is a TorchScript file; to read it: pip install torch") from None
    load: Any = torch.jit.load
    try:
        return load(path, map_location="cpu").eval()
    except Exception as error:  # an archive that may hold anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path} cannot be loaded: {shown(lines[0], 200)}") from None
