"""The verb warm: compiled code of the whole installation, in advance."""

from __future__ import annotations

import typer

from rfscale.sweeps.cli.output import deliver


def warm(context: typer.Context) -> None:
    """Compile now what would be compiled once, at the first question that needs it.

    Once after installation, and after an update of rfscale, numba or Python; half a minute or more. The code is kept in
    the folder that NUMBA_CACHE_DIR names, else beside the installed files.

    Example: rfscale warm
    """
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.warm import PARTS
    from rfscale.sweeps.warm import warm as compile_all

    with progress("compiling, once", len(PARTS)) as bar:
        done = compile_all(bar.step)
    text = f"{done.kernels} kernels compiled in {done.seconds:.0f} s" if done.kernels else "all kernels were there"
    where = ", ".join(done.folders) or "no folder that can be written to: every process compiles its own"
    deliver(context, done._asdict(), f"{text}; {done.files} files, {done.size / 1e6:.1f} MB, in {where}")
