"""Run the commands that docs/validity.md cites, and put what they print after them.

A block that begins with ``$ `` holds one command and its output; ``<!-- run: … -->`` is followed by a table::

    python docs/refresh.py docs/validity.md
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n.*?```", re.S)


TABLE = re.compile(r"<!-- run: (?P<command>[^\n]+) -->\n.*?<!-- end -->", re.S)


def run(command: str) -> str:
    """Return what a command prints; rfscale and python are those of this environment."""
    words = shlex.split(command)
    known = {"rfscale": [sys.executable, "-m", "rfscale"], "python": [sys.executable]}
    done = subprocess.run(known[words[0]] + words[1:], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def refresh(text: str) -> str:
    """Return the page with the output of every command as it is now."""
    text = BLOCK.sub(lambda m: f"```console\n$ {m['command']}\n{run(m['command'])}\n```", text)
    return TABLE.sub(lambda m: f"<!-- run: {m['command']} -->\n{run(m['command'])}\n<!-- end -->", text)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(refresh(page.read_text(encoding="utf-8")), encoding="utf-8")
