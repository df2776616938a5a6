"""Labels are read alike from all formats; what is left out is counted; bad files are one line."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects.boxes import CHUNK
from rfscale.engine.objects.histogram import quantile, shares
from rfscale.engine.objects.sizes import object_sizes
from tests.engine.objects.labelled import BOXES, IMAGES, WHERE, coco, rows, same, voc, write_json, yolo

# ------------------------------------------------------------------ formats


@pytest.fixture
def expected(tmp_path):
    (tmp_path / "expected.csv").write_text(rows())
    return object_sizes(tmp_path / "expected.csv")


def test_a_csv_by_hand(expected):
    assert expected.attrs["objects"] == expected.attrs["boxes"] == 4
    assert expected.category.values.tolist() == ["cat", "dog"]
    assert expected["size"].sum("bin").values.tolist() == [2, 2]
    for centre, side in zip(shares(expected)[0][shares(expected)[1] > 0], sorted([8, 34.6, 50, 64]), strict=True):
        assert abs(np.log2(centre / side)) <= 1 / 32 + 1e-9


@pytest.mark.parametrize("order", [("images", "annotations", "categories"), ("categories", "annotations", "images")])
@pytest.mark.parametrize("packed", [False, True])
def test_coco_in_any_order(tmp_path, expected, order, packed):
    content = coco()
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    data = json.dumps({"info": content["info"], **{key: content[key] for key in order}}, indent=1).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert same(object_sizes(path), expected)


def test_coco_ids_may_be_text(tmp_path, expected):
    content = coco()
    for image in content["images"]:
        image["id"] = f"img{image['id']}"
    for annotation in content["annotations"]:
        annotation["image_id"] = f"img{annotation['image_id']}"
    assert same(object_sizes(write_json(tmp_path / "a.json", content)), expected)


def test_voc(tmp_path, expected):
    folder = tmp_path / "voc"
    folder.mkdir()
    assert same(object_sizes(voc(folder)), expected)


def test_yolo_with_pictures_and_with_a_size(tmp_path, expected):
    labels = yolo(tmp_path)
    assert same(object_sizes(labels), expected)
    fixed = object_sizes(labels, image_size=(480, 640))
    assert fixed.attrs["objects"] == 4
    (labels / "1.txt").write_text("0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n")  # an outline
    (labels / "2.txt").write_text("")
    outline = object_sizes(labels, image_size=(100, 100))
    assert quantile(outline, 0.5, "width") == pytest.approx(20, rel=0.05)
    assert quantile(outline, 0.5, "height") == pytest.approx(40, rel=0.05)


def test_arrays_and_npy(tmp_path, expected):
    array = np.array([[*IMAGES[i], *b[2:]] for b, i in zip(BOXES, WHERE, strict=True)], float)
    found = object_sizes(array)
    assert (found["size"].sum("category") == expected["size"].sum("category")).all()
    np.save(tmp_path / "a.npy", array)
    assert same(object_sizes(tmp_path / "a.npy"), found)
    assert object_sizes(array[:, 2:]).relative.sum() == 0


def test_gzipped_csv_with_comments_counts_and_semicolons(tmp_path):
    text = "# made by hand\nimage_width;image_height;width;height;count\n100;100;10;10;3\n100;100;20;20;1\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    found = object_sizes(tmp_path / "a.csv.gz")
    assert (found.attrs["objects"], found.category.values.tolist()) == (4, ["object"])
    assert shares(found)[1].max() == 0.75


def test_more_than_one_chunk(tmp_path):
    n = CHUNK + 10
    array = np.column_stack([np.full(n, 20.0), np.full(n, 30.0)])
    assert object_sizes(array).attrs["objects"] == n
    lines = ["image_width,image_height,width,height", *["50,50,20,30"] * n]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert object_sizes(tmp_path / "a.csv").attrs["objects"] == n


def test_categories_and_crowd(tmp_path):
    content = coco()
    content["annotations"][0]["iscrowd"] = 1
    path = write_json(tmp_path / "a.json", content)
    assert object_sizes(path).attrs["notes"] == "1 crowd regions"
    without = object_sizes(path, crowd=False)
    assert (without.attrs["objects"], without.left_out.sel(reason="crowd region").item()) == (3, 1)
    assert object_sizes(path, categories=["dog"]).attrs["objects"] == 2
    with pytest.raises(InputError, match="has no 'dig'; did you mean 'dog'"):
        object_sizes(path, categories=["dig"])


# ------------------------------------------------------------------ what is left out


def test_bad_boxes_are_counted_and_left_out(tmp_path):
    bad = [[0, 0, 0, 5], [0, 0, -3, 5], [0, 0, float("nan"), 5], [600, 0, 100, 5], [0, 0, 0.5, 0.25], ["a", 0, 1, 1]]
    content = coco([*BOXES, *bad])
    content["annotations"].append({"image_id": 1, "category_id": 17})
    content["annotations"].append({"image_id": 99, "category_id": 17, "bbox": [0, 0, 5, 5]})
    path = write_json(tmp_path / "a.json", content)
    found = object_sizes(path)
    assert found.left_out.to_series().to_dict() == {
        "not a number": 2,
        "zero size": 1,
        "negative size": 1,
        "outside the image": 1,
        "below one pixel": 1,
        "no box": 1,
        "unknown image": 1,
    }
    assert (found.attrs["boxes"], found.attrs["objects"]) == (12, 4)


@pytest.mark.parametrize("size", [(0, 0), (-1, -1), (640, 0), (None, None), (float("nan"), 480), ("a", "b")])
def test_images_of_unknown_size_keep_their_boxes_where_no_rule_needs_it(tmp_path, size):
    content = coco([*BOXES, (100, 100, 640, 480)])
    for image in content["images"]:
        image["width"], image["height"] = size
    path = write_json(tmp_path / "a.json", content)
    for rule in ("none", "scale=0.5"):
        found = object_sizes(path, rule)
        assert (found.attrs["objects"], found.left_out.size, found.relative.sum()) == (5, 0, 0)
    for rule in ("short=800", "square=300", "letterbox=640"):
        with pytest.raises(InputError, match=r"none of the 5 boxes .*: 5 image size unknown"):
            object_sizes(path, rule)


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>",
                                  "<size><width>-1</width><height>-1</height></size>"])  # fmt: skip
def test_voc_agrees_with_coco_about_unknown_sizes(tmp_path, size):
    box = "<xmin>{}</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>9</ymax>"
    things = "".join(f"<object><bndbox>{box.format(*x)}</bndbox></object>" for x in ((1, 900), (1, 5), ("nan", 5)))
    (tmp_path / "a.xml").write_text(f"<annotation>{size}{things}</annotation>")
    found = object_sizes(tmp_path)
    assert (found.attrs["objects"], found.left_out.to_series().to_dict()) == (2, {"not a number": 1})
    with pytest.raises(InputError, match="2 image size unknown"):
        object_sizes(tmp_path, "short=800")


def test_places_that_are_no_numbers_are_left_out_by_all_formats(tmp_path):
    content = coco([*BOXES, (float("nan"), 1, 5, 5), (None, 1, 5, 5), ("a", 1, 5, 5)])
    content["annotations"][0]["category_id"] = [1]
    content["categories"].append({"id": {"a": 1}, "name": "odd"})
    found = object_sizes(write_json(tmp_path / "a.json", content))
    assert (found.attrs["objects"], found.left_out.to_series().to_dict()) == (4, {"not a number": 3})
    labels = yolo(tmp_path)
    (labels / "3.txt").write_text("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.2 0.2\n")  # no picture
    with (labels / "1.txt").open("a") as file:
        file.write("0 nan 0.5 0.1 0.1\n0 0.5 0.5 inf 0.1\n0 0.1 0.1 0.3 nan 0.3 0.5\n")
    found = object_sizes(labels)
    assert found.attrs["objects"] == 4
    assert found.left_out.to_series().to_dict() == {"not a number": 3, "image size unknown": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [], "annotations": [{"bbox": [1, 2', "the file is truncated, at character"),
        ('{"images": [', "truncated"),
        ("", "no COCO file"),
        ("[1, 2]", "no COCO file"),
        ('{"images": [], "annotations": 3}', "'annotations' must be a list"),
        ('{"images": [], "annotations": [3]}', "entry 0 of 'annotations' is 3, not a mapping"),
        ('{"images": []}', "has no 'annotations'; .* this has: images"),
        ('{"shapes": [], "version": 1}', "has no 'images'; .* this has: shapes, version"),
        ('{"images": [], "annotations": []}', "holds no boxes"),
        ('{"images" [], "annotations": []}', "not JSON: : expected"),
        ('{"images": [{"id": }], ' + " " * 99, "not JSON: Expecting value"),
        ('{"images": [], "annotations": [{"bbox": [0, 0, 0, 0]}]}', "none of the 1 boxes .* 1 unknown image"),
    ],
)
def test_bad_coco_is_one_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        object_sizes(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_truncated_gzip_and_binary(tmp_path):
    data = gzip.compress(json.dumps(coco()).encode() * 3)
    (tmp_path / "a.json.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut short or damaged"):
        object_sizes(tmp_path / "a.json.gz")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not UTF-8"):
        object_sizes(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has no column image_width, image_height, width, height; .* there are a, b"),
        ("image_width,image_height,width,height\n", "holds no boxes"),
        ("image_width,image_height,width,height,width\n9,9,9,9,1\n", "has the column width 2 times; leave one"),
        ("image_width,image_height,width,height\n640,480,0.5,0.2\n640,480,0.1,0.1\n", "look like shares of the image"),
    ],
)
def test_bad_csv_is_one_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        object_sizes(tmp_path / "a.csv")


def test_text_among_numbers_is_counted(tmp_path):
    (tmp_path / "a.csv").write_text(rows("640,480,cat,0,0,wide,3\n640,480,,0,0,9,9\n"))
    found = object_sizes(tmp_path / "a.csv")
    assert found.left_out.to_series().to_dict() == {"not a number": 1}
    assert found.category.values.tolist() == ["cat", "dog", "none"]


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="holds neither"):
        object_sizes(tmp_path)
    (tmp_path / "a.xml").write_text("<annotation><size>")
    with pytest.raises(InputError, match="is not XML, or truncated"):
        object_sizes(tmp_path)
    (tmp_path / "a.xml").write_text("<rss></rss>")
    with pytest.raises(InputError, match="its root is <rss>"):
        object_sizes(tmp_path)
    (tmp_path / "b.txt").write_text("0 0.5 0.5 zero 0.1\n")
    with pytest.raises(InputError, match=r"b\.txt, line 1 is"):
        object_sizes(tmp_path, format="yolo", image_size=(10, 10))
    (tmp_path / "b.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(
        InputError, match=r"line 1 is .* it has 2 numbers after the class; a line of YOLO has a class, and 4"
    ):
        object_sizes(tmp_path, format="yolo", image_size=(10, 10))
    with pytest.raises(InputError, match="relative to the image; give images"):
        object_sizes(tmp_path, format="yolo")


def test_mixed_units_in_yolo(tmp_path):
    good, bad = "0 0.5 0.5 0.2 0.2\n", "0 320 240 100 50\n"
    (tmp_path / "a.txt").write_text(good * 3 + bad)
    found = object_sizes(tmp_path, image_size=(480, 640))
    assert found.left_out.to_series().to_dict() == {"mixed units": 1}
    (tmp_path / "a.txt").write_text(good * 3 + bad * 200)
    with pytest.raises(InputError, match="these look like pixels"):
        object_sizes(tmp_path, image_size=(480, 640))


@pytest.mark.parametrize(
    ("objects", "kw", "message"),
    [
        ("nowhere.json", {}, "no file or folder nowhere.json"),
        (3, {}, "give a path or a numpy array"),
        (np.zeros((3, 3)), {}, r"shape \(3, 3\)"),
        (np.array([["a", "b"]]), {}, "must be numbers"),
        (np.ones((2, 2)), {"format": "cocoa"}, "did you mean 'coco'"),
        (np.ones((2, 2)), {"resize": "tall=3"}, "write it as one of"),
        (np.full((2, 2), 9.0), {"resize": "short=800"}, "2 image size unknown"),
    ],
)
def test_bad_calls_are_one_line(objects, kw, message):
    with pytest.raises(InputError, match=message):
        object_sizes(objects, **kw)


def test_parquet_without_pyarrow_says_so(tmp_path):
    from importlib.util import find_spec

    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    message = "cannot read" if find_spec("pyarrow") else "pip install pyarrow"
    with pytest.raises(InputError, match=message):
        object_sizes(tmp_path / "a.parquet")


def test_unknown_names_of_files(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"1")
    with pytest.raises(InputError, match="cannot tell the format"):
        object_sizes(tmp_path / "a.bin")
