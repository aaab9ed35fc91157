import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.files import atomic_folder, atomic_path, sha256, write_csv, write_json


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half{1 / 0}")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_atomic_folder_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale").write_text("")
    with atomic_folder(target) as folder:
        (folder / "new").write_text("1")
    assert [p.name for p in target.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_json_is_finite_and_plain(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    write_json(path, {"n": np.int64(3), "ok": np.bool_(True), "mean": np.float32(0.5), "list": [1, 0.12345678]})
    assert json.loads(path.read_text()) == {"n": 3, "ok": True, "mean": 0.5, "list": [1, 0.123457]}
    for bad in (float("nan"), float("inf"), np.float64("nan")):
        with pytest.raises(ValueError, match=r"m\.json\.dice is (nan|inf), expected a finite number"):
            write_json(path, {"dice": bad})
    assert json.loads(path.read_text())["n"] == 3


def test_csv_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv(path, pd.DataFrame({"a": [1, 2], "b": [1 / 3, 2.0]}))
    assert path.read_bytes() == b"a,b\n1,0.333333\n2,2\n"


def test_sha256_of_the_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.touch()
    assert sha256(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
