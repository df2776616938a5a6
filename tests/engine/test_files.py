"""Files that are read may be anything."""

from __future__ import annotations

from rfscale.engine.files import read_mapping


def test_merge_keys_that_double_at_each_level_end(tmp_path):
    levels = ["m0: &m0 {a: 1}"] + [f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], b{i}: {i}}}" for i in range(1, 40)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(levels))
    assert len(read_mapping(path)["m39"]) == 40
