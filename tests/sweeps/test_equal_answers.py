"""Every kind of answer is equal, bit by bit, on one thread and on two, with compiled kernels and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numba
import pytest

from tests import ROOT
from tests.sweeps.digests import answers, digest


def digests(mode, **settings):
    command = [sys.executable, "-m", "tests.sweeps.digests", mode]
    done = subprocess.run(command, env=os.environ | settings, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def on_two_threads():
    return digests("kernels", NUMBA_NUM_THREADS="2")


WAYS = {
    "one thread": ("kernels", {"NUMBA_NUM_THREADS": "1"}),
    "kernels as Python": ("kernels", {"NUMBA_DISABLE_JIT": "1"}),
    "small work without kernels": ("user", {}),
}


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("way", WAYS)
def test_answers_are_those_of_kernels_on_two_threads(way, on_two_threads):
    mode, settings = WAYS[way]
    assert digests(mode, **settings) == on_two_threads


def test_a_digest_changes_with_any_bit():
    whole = answers()["sweep, mixed"]()
    before = digest(whole)
    assert digest(answers()["sweep, mixed"]()) == before
    whole["s2"].shared.values[-1, -1, -1] += 1
    assert digest(whole) != before
