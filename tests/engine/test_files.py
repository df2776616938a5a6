"""Specs in files that are no files, or may hold anything."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
import yaml

from rfscale.engine.errors import InputError
from rfscale.engine.files import atomically, read_mapping
from rfscale.engine.network.network import Network


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


# what YAML 1.1 makes of scalars, and those that break its own constructors
ODD = [
    *"yes no on off true ~ null 1e3 1.0e+3 0o17 017 0x1F 0b101 1_000 2001-01-01 2001-01-01T12:00:00Z .inf".split(),
    *"-.inf .nan 12:30:45 190:20:30.15 = << y n + . 0. +1 -0 08 '1' \"yes\" '' 99999999999999999999999 1e400".split(),
    *("&a b", "!!str 1", "!!float 1", "!!binary eA==", "!!set {a, b}", "'a\n b'"),
]
BROKEN = [
    "2001-99-99",
    "0x_",
    "!!int x",
    "!!int ''",
    "!!bool x",
    "!!timestamp x",
    "!!float ''",
    "!!binary é",
    "!x y",
    "*a",
    "!!map x",
]


@pytest.mark.parametrize("scalar", ODD)
def test_yaml_is_read_as_its_library_reads_it(tmp_path, scalar):
    path = tmp_path / "x.yaml"
    for text in (
        f"a: {scalar}",
        f"? {scalar}\n: 1",
        f"a: [{scalar}, {scalar}]\nb: {{c: [[{scalar}], {{d: {scalar}}}]}}",
    ):
        path.write_text(text)
        try:
            expected = yaml.safe_load(text)
        except yaml.YAMLError:
            with pytest.raises(InputError, match="cannot be read as YAML"):
                read_mapping(path)
        else:
            assert repr(read_mapping(path)) == repr(expected)


@pytest.mark.parametrize("scalar", BROKEN)
def test_yaml_that_its_library_cannot_make_is_one_line(tmp_path, scalar):
    path = tmp_path / "x.yaml"
    for text in (f"a: {scalar}", f"a: 1\n? {scalar}\n: 1", f"- {scalar}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"x\.yaml cannot be read as YAML: ."):
            read_mapping(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("x: &x {a: 1}\ny: {<<: *x, a: 1, a: 2}", "the key 'a' stands twice"),
        ("---\na: 1\n---\nb: 2", "cannot be read as YAML"),
        ("---\n---\nb: 2", "cannot be read as YAML"),
        ("[a]: 1\nb: [1", "cannot be read as YAML"),
        ("? [a]\n: 1", "cannot be read as YAML"),
        ("# nothing", "holds None; it must hold a mapping"),
        ("&a {b: " + "[" * 40 + "]" * 40 + "}", "nested more than 32 deep"),
    ],
)
def test_yaml_that_is_no_mapping(tmp_path, text, problem):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_mapping(tmp_path / "x.yaml")


@pytest.mark.parametrize("scalar", ODD)
@pytest.mark.parametrize(
    "text",
    [
        "layers: [{name: %s, kernel: 3}]",
        "layers: [{kernel: %s}]",
        "layers: [{kernel: 3, padding: %s, dilation: [%s, %s]}]",
        "layers: [{kernel: 3, op: %s}]",
        "layers: [{kernel: 3, inputs: %s}]",
        "layers: [{kernel: 3, %s: 3}]",
        "layers: [{kernel: 3}]\noutputs: %s",
        "layers: [{kernel: 3}]\ninput_size: [%s, %s]",
        "layers: [{kernel: 3}]\nassumed: {%s: %s}",
        "name: %s\nlayers: [{kernel: 3}]",
        "%s: 1\nlayers: [{kernel: 3}]",
    ],
)
def test_odd_scalars_in_a_network_are_taken_or_refused_in_one_line(tmp_path, scalar, text):
    path = tmp_path / "x.yaml"
    path.write_text(text.replace("%s", scalar))
    with suppress(InputError):
        net = Network.from_file(path)
        assert Network.from_dict(net.to_dict()) == net


def test_names_that_yaml_takes_for_something_else_are_to_be_quoted(tmp_path):
    path = tmp_path / "x.yaml"
    for scalar in ("no", "017", "12:30:45", "1.5", "2001-01-01"):
        path.write_text(f"layers: [{{name: {scalar}, kernel: 3}}]")
        with pytest.raises(InputError, match="it must be a string, so put it in quotes"):
            Network.from_file(path)
        path.write_text(f"layers: [{{name: '{scalar}', kernel: 3}}]")
        assert Network.from_file(path).layers[0].name == scalar


def test_a_long_file_is_read_without_a_tree_of_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml, "load", None)
    layers = [{"name": f"l{i}", "kernel": 3, "dilation": [1, 2]} for i in range(2000)]
    (tmp_path / "x.yaml").write_text(yaml.dump({"layers": layers}, default_flow_style=None))
    assert read_mapping(tmp_path / "x.yaml") == {"layers": layers}


def test_a_folder_that_cannot_be_replaced_stays(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "old").touch()
    with pytest.raises(FileNotFoundError), atomically(tmp_path / "store"):
        pass  # nothing was made
    assert [path.name for path in tmp_path.rglob("*")] == ["store", "old"]
