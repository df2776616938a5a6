"""The command as a process."""

import subprocess
import sys

from tests import ROOT


def process(*args, **kwargs):
    return subprocess.run([sys.executable, "-m", "rfscale", *map(str, args)], cwd=ROOT, text=True, **kwargs)
