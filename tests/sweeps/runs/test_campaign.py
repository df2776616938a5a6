"""A small version of the campaigns of kills and full disks."""

from __future__ import annotations

from pathlib import Path

from tests.sweeps.runs.campaign import Campaign


def test_nothing_is_lost_by_kills_and_full_disks(tmp_path):
    campaign = Campaign(tmp_path, stages=6, seed=1)
    assert campaign.kill_process(2) >= 1
    assert campaign.kill_workers(2) >= 1 or not Path("/proc/self/stat").is_file()  # where workers are found
    assert campaign.fill_disk(1) <= 1  # 0 where no disk can be mounted
