"""Labels as people have them: data.yaml, VisDrone, KITTI, DOTA, turned boxes, masks; and malformed siblings of each."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from rfscale.engine.errors import InputError
from rfscale.engine.objects.formats.masks import mask_box, run_lengths
from rfscale.engine.objects.open_source import open_source
from rfscale.engine.objects.sizes import object_sizes


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def boxes(objects, **options) -> list[tuple[float, float, str]]:
    """Width, height and name of every box that is no use or not, in the order of the files."""
    source = open_source(objects, **options)
    return [
        (round(float(w), 6), round(float(h), 6), str(source.names.get(c, c)))
        for part in source.chunks()
        for w, h, c in zip(part.width, part.height, part.category, strict=True)
    ]


# ------------------------------------------------------------------ data.yaml of Ultralytics


def dataset(root: Path, content: str, name: str = "data.yaml") -> Path:
    """Two pictures to train on and one to validate, each with a label; a picture without objects."""
    write(root / "images/train/a.png", png(100, 50))
    write(root / "images/train/sub/b.png", png(200, 100))
    write(root / "images/train/empty.png", png(200, 100))
    write(root / "images/val/c.png", png(640, 480))
    write(root / "labels/train/a.txt", "0 0.5 0.5 0.1 0.2\n1 0.5 0.5 0.5 0.5\n")
    write(root / "labels/train/sub/b.txt", "1 0.5 0.5 0.1 0.1\n")
    write(root / "labels/val/c.txt", "0 0.5 0.5 0.5 0.5\n")
    return write(root / name, content)


TRAIN = [(10.0, 10.0, "cat"), (50.0, 25.0, "dog"), (20.0, 10.0, "dog")]
VAL = [(320.0, 240.0, "cat")]
NAMES = "names: [cat, dog]\n"


@pytest.mark.parametrize(
    "content",
    [
        "train: images/train\nval: images/val\nnc: 2\nnames: {0: cat, 1: dog}\n",
        f"path: .\ntrain: images/train\nval: images/val\n{NAMES}",
        f"path: ../datasets/pets\ntrain: images/train\nval: images/val\n{NAMES}",  # a folder of another machine
        f"path: /nowhere/pets\ntrain: images/train\nval: images/val\ntest:\n{NAMES}",
        f"train: ../images/train\nval: ../images/val\n{NAMES}",  # as Roboflow writes it
        f"train: [images/train]\nval: [images/val]\n{NAMES}",
    ],
)
def test_data_yaml(tmp_path, content):
    path = dataset(tmp_path / "pets", content)
    for given in (path, path.parent):  # the folder that holds it is enough
        assert sorted(boxes(given)) == sorted(TRAIN)
        assert boxes(given, split="val") == VAL
    found = object_sizes(path, "letterbox=640")
    assert found.attrs["source"] == f"{path} (train)"
    assert (found.attrs["objects"], found.image_width.item()) == (3, pytest.approx((100 * 100 * 200) ** (1 / 3)))


def test_data_yaml_with_a_path_beside_it(tmp_path):
    dataset(tmp_path / "datasets/pets", "")
    path = write(tmp_path / "cfg.yaml", f"path: datasets/pets\ntrain: images/train\n{NAMES}")
    assert sorted(boxes(path)) == sorted(TRAIN)


@pytest.mark.parametrize("here", ["work", "."])
def test_data_yaml_with_a_path_in_the_folder_of_data_sets(tmp_path, monkeypatch, here):
    """As the files that come with Ultralytics have it: `path: coco8`, in `datasets` beside the folder of the work."""
    dataset(tmp_path / "datasets/pets", "")
    path = write(tmp_path / "library/pets.yaml", f"path: pets\ntrain: images/train\n{NAMES}")
    (tmp_path / here).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / here)
    assert sorted(boxes(path)) == sorted(TRAIN)


def test_data_yaml_with_lists_of_pictures(tmp_path):
    path = dataset(tmp_path, f"train: train.txt\nval: [val.txt, images/val]\n{NAMES}")
    pictures = ["./images/train/a.png", str(tmp_path / "images/train/sub/b.png"), "images/train/empty.png"]
    write(tmp_path / "train.txt", "\n".join(pictures))
    write(tmp_path / "val.txt", "images/val/c.png\n")
    assert sorted(boxes(path)) == sorted(TRAIN)
    assert boxes(path, split="val") == VAL * 2


def test_data_yaml_of_folders_with_images_and_labels_inside(tmp_path):
    write(tmp_path / "train/images/a.jpg.png", png(100, 100))
    write(tmp_path / "train/labels/a.jpg.txt", "0 0.5 0.5 0.5 0.5\n")
    assert boxes(write(tmp_path / "data.yaml", "train: train/images\n")) == [(50.0, 50.0, "0")]


def test_other_yaml_files_in_a_folder_are_no_data_yaml(tmp_path):
    write(tmp_path / "labels/a.txt", "0 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "images/a.png", png(100, 100))
    write(tmp_path / "hyp.yaml", "lr0: 0.01\n")
    write(tmp_path / "broken.yaml", "a: [\n")
    assert boxes(tmp_path) == [(50.0, 50.0, "0")]
    write(tmp_path / "pets.yaml", "train: images\nnames: [cat]\n")
    assert boxes(tmp_path) == [(50.0, 50.0, "cat")]


def test_data_yaml_without_pictures_and_a_size(tmp_path):
    write(tmp_path / "labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n")
    path = write(tmp_path / "data.yaml", "train: images/train\n")
    assert boxes(path, image_size=(40, 80)) == [(40.0, 20.0, "0")]
    with pytest.raises(InputError, match=r"YOLO sizes in .* are relative to the image; give images .* or image_size"):
        boxes(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train: 3\n", r"data\.yaml: train has 3, which is no path"),
        ("train: images/trian\n", r"data\.yaml: train is 'images/trian', and there is no .*/images/trian; set path"),
        ("names: [cat]\n", r"data\.yaml is no data\.yaml of Ultralytics: it has none of train, val, test"),
        ("path: [a]\ntrain: images/train\n", r"path is \['a'\]; it must be a text"),
        ("train: images/train\nnames: cat\n", r"names is 'cat'; it must be a list, or names by number"),
        ("train: [\n", r"objects: .*data\.yaml cannot be read as YAML"),
        ("", r"data\.yaml is empty"),
        ("train: list.txt\n", r"list\.txt, line 2 is 'notes\.md'; it must be the path of a picture"),
        ("train: pictures\n", r"has pictures in .*/images, but there are no labels in .*; give another split"),
    ],
)
def test_bad_data_yaml_is_one_line(tmp_path, content, message):
    path = dataset(tmp_path, content)
    write(tmp_path / "list.txt", "images/train/a.png\nnotes.md\n")
    write(tmp_path / "pictures/images/a.png", png(9, 9))
    if "pictures" in content:
        path.write_text("train: pictures/images\n")
    with pytest.raises(InputError, match=message) as caught:
        object_sizes(path)
    assert "\n" not in str(caught.value)


def test_splits(tmp_path):
    path = dataset(tmp_path, "val: images/val\n")
    assert boxes(path) == [(320.0, 240.0, "0")]
    with pytest.raises(InputError, match=r"data\.yaml has no train; give split='val'"):
        object_sizes(path, split="train")
    with pytest.raises(InputError, match="split is 'dev'; it must be one of train, val, test"):
        object_sizes(path, split="dev")
    with pytest.raises(InputError, match="split goes with ultralytics; leave it out"):
        object_sizes(write(tmp_path / "a.csv", "x"), split="val")


def test_a_malformed_label_names_its_file_and_line(tmp_path):
    path = dataset(tmp_path, "train: images/train\n")
    write(tmp_path / "labels/train/a.txt", "0 0.5 0.5 0.1 0.2\n0 0.5 0.5 0.1\n")
    with pytest.raises(InputError, match=r"labels/train/a\.txt, line 2 is .* it has 3 numbers .*; a line of YOLO has"):
        object_sizes(path)


# ------------------------------------------------------------------ VisDrone, KITTI, DOTA

VISDRONE = "684,8,273,116,0,0,0,0\n406,119,265,70,1,4,0,0,\n255,22,10,20,1,1,0,1\n10,10,5,5,0,11,0,0\n"
KITTI = (
    "Truck 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n"
    "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57 0.9\n"
    "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n"
)
DOTA = (
    "imagesource:GoogleEarth\ngsd:0.146343590398\n"
    "0.0 0.0 30.0 40.0 22.0 46.0 -8.0 6.0 ship 0\n10 10 60 10 60 30 10 30 small-vehicle 1\n"
)


def test_visdrone(tmp_path):
    write(tmp_path / "annotations/a.txt", VISDRONE)
    write(tmp_path / "images/a.png", png(1360, 765))
    for folder in (tmp_path, tmp_path / "annotations"):
        assert boxes(folder) == [(265.0, 70.0, "car"), (10.0, 20.0, "pedestrian")]
    found = object_sizes(tmp_path, "letterbox=680")
    assert found.left_out.to_series().to_dict() == {"ignored region": 2}
    assert found.scale.item() == 0.5
    assert object_sizes(tmp_path, categories=["car"]).attrs["objects"] == 1


def test_kitti(tmp_path):
    write(tmp_path / "label_2/000001.txt", KITTI)
    write(tmp_path / "image_2/000001.png", png(1242, 375))
    for folder in (tmp_path, tmp_path / "label_2"):
        assert boxes(folder) == [(30.34, 32.85, "Truck"), (36.18, 21.58, "Car")]
    found = object_sizes(tmp_path, "short=750")
    assert found.left_out.to_series().to_dict() == {"DontCare region": 1}
    assert found.scale.item() == 2


def test_dota_has_the_sides_of_turned_boxes(tmp_path):
    write(tmp_path / "labelTxt-v1.0/P0001.txt", DOTA)
    assert boxes(tmp_path) == [(10.0, 50.0, "ship"), (50.0, 20.0, "small-vehicle")]
    found = object_sizes(tmp_path)
    assert (found.attrs["objects"], found.left_out.size) == (2, 0)  # a corner outside its image is no fault there
    write(tmp_path / "images/P0001.png", png(60, 60))
    assert object_sizes(tmp_path, "square=120").scale.item() == 2


def test_turned_boxes_of_yolo(tmp_path):
    write(tmp_path / "images/a.png", png(100, 200))
    corners = [0, 0, 30, 40, 22, 46, 0, 0]
    corners[6:] = [-8, 6]
    line = " ".join(str((v + 10) / (200 if i % 2 else 100)) for i, v in enumerate(corners))
    write(tmp_path / "labels/a.txt", f"0 {line}\n0 0.1 0.1 0.3 0.1 0.3 0.5\n")
    assert boxes(tmp_path / "labels") == [(10.0, 50.0, "0"), (20.0, 80.0, "0")]  # three corners are an outline


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("annotations", "1,2,3,4,1,1,0\n", r"line 1 is '1,2,3,4,1,1,0': it has 7 values; a line of VisDrone has 8"),
        ("annotations", f"{VISDRONE}1,2,a,4,1,1,0,0\n", r"line 5 is .* a value is no whole number"),
        ("label_2", "Car 0 0 0 1 2 3\n", r"line 1 is .* it has 7 values; a line of KITTI has 15 values: type"),
        ("label_2", KITTI + KITTI.replace("599.41", "left"), r"line 4 is .* left, top, right and bottom must be"),
        ("labelTxt", f"{DOTA}1 2 3 4 5 6 7 ship 0\n", r"line 5 is '1 2 3 .*': the corners must be numbers; a line of"),
        ("labelTxt", f"{DOTA}1 2 ship\n", r"line 5 is '1 2 ship': it has 3 values; a line of DOTA has the x and y"),
        ("labels", "0 0.5 0.5 0.1 0.1\nx,y\n", r"line 2 is 'x,y': it has 0 numbers after the class; a line of YOLO"),
    ],
)  # fmt: skip
def test_malformed_lines_name_file_line_and_remedy(tmp_path, name, text, message):
    write(tmp_path / name / "a.txt", text)
    options = {"image_size": (9, 9)}
    with pytest.raises(InputError, match=rf"a\.txt, {message}") as caught:
        object_sizes(tmp_path, **options)
    assert str(caught.value).endswith("mend it, or name another format")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", ["nan 0 9 9", "inf 0 9 9", "9 9 1 1"])
def test_boxes_of_no_use_are_counted(tmp_path, values):
    write(tmp_path / "label_2/a.txt", f"Car 0 0 0 {values} 1 1 1 1 1 1 1\n{KITTI}")
    reasons = object_sizes(tmp_path).left_out.to_series().to_dict()
    assert reasons.pop("DontCare region") == 1
    assert list(reasons.values()) == [1]


def test_a_given_format_and_unknown_image_sizes(tmp_path):
    write(tmp_path / "a.txt", VISDRONE)
    assert object_sizes(tmp_path, format="visdrone").attrs["objects"] == 2
    with pytest.raises(InputError, match=r"2 image size unknown.*; give image_size or resize='none'"):
        object_sizes(tmp_path, "letterbox=640")
    assert object_sizes(tmp_path, "letterbox=640", image_size=(320, 320)).scale.item() == 2
    with pytest.raises(InputError, match=r"line 1 is .* a line of KITTI has"):
        object_sizes(tmp_path, format="kitti")
    with pytest.raises(InputError, match="which coco is not"):
        object_sizes(tmp_path, format="coco")
    with pytest.raises(InputError, match=r"images goes with yolo, visdrone, kitti, dota; leave it out, .* is csv"):
        object_sizes(write(tmp_path / "b.csv", "x"), images=tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        object_sizes(tmp_path, images=tmp_path / "none")


# ------------------------------------------------------------------ COCO masks


def runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, the first of pixels outside."""
    runs, last = [0], 0
    for value in mask.T.reshape(-1).astype(int).tolist():
        if value != last:
            runs.append(0)
            last = value
        runs[-1] += 1
    return runs


def compressed(runs: list[int]) -> str:
    """COCO's text for run lengths, straight from its description."""
    out = ""
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            out += chr(48 + (group | (32 if more else 0)))
    return out


@pytest.mark.parametrize("seed", range(20))
def test_boxes_around_run_lengths(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 90, 2).tolist())
    mask = np.zeros(shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        y, x = (int(rng.integers(0, n)) for n in shape)
        mask[y : y + int(rng.integers(1, 50)), x : x + int(rng.integers(1, 50))] = rng.random() < 0.8
    runs = runs_of(mask)
    assert run_lengths(compressed(runs)) == runs
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    expected = None
    if len(rows):
        expected = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    for counts in (runs, compressed(runs)):
        assert mask_box({"size": list(shape), "counts": counts}) == expected


def test_the_box_of_a_run_over_the_end_of_a_column():
    """Of four rows: from the third of the first column to the second of the next, which is all four rows."""
    assert mask_box({"size": [4, 3], "counts": [2, 4, 6]}) == (0, 0, 2, 4)


@pytest.mark.parametrize(
    "mask",
    [None, [], {}, "text", 3, [[]], [[1, 2, 3]], [[1, 2], [3, 4]], [["a"] * 6], [[1, 2, 3, 4, 5, None]],
     {"counts": [1, 2]}, {"size": [2, 2]}, {"size": [2], "counts": [1, 1]}, {"size": [2, 2], "counts": [9, 9]},
     {"size": [2, 2], "counts": [1, -1]}, {"size": [2, 2], "counts": [True]}, {"size": [2, 2], "counts": "o"},
     {"size": [2, 2], "counts": "\x01"}, {"size": [2, 2], "counts": "P" * 99}, {"size": [2, 2], "counts": [4]},
     {"size": [2, 2], "counts": []}, {"size": [0, 2], "counts": [0]}, {"size": ["a", 2], "counts": [1, 1]}],
)  # fmt: skip
def test_masks_that_are_none(mask):
    assert mask_box(mask) is None


def test_coco_with_masks_and_no_boxes(tmp_path):
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:60] = True
    masks = [
        {"segmentation": [[10, 10, 40, 10, 40, 50, 10, 50], [60, 20, 70, 20, 70, 30]]},
        {"segmentation": {"size": [60, 80], "counts": runs_of(mask)}},
        {"segmentation": {"size": [60, 80], "counts": compressed(runs_of(mask))}, "bbox": None},
        {"segmentation": [[0, 0, 8, 0, 8, 8]], "bbox": [0, 0, 0, 0]},
        {"segmentation": [[0, 0, 8, 0, 8, 8]], "bbox": [1, 1, 5, 6]},  # a box that is there counts
        {"segmentation": [[0, 0]]},
        {"bbox": [0, 0, 0, 0]},
    ]
    content = {
        "images": [{"id": 1, "width": 80, "height": 60}],
        "annotations": [{"image_id": 1, "category_id": 1, **m} for m in masks],
        "categories": [{"id": 1, "name": "cat"}],
    }
    path = write(tmp_path / "a.json", json.dumps(content))
    assert [box[:2] for box in boxes(path)] == [(60, 40), (40, 20), (40, 20), (8, 8), (5, 6), (0, 0)]
    found = object_sizes(path)
    assert found.left_out.to_series().to_dict() == {"zero size": 1, "no box": 1}
    assert found.attrs["notes"] == "4 boxes from masks"
