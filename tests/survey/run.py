"""The long run: every model in a worker process, one line of JSON for each result, kept as it comes."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.survey.worker import PATIENCE, SECONDS, serve

JOBS_OF_A_PROCESS = 300  # until another takes its place: libraries keep what they make


class Job(NamedTuple):
    """What is done to a model: "read", "judged" or "gradients"."""

    kind: str
    model: str


def results(path: Path) -> dict[Job, dict[str, Any]]:
    """What a file holds: of each job the last result; a line that was cut off by a kill is none."""
    found: dict[Job, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            kept = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[Job(kept.pop("kind"), kept["model"])] = kept
    return found


def run(jobs: Iterable[Job], path: Path, workers: int, until: float) -> None:
    """Do jobs and append their results to a file, until a time."""
    queue, lock = iter(list(jobs)), threading.Lock()
    threads = [threading.Thread(target=_work, args=(queue, lock, path, until)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _work(queue: Iterator[Job], lock: threading.Lock, path: Path, until: float) -> None:
    worker, done = None, 0
    while time.time() < until:
        with lock:
            job = next(queue, None)
        if job is None:
            break
        if worker is None or done % JOBS_OF_A_PROCESS == 0:
            if worker is not None:
                worker.end()
            worker = _Worker()
        done += 1
        result = worker.do(job)
        if result is None:
            result, worker = {"failed": "its process ended, or did not answer"}, None
        with lock, path.open("a") as file:
            file.write(json.dumps({"kind": job.kind, "model": job.model} | result) + "\n")
    if worker is not None:
        worker.end()


class _Worker:
    """A process with a connection to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.jobs, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def do(self, job: Job) -> dict[str, Any] | None:
        """The result of a job, or None where the process ended or had to be."""
        self.jobs.send(tuple(job))
        try:
            if self.jobs.poll(SECONDS[job.kind] * PATIENCE):
                return self.jobs.recv()
        except (EOFError, ConnectionError):
            pass
        self.end()
        return None

    def end(self) -> None:
        self.jobs.close()
        self.process.kill()
        self.process.join()
