"""Label files that are made to fill the memory, or hold what no program writes."""

import gzip
import json
import os

import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects import boxes
from rfscale.engine.objects.formats import json_stream, tables
from rfscale.engine.objects.open_source import open_source
from rfscale.engine.objects.sizes import object_sizes


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
    source, parts = read(tmp_path / "x.json")
    assert list(parts[0].category) == ["none", 7]
    assert source.notes["categories that are no number or text"] == 2


HUGE = 10**400  # no float holds it


def coco(images: list, *annotations: dict) -> dict:
    return {"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": list(annotations)}


def test_numbers_of_hundreds_of_digits_are_none(tmp_path):
    image = {"id": 1, "width": 100, "height": 100}
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, n, 5]} for n in (HUGE, 20)]
    (tmp_path / "x.json").write_text(json.dumps(coco([image, image | {"id": 2, "width": HUGE}], *boxes)))
    found = object_sizes(tmp_path / "x.json", resize="square=100")
    assert found.left_out.to_series().to_dict() == {"not a number": 1}
    (tmp_path / "a.txt").write_text(f"1,2,10,10,1,4,0,0\n{HUGE},2,10,10,1,4,0,0\n")
    found = object_sizes(tmp_path, format="visdrone")
    assert found.left_out.to_series().to_dict() == {"not a number": 1}


def test_ids_that_are_whole_numbers_are_those_numbers(tmp_path):
    """A table that was written as JSON has 1.0 for 1."""
    images = [{"id": 1, "width": 100, "height": 100}, {"id": 2.0, "width": 100, "height": 100}]
    boxes = [{"image_id": i, "category_id": 1.0, "bbox": [0, 0, 20, 5]} for i in (1.0, 2)]
    (tmp_path / "x.json").write_text(json.dumps(coco(images, *boxes)))
    found = object_sizes(tmp_path / "x.json")
    assert (found.attrs["objects"], list(found.category.values)) == (2, ["a"])


@pytest.mark.parametrize("side", ["²", "-5", "1e999", "wide", ""])
def test_a_voc_image_without_a_size(tmp_path, side):
    (tmp_path / "a.xml").write_text(
        f"<annotation><size><width>{side}</width><height>9</height></size><object><name>a</name><bndbox><xmin>0</xmin>"
        "<ymin>0</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>",
        encoding="utf-8",
    )
    assert object_sizes(tmp_path).attrs["objects"] == 1
    with pytest.raises(InputError, match="1 image size unknown"):
        object_sizes(tmp_path, resize="square=300")


def test_names_of_classes_after_a_byte_order_mark(tmp_path):
    (tmp_path / "classes.txt").write_text("\ufeffcat\r\ndog\r\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("0 .5 .5 .1 .2\n1 .5 .5 .1 .2\n")
    assert list(object_sizes(tmp_path, image_size=(100, 200)).category.values) == ["cat", "dog"]


@pytest.mark.parametrize(
    "header",
    [
        "image_width, image_height, width, height, category",
        '"image_width", "image_height", "width" ,height,category',
        'image_width,image_height,width,height,category,"a, b",,',
    ],
)
def test_a_header_with_blanks_and_quotes(tmp_path, header):
    (tmp_path / "x.csv").write_text(f"# boxes\n{header}\n100, 200, 10, 40, cat\n100,200,10,40,cat,,,,\n")
    found = object_sizes(tmp_path / "x.csv")
    assert (found.attrs["objects"], list(found.category.values)) == (2, ["cat"])
    assert float(found.image_width) == 100
    assert float(found.image_height) == 200


@pytest.mark.parametrize("rest", [",", ",category,notes", ",category", ',"a\nb",category'])
def test_rows_that_are_shorter_than_their_header(tmp_path, rest):
    (tmp_path / "x.csv").write_text(f"image_width,image_height,width,height{rest}\n10,20,2,3\n10,20,2,3\n")
    found = object_sizes(tmp_path / "x.csv")
    assert (found.attrs["objects"], float(found.image_height)) == (2, 20)


def test_a_header_that_is_none(tmp_path):
    (tmp_path / "x.csv").write_text(f"image_width,image_height,width,height,{'a' * 140_000}\n10,20,2,3,4\n")
    with pytest.raises(InputError, match="has no header that is one of a table"):
        object_sizes(tmp_path / "x.csv")


def test_counts_that_are_no_numbers_are_left_out(tmp_path):
    rows = "".join(f"100,100,20,20,{n}\n" for n in ("-3", "0", "nan", "inf", "2"))
    (tmp_path / "x.csv").write_text("image_width,image_height,width,height,count\n" + rows)
    found = object_sizes(tmp_path / "x.csv")
    assert (found.attrs["objects"], found.attrs["boxes"]) == (2, 5)
    assert found.left_out.to_series().to_dict() == {"count that is no number": 3}
