"""Files that are read may be anything."""

from __future__ import annotations

import os

import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.files import read_mapping


def test_merge_keys_that_double_at_each_level_end(tmp_path):
    levels = ["m0: &m0 {a: 1}"] + [f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], b{i}: {i}}}" for i in range(1, 40)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(levels))
    assert len(read_mapping(path)["m39"]) == 40


@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_pipes_and_devices_are_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no regular file"):
        read_mapping(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is no regular file"):
        read_mapping(tmp_path / name)
