"""``python -m tests.survey run`` and ``pack``: see each one's ``--help``."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.survey.libraries import installed, subjects
from tests.survey.pack import read_results, write
from tests.survey.run import Job, results, run

SMALL = 4e7  # parameters of a model that is judged before others
GRADIENTS = 60  # models of a seeded share that gradients judge


def due(args: argparse.Namespace, names: list[str], known: dict[Job, dict[str, Any]]) -> list[Job]:
    """What is to be done: all that has no result yet, and again what is named or has a status that is named."""
    names = [name for name in names if not args.model or name in args.model]
    wanted = [Job("read", name) for name in names] if args.kind == "read" else _judging(args.kind, names, known)

    def is_due(job: Job) -> bool:
        result = known.get(job)
        return result is None or bool(args.model) or result.get("status", "failed") in args.again

    return [job for job in wanted if is_due(job)]


def _judging(kind: str, names: list[str], known: dict[Job, dict[str, Any]]) -> list[Job]:
    """Models that were read: small ones in a seeded order, one of each family, then another; large ones by cost."""
    rows = {name: known[Job("read", name)] for name in names if Job("read", name) in known}
    read = [name for name, row in rows.items() if row.get("status") in ("whole", "part")]
    random.Random(0).shuffle(read)
    if kind == "gradients":
        read = [name for name in read if name.partition(":")[0] in ("timm", "torchvision")]
        read = [name for name in read if rows[name]["layers"] < 120 and rows[name]["status"] == "whole"]
    turns: dict[str, int] = {}
    before: Counter[tuple[str, str]] = Counter()
    for name in read:
        family = rows[name]["library"], rows[name]["family"]
        turns[name] = before[family]
        before[family] += 1

    def order(name: str) -> tuple[bool, float]:
        large = (rows[name].get("params") or 0) > SMALL
        return large, (rows[name].get("macs") or 0) if large else turns[name]

    read.sort(key=order)
    return [Job(kind, name) for name in (read[:GRADIENTS] if kind == "gradients" else read)]


def pack(paths: list[Path]) -> None:
    """Write the dataset of all results but those of models that their library no longer has."""
    known = read_results(paths)
    missing = sorted({job.model.partition(":")[0] for job in known} - set(installed()))
    if missing:
        raise SystemExit(f"not packed: there are results of {', '.join(missing)}, which is not installed here")
    names = {name for library in installed() for name in subjects(library)}
    write({job: row for job, row in known.items() if job.model in names})


def main() -> None:
    """Parse the command line, and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.survey")
    verbs = parser.add_subparsers(dest="verb", required=True)
    long = verbs.add_parser("run", help="read or judge models; it goes on where it was ended")
    long.add_argument("file", type=Path, help="file of results, one line of JSON each, which it appends to")
    long.add_argument("--kind", choices=("read", "judged", "gradients"), default="read")
    long.add_argument("--library", action="append", default=[], help="only of this one; may be given again")
    long.add_argument("--model", action="append", default=[], help="only this one, again where it has a result")
    long.add_argument("--again", action="append", default=[], help="also those of this status: part, not, failed")
    long.add_argument("--workers", type=int, default=1)
    long.add_argument("--minutes", type=float, default=600)
    file = verbs.add_parser("pack", help="write the file that ships with the package, from files of results")
    file.add_argument("file", type=Path, nargs="+")
    args = parser.parse_args()
    if args.verb == "pack":
        pack(args.file)
        return
    names = [name for library in args.library or installed() for name in subjects(library)]
    todo = due(args, names, results(args.file))
    print(f"{len(todo)} to do", flush=True)
    run(todo, args.file, args.workers, time.time() + 60 * args.minutes)


if __name__ == "__main__":
    main()
