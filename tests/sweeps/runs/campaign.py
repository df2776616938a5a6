"""Stores against kills and full disks, many times: ``python -m tests.sweeps.runs.campaign --kills 20``.

After each campaign the store must equal one that was written in peace, byte for byte, but for the text of its lock.
`test_campaign.py` runs a small version.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITE = """
import sys
from contextlib import nullcontext
import rfscale as rf
from rfscale.sweeps.runs.store.dask_workers import local_client
from rfscale.sweeps.runs.store.store import write_store

if __name__ == "__main__":
    path, workers, stages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    stages = [{"name": f"s{i}", "kernel": 3, "dilation": [1, 2, 3, 4]} for i in range(stages)]
    with local_client(workers) if workers else nullcontext() as client:
        write_store(rf.Space.from_dict({"stages": stages}), path, block_bytes=1 << 12, client=client)
"""


def files(store: Path) -> dict[str, bytes]:
    """Every file of a store, but the text of its lock."""
    found = (f for f in store.rglob("*") if f.is_file())
    return {str(f.relative_to(store)): b"" if f.name == "lock" else f.read_bytes() for f in found}


class Campaign:
    """Stores of one space, in a folder."""

    def __init__(self, folder: Path, stages: int, seed: int) -> None:
        self.folder, self.stages, self.draw = folder, stages, random.Random(seed)
        self.script = folder / "write.py"
        self.script.write_text(WRITE)
        assert self.start(folder / "whole").wait() == 0
        self.whole = files(folder / "whole")
        self.blocks = ticked(folder / "whole")

    def start(self, store: Path, workers: int = 0) -> subprocess.Popen[bytes]:
        """Begin to write a store, or go on with it."""
        line = [sys.executable, self.script, store, str(workers), str(self.stages)]
        return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait_for_blocks(self, store: Path, process: subprocess.Popen[bytes], blocks: int) -> None:
        while process.poll() is None and ticked(store) < blocks:
            time.sleep(0.002)
        time.sleep(self.draw.random() * 0.02)

    def _finish(self, store: Path, workers: int = 0) -> None:
        assert self.start(store, workers).wait() == 0
        assert files(store) == self.whole, store

    def kill_process(self, kills: int) -> int:
        """Kill the process at different times, then finish the store; return how often it was killed while it wrote."""
        store, killed = self.folder / "killed", 0
        for i in range(kills):
            process = self.start(store)
            self._wait_for_blocks(store, process, (i + 1) * self.blocks // (kills + 1))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        self._finish(store)
        return killed

    def kill_workers(self, kills: int) -> int:
        """Kill one of two workers at different times, then finish the store; return the number of kills."""
        store, killed = self.folder / "workers", 0
        process = self.start(store, workers=2)
        for i in range(kills):
            self._wait_for_blocks(store, process, (i + 1) * self.blocks // (kills + 1))
            if process.poll() is not None:  # it gave up, or all is written
                process = self.start(store, workers=2)
            living = workers_of(process.pid)
            if living:
                os.kill(self.draw.choice(living), signal.SIGKILL)
                killed += 1
        process.wait()
        self._finish(store, workers=2)
        return killed

    def fill_disk(self, times: int) -> int:
        """Write on a disk that is full at different times, then finish there; return how often it was full."""
        with small_disk(self.folder / "disk") as disk:
            if disk is None:
                return 0
            store, full = disk / "store", 0
            for _ in range(times):
                stuff, stat = disk / "stuff", os.statvfs(disk)
                room = sum(map(len, self.whole.values())) // (times + 2)  # on a disk, files take more than their bytes
                stuff.write_bytes(bytes(stat.f_bavail * stat.f_bsize - room))
                full += self.start(store).wait() != 0
                stuff.unlink()
            self._finish(store)
            return full


def ticked(store: Path) -> int:
    """Blocks that are stored."""
    return len(list(store.glob("done/c.*")))


def workers_of(process: int) -> list[int]:
    """Worker processes of a process (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == process and b"spawn_main" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
        except (OSError, ValueError):  # it has ended
            continue
    return found


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Yield a disk of 64 MiB, or None where it cannot be mounted."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
    mounted = subprocess.run(line, capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


def main() -> None:
    """Run the campaigns, and print what was survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--disks", type=int, default=5)
    parser.add_argument("--stages", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), given.stages, given.seed)
        print(f"{campaign.blocks} blocks", flush=True)
        print(f"{campaign.kill_process(given.kills)} kills of the process: equal", flush=True)
        print(f"{campaign.kill_workers(given.kills)} kills of a worker: equal", flush=True)
        print(f"{campaign.fill_disk(given.disks)} full disks: equal", flush=True)


if __name__ == "__main__":
    main()
