"""Every remedy that refers to a parameter is followed, and then works.

The places that propose a parameter are found in the code; each has a case here: what fails there, the words of the
remedy, and the same call with it. A new place without a case fails the first test.
"""

import ast
import json
import re
import traceback
import zipfile
from pathlib import Path

import numpy as np
import pytest
import typer

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.sweeps.batch.entries import read_runs
from rfscale.sweeps.batch.run import run_batch
from rfscale.sweeps.cli.main import app
from rfscale.sweeps.cli.options import size_of

ROOT = Path(__file__).parents[1]
REFERENCES = {"INPUT_SIZE", "EXAMPLE_INPUT", "SKIP_GLOBAL_OPS", "TRUST", "Parameter", "FactoryArguments"}

DARTS = rf.Space.from_dict(rf.cells.darts(cells=3))
SHIFTED = rf.Network.sequential({"op": "slice", "start": 3}, {"op": "pad", "padding": [0, 3]}, axes=1)
CHAIN = rf.Network.from_dict({"layers": [{"kernel": 3}, {"kernel": 3}]})
SIZED = rf.Network.from_dict({"layers": [{"kernel": 3, "padding": 1}, {"op": "resize", "size": 32}]})
_BACK = [{"name": f"u{k}", "op": "upsample", "scale": k, "inputs": f"s{k}"} for k in (31, 32, 33)]
UNLIKE_STRIDES = rf.Network.from_dict(
    {
        "layers": [
            *({"name": f"s{k}", "kernel": k, "stride": k, "inputs": "input"} for k in (31, 32, 33)),
            *_BACK,
            {"name": "sum", "op": "add", "inputs": [layer["name"] for layer in _BACK]},
        ]
    }
)
RESIZING = rf.Network.sequential({"op": "upsample", "scale": 2}, {"kernel": 3, "stride": 4}, input_size=400)
BOXES = np.array([[20, 20], [60, 40]])
COCO = {
    "images": [{"id": 1, "width": 0, "height": 0}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
}
POOLED = rf.Network.from_dict({"layers": [{"kernel": 3, "name": "a"}, {"op": "global_pool", "name": "all"}]})
KERAS = {
    "class_name": "Sequential",
    "config": {"layers": [{"class_name": "Conv2D", "config": {"name": "a", "filters": 4, "kernel_size": [3, 3]}}]},
}
SPACE = "stages: [{name: s, kernel: [3, 5]}]"
CODE = """
def needs(width):
    import rfscale as rf
    return rf.Network.from_dict({"layers": [{"kernel": width}]})

def net():
    return needs(3)
"""


def shell(*args):
    """Run a verb, and let its errors through."""
    with typer.main.get_command(app).make_context("rfscale", list(args), obj={"command": "rfscale"}) as context:
        context.command.invoke(context)


def proposals():
    """Each function that makes an `InputError` whose remedy refers to a parameter, as `module:function`."""
    for top in ("engine", "sweeps"):
        for path in sorted((ROOT / top).rglob("*.py")):
            module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef) and any(map(_refers, _own(function))):
                    yield f"{module}:{function.name}"


def _own(function):
    """The nodes of a function, without those of the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own(child)


def _is_error(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "InputError"


def _refers(node):
    if not _is_error(node):
        return False
    remedies = [k.value for k in node.keywords if k.arg == "remedy"]
    return any(isinstance(n, ast.Name) and n.id in REFERENCES for r in remedies for n in ast.walk(r))


def options_in_errors():
    """Every option of the shell that the text of an error names."""
    for top in ("engine", "sweeps"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for error in filter(_is_error, ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
                for node in ast.walk(error):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield from re.findall(r"--[a-z][a-z-]+", node.value)


def places(error):
    """Where an error and those that it was made of come from, as `module:function`."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield f"{frame.f_globals['__name__'].removeprefix('rfscale.')}:{frame.f_code.co_name}"
        error = error.__context__


def limited(monkeypatch, name, limit, input_size):
    """A profile of a map larger than its image, of sets with holes, where a limit of memory is small."""
    net = rf.Network.from_dict({"layers": [{"op": "upsample", "scale": 4}, {"kernel": 3, "dilation": 9}]})
    with monkeypatch.context() as patched:
        patched.setattr(f"rfscale.engine.footprints.{name}", limit)
        return rf.profile(net, input_size=input_size)


def listed(monkeypatch, input_size):
    """All sets of a trace written down, where a limit of memory is small."""
    from rfscale.engine.footprints.forward import trace

    with monkeypatch.context() as patched:
        patched.setattr("rfscale.engine.footprints.solid_program.MAX_LISTED", 100)
        return trace(CHAIN, input_size).terms.solid.listed()


def run(entry, **options):
    """One run of a batch; its error is raised again."""
    Path("runs.yaml").write_text(json.dumps({"runs": [{"name": "one", **entry}]}))
    summary = run_batch(read_runs(Path("runs.yaml")), Path("out"), Path(), rerun=True, **options)
    if "failed" in summary.status.values:
        raise InputError(str(summary.message.values[0]))


def script():
    import torch

    torch.jit.script(torch.nn.Conv2d(3, 4, 3)).save("net.pt")
    return "net.pt"


def greedy():
    """A module that has memory for small images only."""
    import torch

    class Greedy(torch.nn.Conv2d):
        def forward(self, image):
            if image.shape[-1] > 32:
                raise MemoryError
            return super().forward(image)

    return Greedy(3, 4, 3)


def program():
    """A program whose sample inputs are a pickle that names a function."""
    import torch

    torch.export.save(torch.export.export(torch.nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 9, 9),)), "good.pt2")
    torch.save(((Path("harmless"),), {}), "inputs.pt")
    with zipfile.ZipFile("good.pt2") as good, zipfile.ZipFile("net.pt2", "w") as bad:
        for name in good.namelist():
            is_input = name.endswith("sample_inputs/model.pt")
            bad.writestr(name.replace("good/", "net/"), Path("inputs.pt").read_bytes() if is_input else good.read(name))
    return "net.pt2"


def both():
    from torch import nn

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 4, 3)

        def forward(self, image, other):
            return self.body(image) + self.body(other)

    return Both()


def field(**options):
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    return rf.effective_field(model, "0", **{"images": pixels(9), "input_size": 9} | options)


def pixels(size):
    import torch

    return torch.rand(2, 3, size, size)


def checkpoint():
    """A checkpoint that holds a path besides the weights."""
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    torch.save({"state_dict": model.state_dict(), "made": Path("by")}, "all.pt")
    return "all.pt"


def plain():
    from torch import nn

    return nn.Conv2d(3, 4, 3)


PLAIN = {  # place: what fails there, the words of the remedy, the same call with it
    "engine.analysis.coverage:coverage": (
        lambda _: rf.coverage(CHAIN, "conv1", None), "give input_size", lambda _: rf.coverage(CHAIN, "conv1", 9),
    ),
    "engine.analysis.entry_map:entry_map": (
        lambda _: rf.entry_map(CHAIN, "conv1", None), "give input_size", lambda _: rf.entry_map(CHAIN, "conv1", 9),
    ),
    "engine.analysis.profile:profile_columns": (
        lambda _: rf.profile(CHAIN, entry=(0, 0)), "give input_size",
        lambda _: rf.profile(CHAIN, entry=(0, 0), input_size=9),
    ),
    "engine.footprints.footprint_figures:_union_figures": (
        lambda _: rf.profile(UNLIKE_STRIDES), "give input_size", lambda _: rf.profile(UNLIKE_STRIDES, 31 * 32 * 33),
    ),
    "engine.footprints.forward:_terms": (
        lambda patch: limited(patch, "forward.MAX_HELD", 100, 64), "analyse a smaller input_size",
        lambda patch: limited(patch, "forward.MAX_HELD", 100, 8),
    ),
    "engine.footprints.margins:_outputs": (
        lambda _: rf.halo(POOLED), "as layers, or give global_ops='skip'", lambda _: rf.halo(POOLED, layers=["a"]),
    ),
    "engine.footprints.pixel_sets:_check_words": (
        lambda patch: limited(patch, "pixel_sets.MAX_WORDS", 64, 64), "analyse a smaller input_size",
        lambda patch: limited(patch, "pixel_sets.MAX_WORDS", 64, 8),
    ),
    "engine.footprints.solid_program:listed": (
        lambda patch: listed(patch, 64), "analyse a smaller input_size", lambda patch: listed(patch, 16),
    ),
    "engine.footprints.plan:_maps": (
        lambda _: rf.profile(SIZED), "give input_size", lambda _: rf.profile(SIZED, input_size=16),
    ),
    "engine.footprints.plan:unbounded": (
        lambda _: rf.footprint(POOLED, "all"), "give input_size, or global_ops='skip'",
        lambda _: rf.footprint(POOLED, "all", input_size=9),
    ),
    "engine.network.network:map_sizes": (
        lambda _: CHAIN.map_sizes(), "give input_size", lambda _: CHAIN.map_sizes(9),
    ),
    "engine.network.network:map_size_after": (
        lambda _: rf.profile(CHAIN, input_size=4), "enlarge input_size", lambda _: rf.profile(CHAIN, input_size=5),
    ),
    "engine.analysis.match.match:_check_options": (
        lambda _: rf.match(CHAIN, BOXES, k=1), "give rule='width'",
        lambda _: rf.match(CHAIN, BOXES, k=1, rule="width"),
    ),
    "engine.analysis.match.match:_check_resize": (
        lambda _: rf.match(RESIZING, BOXES), "say what it does: resize=",
        lambda _: rf.match(RESIZING, BOXES, resize="none"),
    ),
    "engine.analysis.tiling.tiles:_check_fits": (
        lambda _: list(rf.tiles(SHIFTED, 20, 2)), "give a larger tile", lambda _: list(rf.tiles(SHIFTED, 20, 10)),
    ),
    "engine.analysis.tiling.tile_costs:choose_tile": (
        lambda _: rf.choose_tile(CHAIN), "give waste or memory", lambda _: rf.choose_tile(CHAIN, waste=2.0),
    ),
    "engine.objects.formats.ultralytics:_labels_of": (
        lambda _: rf.object_sizes("set/data.yaml", split="val", image_size=(64, 64)), "give another split",
        lambda _: rf.object_sizes("set/data.yaml", split="train", image_size=(64, 64)),
    ),
    "engine.objects.formats.ultralytics:_split": (
        lambda _: rf.object_sizes("set/data.yaml", split="test"), "give split='train'",
        lambda _: rf.object_sizes("set/data.yaml", split="train", image_size=(64, 64)),
    ),
    "engine.objects.sizes:_counted": (
        lambda _: rf.object_sizes("coco.json", "square=64"), "give image_size or resize='none'",
        lambda _: rf.object_sizes("coco.json", "none"),
    ),
    "sweeps.cli.verbs.halo:halo": (
        lambda _: shell("halo", "vgg16", "--layers", "pool5", "--tile", "64", "--waste", "2"), "leave tile out",
        lambda _: shell("halo", "vgg16", "--layers", "pool5", "--waste", "2"),
    ),
    "engine.objects.formats.yolo:_check_pictures": (
        lambda _: rf.object_sizes("labels"), "give images (a folder of pictures) or image_size (height, width)",
        lambda _: rf.object_sizes("labels", image_size=(480, 640)),
    ),
    "engine.readers.keras.reader:_shape": (
        lambda _: rf.load("net.keras"), "give example_input",
        lambda _: rf.load("net.keras", example_input=(1, 32, 32, 3)),
    ),
    "engine.readers.load:load_named": (
        lambda _: rf.load("net.yaml", image="x"), "image goes with models", lambda _: rf.load("net.yaml"),
    ),
    "engine.readers.load:_check_no_trust": (
        lambda _: rf.load("vgg16", trust=True), "leave trust out", lambda _: rf.load("vgg16"),
    ),
    "engine.readers.names.python:_check": (
        lambda _: rf.load("made.py:needs"), "give width=…", lambda _: rf.load("made.py:needs", width=3),
    ),
    "sweeps.batch.entries:_named": (
        lambda _: run({"profile": "made.py:net"}), "if you trust it, give --trust",
        lambda _: run({"profile": "made.py:net"}, trust=True),
    ),
    "sweeps.cli.options:size_of": (
        lambda _: size_of(CHAIN, None, finite=True), "give input_size", lambda _: size_of(CHAIN, "64", finite=False),
    ),
    "sweeps.spaces.load:find_space": (
        lambda _: rf.validate("space.yaml", image="x"), "image goes with networks", lambda _: rf.validate("space.yaml"),
    ),
    "sweeps.validation.branches.collected:branch_walks": (
        lambda _: rf.validate(DARTS), "give random", lambda _: rf.validate(DARTS, random=2),
    ),
    "sweeps.validation.validate:_subject": (
        lambda _: rf.validate(rf.Space.from_dict({"stages": [{"kernel": 3}]}), image="x"), "image goes with networks",
        lambda _: rf.validate(rf.Space.from_dict({"stages": [{"kernel": 3}]})),
    ),
}  # fmt: skip
OF_TORCH = {
    "engine.analysis.questions.sizes:_verify": (
        lambda _: rf.valid_sizes(plain(), verify=True, example_input=pixels(64)), "give example_input as a shape",
        lambda _: rf.valid_sizes(plain(), verify=True, example_input=(1, 3, 64, 64)),
    ),
    "engine.analysis.tiling.verify_tiles:_check_memory": (
        lambda _: rf.verify_tiles(plain(), image_size=200000), "a smaller image_size or tile",
        lambda _: rf.verify_tiles(plain(), image_size=40, tile=16),
    ),
    "engine.fields.measuring.images:_check_shape": (
        lambda _: field(images=pixels(12)), "give input_size, or images of one size",
        lambda _: field(images=pixels(12), input_size=12),
    ),
    "engine.fields.modules:read_checkpoint": (
        lambda _: field(checkpoint=checkpoint()), "if you trust its maker, give trust",
        lambda _: field(checkpoint=checkpoint(), trust=True),
    ),
    "engine.readers.torch.inputs.example_input:_check_complete": (
        lambda _: rf.load(both(), example_input=(1, 3, 9, 9)), "give example_input as a dict",
        lambda _: rf.load(both(), example_input={"image": (1, 3, 9, 9), "other": (1, 3, 9, 9)}),
    ),
    "engine.readers.torch.inputs.fitting_inputs:_too_large": (
        lambda _: rf.load(greedy(), input_size=64), "give a smaller input_size",
        lambda _: rf.load(greedy(), input_size=32),
    ),
    "engine.readers.torch.inputs.input_facts:shape": (
        lambda _: rf.load(plain(), axes=(2, 2)), "give other dims, or example_input",
        lambda _: rf.load(plain(), axes=(2, 3)),
    ),
    "engine.readers.torch.program.program_file:load_program": (
        lambda _: rf.load(program()), "if you trust its maker, give trust", lambda _: rf.load(program(), trust=True),
    ),
    "engine.readers.torch.script_file:load_script": (
        lambda _: rf.load(script()), "if you trust its maker, give trust", lambda _: rf.load(script(), trust=True),
    ),
}  # fmt: skip
# made there and raised by the caller; a batch keeps the text alone
RAISED_ELSEWHERE = {
    "engine.footprints.plan:unbounded",
    "engine.readers.torch.inputs.fitting_inputs:_too_large",
    "sweeps.batch.entries:_named",
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files that the cases name, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2")
    for folder in ("images/train", "images/val", "labels/train"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    (tmp_path / "set/labels/train/a.txt").write_text("0 0.5 0.5 0.2 0.2")
    (tmp_path / "set/data.yaml").write_text("{path: ., train: images/train, val: images/val, names: [a]}")
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    (tmp_path / "net.yaml").write_text("layers: [{kernel: 3}]")
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "made.py").write_text(CODE)
    with zipfile.ZipFile("net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(KERAS))
    return monkeypatch


def follow(case, place, monkeypatch):
    fails, words, followed = case
    with pytest.raises(InputError) as raised:
        fails(monkeypatch)
    assert words in str(raised.value)
    if place not in RAISED_ELSEWHERE:
        assert place in list(places(raised.value))
    followed(monkeypatch)


def test_every_place_has_a_case():
    assert set(proposals()) - {*PLAIN, *OF_TORCH} == set()


def test_labels_in_shares_of_the_image_are_not_told_to_leave_its_size_out(files):
    with pytest.raises(InputError, match=r"give images \(a folder of pictures\) or image_size$"):
        rf.object_sizes("set/data.yaml", "letterbox=640")


def test_errors_name_options_that_there_are():
    known = {option for verb in typer.main.get_command(app).commands.values() for p in verb.params for option in p.opts}
    assert set(options_in_errors()) - known == set()


@pytest.mark.parametrize("place", PLAIN)
def test_a_remedy_that_is_followed_works(place, files):
    follow(PLAIN[place], place, files)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch.jit is deprecated
@pytest.mark.parametrize("place", OF_TORCH)
def test_a_remedy_of_the_torch_readers_works(place, files):
    pytest.importorskip("torch")
    follow(OF_TORCH[place], place, files)
