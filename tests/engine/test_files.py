"""Specs in files that are no files: without an end, or read once."""

import os

import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.files import read_mapping


@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_pipes_and_devices_are_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no regular file"):
        read_mapping(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is no regular file"):
        read_mapping(tmp_path / name)
