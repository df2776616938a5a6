"""The survey that ships is what its program finds, by a seeded sample; and its run resumes, and has limits."""

from __future__ import annotations

import json
import math
import random
import signal
import time
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.zoo.survey.zoo_survey import NUMBERS, TEXTS
from tests.survey import run as running
from tests.survey import worker
from tests.survey.pack import NO_PLACE, SHIPPED, map_columns, model_columns, packed
from tests.survey.run import Job, results, run

SAMPLE = 16
MEASURED = ("seconds", "compared", "wrong", "unjudged")  # the machine, the judges
MAX_LAYERS = 400


def columns_of(table: dict, number: int) -> dict:
    return {name: values[number] for name, values in table.items()}


@pytest.fixture(scope="module")
def shipped():
    import gzip

    return json.loads(gzip.decompress(SHIPPED.read_bytes()))


# a seeded sample ------------------------------------------------------------------------------------------------------


def sample() -> list[str]:
    """Models of the libraries that the tests install, some that are read in part among them."""
    data = rf.zoo_survey()
    rng = random.Random(12)
    names = []
    for library, number in (("timm", 9), ("torchvision", 4), ("smp", 3)):
        some = data.isel(model=(data.library.values == library) & np.isin(data.status.values, ("whole", "part")))
        names += rng.sample(some.model.values[some.layers.values < MAX_LAYERS].tolist(), number)
    return names


@pytest.mark.torch
@pytest.mark.skipif(not all(map(find_spec, ("timm", "segmentation_models_pytorch"))), reason="needs these libraries")
@pytest.mark.parametrize("number", range(SAMPLE))
def test_a_model_that_is_read_again_has_the_figures_that_ship(shipped, number):
    from tests.survey.figures import read
    from tests.survey.libraries import subject

    name = sample()[number]
    row = json.loads(json.dumps(read(subject(name))))
    at = shipped["models"]["model"].index(name)
    expected = columns_of(shipped["models"], at)
    found = model_columns(row, {})
    assert {k: v for k, v in found.items() if k not in MEASURED} == {
        k: v for k, v in expected.items() if k not in MEASURED
    }
    maps = [i for i, model in enumerate(shipped["maps"]["model"]) if model == at]
    expected_maps = [
        {k: v for k, v in columns_of(shipped["maps"], i).items() if k not in ("model", "level")} for i in maps
    ]
    assert [map_columns(one) for one in row["maps"]] == expected_maps


def test_the_sample_is_drawn_from_what_ships():
    names = sample()
    assert len(set(names)) == SAMPLE
    assert {name.partition(":")[0] for name in names} == {"timm", "torchvision", "smp"}


# the run --------------------------------------------------------------------------------------------------------------


class Worker:
    """In the place of a process: it answers at once, and one model ends it."""

    def __init__(self):
        self.ended = False

    def do(self, job):
        return None if job.model == "a:ends" else {"model": job.model, "status": "whole"}

    def end(self):
        self.ended = True


def test_a_run_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_Worker", Worker)
    path = tmp_path / "results.jsonl"
    run([Job("read", "a:1"), Job("read", "a:ends"), Job("read", "a:2")], path, 2, time.time() + 60)
    path.write_text(path.read_text() + '{"kind": "read", "model": "a:3", "sta')  # a kill
    known = results(path)
    assert {job.model: row.get("status", "failed") for job, row in known.items()} == {
        "a:1": "whole", "a:ends": "failed", "a:2": "whole",
    }  # fmt: skip
    assert "its process ended" in known[Job("read", "a:ends")]["failed"]
    run([Job("read", "a:ends")], tmp_path / "later.jsonl", 1, time.time() - 1)  # the time is over
    assert not (tmp_path / "later.jsonl").exists()


def test_what_is_due(tmp_path):
    from tests.survey.__main__ import due

    path = tmp_path / "results.jsonl"
    rows = [("a:1", "whole"), ("a:2", "part"), ("a:3", "not")]
    start = {"kind": "read", "library": "a", "family": "f", "layers": 9}
    lines = [json.dumps(start | {"model": name, "status": status}) for name, status in rows]
    path.write_text("\n".join(lines) + "\n")
    names = ["a:1", "a:2", "a:3", "a:4"]

    def asked(**given):
        args = {"kind": "read", "model": [], "again": []} | given
        return sorted(job.model for job in due(SimpleNamespace(**args), names, results(path)))

    assert asked() == ["a:4"]
    assert asked(again=["part"]) == ["a:2", "a:4"]
    assert asked(model=["a:1"]) == ["a:1"]
    assert asked(kind="judged") == ["a:1", "a:2"]


def test_a_model_that_failed_is_packed_as_not_read():
    known = {
        Job("read", "timm:b"): {"model": "timm:b", "failed": "it takes more than 60 s of processor time"},
        Job("read", "timm:a"): {
            "model": "timm:a", "library": "timm", "family": "f", "status": "whole", "reason": "", "axes": ["y", "x"],
            "input_size": [8, 9], "maps": [],
        },
        Job("judged", "timm:a"): {"model": "timm:a", "compared": 3, "differing": ["u (1, 2): why", "u (1, 2): more"]},
        Job("gradients", "timm:a"): {"model": "timm:a", "compared": 2, "differing": ["('skip', 'u', (3, 4))"]},
    }  # fmt: skip
    models = packed(known)["models"]
    assert models["model"] == ["timm:a", "timm:b"]
    assert {key: values[1] for key, values in models.items() if key in TEXTS} == {
        "library": "timm", "family": "", "status": "not", "reason": "it takes more than 60 s of processor time",
        "unjudged": "",
    }  # fmt: skip
    assert (models["compared"], models["wrong"]) == ([5, 0], [2, 0])
    assert [models[name][1] for name in NUMBERS] == [None] * len(NUMBERS)
    assert models["input_size"] == [[8, 9], None]


def test_why_no_entry_of_a_model_was_judged():
    row = {"kind": "read", "library": "timm", "family": "f", "status": "whole", "axes": ["x"], "maps": []}
    known = {Job("read", f"timm:{name}"): row | {"model": f"timm:{name}"} for name in "abcd"}
    known[Job("judged", "timm:a")] = {"model": "timm:a", "failed": "it takes\ntoo long"}
    known[Job("judged", "timm:b")] = {"model": "timm:b", "compared": 0, "differing": []}
    known[Job("judged", "timm:c")] = {"model": "timm:c", "compared": 3, "differing": []}
    expected = ["it takes too long", NO_PLACE, "", "the run of the judges ended before its turn"]
    assert packed(known)["models"]["unjudged"] == expected


def test_results_of_a_library_that_is_not_there_are_not_lost(tmp_path, monkeypatch):
    from tests.survey import __main__ as program

    monkeypatch.setattr(program, "installed", lambda: ["timm"])
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps({"kind": "read", "model": f"{name}:a"}) + "\n" for name in ("smp", "timm")))
    with pytest.raises(SystemExit, match="results of smp, which"):
        program.pack([path])


def test_a_worker_ends_what_takes_too_long(monkeypatch):
    """Its alarm ends code of a library that goes on after every Exception."""
    sent = []

    class Jobs:
        def recv(self):
            if sent:
                raise EOFError
            return "read", "timm:x"

        def send(self, result):
            sent.append(result)

    def slow(kind, model):
        while True:
            try:
                math.sqrt(2)
            except Exception:
                continue

    before = signal.getsignal(signal.SIGPROF)
    monkeypatch.setattr(worker, "_done", slow)
    monkeypatch.setattr(worker, "_prepare", lambda: None)
    monkeypatch.setattr(worker, "SECONDS", {"read": 0.2})
    try:
        worker.serve(Jobs())
    finally:
        signal.signal(signal.SIGPROF, before)
    assert sent == [{"failed": "it takes more than 0.2 s of processor time"}]
