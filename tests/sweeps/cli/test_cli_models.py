"""Models of Python code on the command line: made, read, and every way to get that wrong in one line.

Those of PyTorch stand in test_cli_torch.py, those of other libraries in tests/sweeps/cli/test_models_command.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from rfscale.engine import InputError
from rfscale.engine.readers.load import load_named
from rfscale.engine.readers.names.python import find
from rfscale.sweeps.cli.model import arguments
from rfscale.sweeps.report.tables.profile import SCREEN
from tests import ROOT

# a factory that makes a network --------------------------------------------------------------------------------------


def test_a_factory_gets_its_arguments(here, rfscale):
    code, out, err = rfscale("profile", "plainnet:build", "--arg", "n=2", "--param", "kernel=5", "--input-size", "32")
    assert (code, err) == (0, "")
    assert out.startswith("plain: image 32×32")
    assert "conv2: extent 9, stride 1, first pixel 12, no holes" in out


@pytest.mark.parametrize("text", ["plainnet:Inner.make", "plainnet:made", "plainnet.py:build", "./plainnet.py:made"])
def test_what_may_stand_for_a_network(here, rfscale, text):
    code, out, err = rfscale("networks", text)
    assert (code, err) == (0, "")
    assert "3 layers" in out


def test_what_libraries_say_stays_away_from_the_terminal(here, rfscale):
    code, out, err = rfscale("profile", "plainnet:loud")
    assert (code, err) == (0, "")
    assert "hello" not in out


@pytest.mark.parametrize(
    "args",
    [
        ("profile",),
        ("footprint", "LAYER"),
        ("networks",),
        ("validate",),
        ("match", "--layers", "LAYER"),
        ("check", "--fail-on", "never"),
        ("halo", "--tile", "64", "--layers", "LAYER"),
    ],
)
def test_every_verb_takes_a_model(here, rfscale, args):
    verb, *rest = (("body.1" if a == "LAYER" else a) for a in args)
    code, out, err = rfscale(verb, "plainnet:deep", *rest, "--arg", "blocks=2")
    assert (code, err) == (0, "")
    assert out


def test_a_module_stands_for_its_last_layer(here, rfscale):
    _, out, _ = rfscale("footprint", "plainnet:deep", "body")
    assert "body.2" in out.splitlines()[0]
    _, out, _ = rfscale("profile", "plainnet:deep", "--layers", "body,head")
    assert [line.split()[0] for line in out.splitlines()[5:7]] == ["body.2", "head"]
    assert "did you mean 'body'" in rfscale("footprint", "plainnet:deep", "bodi")[2]


def test_validate_still_takes_spaces_of_modules(here, rfscale):
    (here / "spacey.py").write_text(
        "import rfscale as rf\nspace = rf.Space.from_dict({'stages': [{'name': 'a', 'kernel': [3, 5]}]})\n"
    )
    code, out, _ = rfscale("validate", "spacey.py:space")
    assert (code, "2 architectures" in out) == (0, True)
    code, _, err = rfscale("validate", "spacey.py:space", "--arg", "n=2")
    assert (code, err) == (2, "rfscale: spacey.py:space is a space; --arg goes with networks\n")


# folded tables -------------------------------------------------------------------------------------------------------


def rows(out):
    table = out.split("\n\n")[1].splitlines()
    return [line.split()[0] for line in table[3:]]


def test_a_profile_is_folded_to_fit_a_screen(here, rfscale):
    _, out, _ = rfscale("profile", "plainnet:deep", "--arg", "blocks=8")
    assert rows(out) == [*(f"body.{i}" for i in range(8)), "head"]
    assert "  4 layers  " in out
    assert "33 layers, folded by module to depth 2" in out
    _, out, _ = rfscale("profile", "plainnet:deep", "--arg", "blocks=40")
    assert rows(out) == ["body", "head"]
    _, out, _ = rfscale("profile", "plainnet:deep")
    assert len(rows(out)) == 13 <= SCREEN


@pytest.mark.parametrize(("depth", "n"), [("1", 2), ("2", 9), ("3", 33), ("all", 33)])
def test_depth(here, rfscale, depth, n):
    _, out, _ = rfscale("profile", "plainnet:deep", "--arg", "blocks=8", "--depth", depth)
    assert len(rows(out)) == n


@pytest.mark.parametrize(("depth", "n"), [((), 9), (("--depth", "1"), 2), (("--depth", "all"), 33)])
def test_a_validation_is_folded_as_a_profile_is(here, rfscale, depth, n):
    code, out, err = rfscale("validate", "plainnet:deep", "--arg", "blocks=8", *depth, "--out", "v.json")
    assert (code, err) == (0, "")
    assert sum(line.startswith(("body", "head")) for line in out.splitlines()) == n
    assert ("33 layers, folded by module to depth" in out) is (n < 33)
    assert (here / "v.json").read_text().count('"body.7.conv1"') >= 1
    assert "published: departs at body.0.conv2" in out  # of a layer that the table folds away


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("plainnet:deep", "--depth", "none"), "--depth is 'none'; give a whole number from 1 on, or all"),
        (("chains", "--depth", "all"), "--depth all folds the table of a network; chains need a number of layers"),
        (("space.yaml", "--depth", "2"), "space.yaml is a space; --depth goes with networks"),
    ],
)
def test_a_depth_that_a_validation_cannot_have(here, rfscale, args, message):
    (here / "space.yaml").write_text("stages: [{name: a, kernel: [3, 5]}]")
    assert rfscale("validate", *args) == (2, "", f"rfscale: {message}\n")


def test_holes_inside_a_module_are_told(here, rfscale):
    _, out, _ = rfscale("profile", "plainnet:build", "--arg", "n=30", "--arg", "kernel=1")
    assert len(rows(out)) == 30  # flat names are not folded
    (here / "holes.yaml").write_text(
        "layers: [{name: a.0, kernel: 3, dilation: 2}, {name: a.1, kernel: 5}, {name: b, kernel: 1}]"
    )
    _, out, _ = rfscale("profile", "holes.yaml", "--depth", "1")
    assert rows(out) == ["a", "b"]
    assert "1 of 3 layers have holes, first a.0" in out


def test_files_hold_every_layer(here, rfscale):
    rfscale("profile", "plainnet:deep", "--arg", "blocks=8", "--depth", "1", "--out", "p.csv")
    assert len((here / "p.csv").read_text().splitlines()) == 34


def test_outputs_downstream_of_global_branches(here, rfscale):
    (here / "se.yaml").write_text(
        "layers: [{name: conv, kernel: 3}, {name: squeeze, op: global_pool},"
        "{name: scale, op: multiply, inputs: [conv, squeeze]}, {name: last, kernel: 3}]"
    )
    _, out, _ = rfscale("profile", "se.yaml")
    assert "last: extent 5, stride 1, padding 0, no holes" in out
    assert "(without branches of a global receptive field; --global-ops skip shows every layer so)" in out
    _, out, _ = rfscale("profile", "se.yaml", "--global-ops", "skip")
    assert "(without branches" not in out


# errors --------------------------------------------------------------------------------------------------------------

WRONG = {
    "missing module": (["plainnte:build"], "cannot be imported: No module named 'plainnte'; did you mean 'plainnet'"),
    "missing attribute": (["plainnet:bild"], "plainnet has no 'bild'; did you mean 'build'"),
    "missing file": (["nowhere.py:build"], "nowhere.py: there is no such file"),
    "no attribute": (["plainnet.py"], "plainnet.py is Python code; say what makes the model: plainnet.py:NAME"),
    "no module": ([":build"], "network ':build' is incomplete; write package.module:factory"),
    "dots": (["plainnet.build"], "no network 'plainnet.build'; for what a Python module makes, write plainnet:build"),
    "no such name": (["plainest"], "a name such as timm:resnet50d, or package.module:factory"),
    "its own imports": (["needy:x"], "network 'needy:x' cannot be imported: No module named 'nothere' (needy.py, line"),
    "syntax": (["wrong:x"], "cannot be imported: SyntaxError: invalid syntax (wrong.py, line 1)"),
    "raises when imported": (["zero.py:x"], "ZeroDivisionError: division by zero (zero.py, line 1)"),
    "ends when imported": (["ending:x"], "importing ending ends the program (sys.exit)"),
    "raises": (["plainnet:raises"], "plainnet:raises raised ValueError: no luck today (plainnet.py, line "),
    "ends": (["plainnet:ends"], "plainnet:ends ends the program (sys.exit) when it is called"),
    "lacks arguments": (["plainnet:needs"], "plainnet:needs needs width and depth; give --arg width=… --arg depth=…"),
    "wrong argument": (["plainnet:build", "--arg", "kernl=3"], "takes no argument 'kernl'; did you mean 'kernel'?"),
    "argument of none": (["plainnet:number", "--arg", "n=3"], "it takes no argument 'n'; it takes none"),
    "no network": (["plainnet:number"], "'plainnet:number' returns 3; it must be or return a PyTorch module"),
    "no model": (["plainnet:PLAIN"], "plainnet has no 'PLAIN'"),
    "made already": (["plainnet:made", "--arg", "n=3"], "plainnet:made is a Network already and takes no arguments"),
    "arg of a spec": (["net.yaml", "--arg", "n=3"], "net.yaml is a file and takes no parameters, but got n"),
    "arg of a model": (["no.onnx", "--arg", "n=3"], "no.onnx is a model already and takes no arguments, but got n"),
    "shape of the zoo": (
        ["vgg16", "--example-input", "1,3,8,8"],
        "vgg16 is a network of the zoo; --example-input goes with models",
    ),
    "shape of a spec": (["net.yaml", "--axes", "1,2"], "net.yaml is a spec; --axes goes with models"),
    "shape of a network": (["plainnet:build", "--example-input", "1,3,8,8"], "makes an rf.Network, which takes no"),
    "bad shape": (["plainnet:build", "--example-input", "1,3,x"], "--example-input is '1,3,x'; give batch, channels"),
    "empty shape": (["plainnet:build", "--example-input", "1,3,0,9"], "--example-input is '1,3,0,9'; give batch"),
    "bad axes": (["plainnet:build", "--axes", "y"], "--axes is 'y'; give the spatial dims of the image, such as 2,3"),
    "bad unknown": (
        ["plainnet:build", "--unknown", "flip"],
        "--unknown is 'flip'; give pointwise or everything",
    ),
    "unreadable": (["plainnet:build", "--unknown", "a={k: ["], "--unknown a is '{k: ['; write a number, a text"),
    "weights": (["weights.pth"], "weights.pth holds weights, not a graph that can be read; name the code"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_models_are_one_line_and_exit_2(here, rfscale, case):
    args, message = WRONG[case]
    code, out, err = rfscale("profile", *args)
    assert (code, out) == (2, "")
    assert err.startswith("rfscale: ")
    assert err.count("\n") == 1
    assert message in err


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "segmentation_models_pytorch", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
from rfscale.sweeps.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("network", "install"),
    [
        ("model.onnx", "onnx"),
        ("model.pt2", "torch"),
        ("torchnet:Net", "torch"),
        ("torch.nn:Conv2d", "torch"),
        ("torchvision.models:resnet50", "torchvision"),
        ("timm:create_model", "timm"),
        ("segmentation_models_pytorch:Unet", "segmentation-models-pytorch"),
    ],
)
def test_without_a_package_one_line_says_what_to_install(here, network, install):
    (here / "model.onnx").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){BLOCKED}", "profile", network],
        cwd=here, text=True, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"pip install {install}\n" in done.stderr


def test_networks_of_the_zoo_import_neither_torch_nor_onnx():
    code = (
        "import sys; from rfscale.sweeps.cli.main import main; main(['profile', 'resnet18', '--input-size', '64']);"
        "print([m for m in ('torch', 'onnx', 'matplotlib', 'zarr') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


# the pieces ----------------------------------------------------------------------------------------------------------


def test_values_of_arguments():
    given = ["a=3", "b=[3, x]", "c=None", "d-e=text", "f=1e-6", "g=0.5", "h=true", "i=a=b", "j="]
    assert arguments(given) == {
        "a": 3, "b": [3, "x"], "c": None, "d_e": "text", "f": 1e-6, "g": 0.5, "h": True, "i": "a=b", "j": None,
    }  # fmt: skip


def test_files_import_their_neighbours(here):
    (here / "lib").mkdir()
    (here / "lib" / "parts.py").write_text("import rfscale as rf\nnet = rf.Network.sequential({'kernel': 3})")
    (here / "lib" / "whole.py").write_text("from parts import net")
    assert len(find(f"{here}/lib/whole.py:net")) == 1
    with pytest.raises(InputError, match="takes no parameters"):
        load_named(str(here / "net.yaml"), {"n": 3}, {})
