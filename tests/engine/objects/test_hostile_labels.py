"""Label files that are made to fill the memory, or hold what no program writes."""

import gzip
import json
import os

import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects import boxes
from rfscale.engine.objects.formats import json_stream, tables
from rfscale.engine.objects.open_source import open_source


def read(path, **options):
    source = open_source(path, **options)
    return source, list(source.chunks())


@pytest.mark.parametrize("begin", ["", "image_width,image_height,width,height\n", "# "])
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_a_line_without_end_is_refused(tmp_path, monkeypatch, begin, name):
    monkeypatch.setattr(tables, "MAX_LINE_BYTES", 1 << 20)
    content = begin.encode() + b"1" * (4 << 20)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError, match="has a line of more than 1048576 bytes; it is no table"):
        read(tmp_path / name)


def test_long_tables_of_short_lines_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINE_BYTES", 1 << 10)
    text = "image_width,image_height,width,height\n" + "100,100,10,20\n" * 50_000
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert sum(len(part.width) for part in read(tmp_path / "x.csv.gz")[1]) == 50_000


def test_an_entry_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "LONGEST", 1 << 20)
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b'{"images": [{"id": "' + b"1" * (8 << 20)))
    with pytest.raises(InputError, match="an entry is longer than 1048576 characters"):
        read(tmp_path / "x.json.gz")


@pytest.mark.parametrize(("name", "kind"), [("a.txt", "yolo"), ("a.xml", "voc"), ("classes.txt", "yolo")])
def test_labels_of_one_image_are_bounded(tmp_path, monkeypatch, name, kind):
    monkeypatch.setattr(boxes, "MAX_FILE_BYTES", 1000)
    (tmp_path / name).write_text(" " * 1001)
    with pytest.raises(InputError, match="has 1001 bytes; at most 1000 are read per image"):
        read(tmp_path, format=kind, **({"image_size": (8, 8)} if kind == "yolo" else {}))


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.npy"])
def test_pipes_and_devices_are_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no regular file"):
        open_source(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is no regular file"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("label", [[1], {"a": 1}, [1, 2], [[]]])
def test_a_category_that_is_no_key(tmp_path, label):
    annotation = {"image_id": 1, "bbox": [0, 0, 5, 5]}
    content = {
        "images": [{"id": 1, "width": 10, "height": 10}],
        "categories": [{"id": label, "name": "x"}, {"id": 7, "name": "y"}],
        "annotations": [annotation | {"category_id": label}, annotation | {"category_id": 7}],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    _, parts = read(tmp_path / "x.json")
    assert list(parts[0].category) == ["none", 7]
