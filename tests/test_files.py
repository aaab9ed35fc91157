import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.errors import UserError
from brainseg.files import atomic_folder, atomic_path, place, sha256, temporary_folder, write_csv, write_json


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half{1 / 0}")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_atomic_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as folder:
        (folder / "half").write_text(f"half{1 / 0}")
    assert list(tmp_path.iterdir()) == []
    target.mkdir()
    with atomic_folder(target) as folder:
        (folder / "new").write_text("1")
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_atomic_folder_removes_nothing_of_the_users(tmp_path: Path) -> None:
    _notes(tmp_path / "before")
    for name in ("before", "between"):
        with pytest.raises(UserError, match="is not empty, expected a new"), atomic_folder(tmp_path / name):
            _notes(tmp_path / name)
        assert [(p.name, p.read_text()) for p in (tmp_path / name).iterdir()] == [("notes", "mine")]
    (tmp_path / "link").symlink_to(tmp_path / "before")
    with pytest.raises(UserError, match="link is in the way"), atomic_folder(tmp_path / "link"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["before", "between", "link"]


def _notes(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes").write_text("mine")


def test_what_a_dead_process_left_goes_and_nothing_else(tmp_path: Path) -> None:
    stranger = tmp_path / ".brainseg-mine"
    stranger.mkdir()
    (stranger / "brainseg.lock").write_text("")
    (stranger / "notes").write_text("mine")
    code = (
        "import os, pathlib; from brainseg.files import temporary_folder\n"
        f"with temporary_folder(pathlib.Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'half').write_text(''); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 2
    with temporary_folder(tmp_path) as living:
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([stranger.name, living.parent.name])
        with temporary_folder(tmp_path) as other:
            assert living.is_dir()
            assert other.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == [stranger.name]
    assert (stranger / "notes").read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_place_never_overwrites(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:  # as on file systems without hard links

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    new, taken, dangling = tmp_path / "new", tmp_path / "taken", tmp_path / "dangling"
    new.write_text("new")
    taken.write_text("old")
    dangling.symlink_to("nowhere")
    for target in (taken, dangling):
        with pytest.raises(FileExistsError, match=target.name):
            place(new, target)
    place(new, tmp_path / "free")
    assert {p.name for p in tmp_path.iterdir()} == {"taken", "dangling", "free"}
    assert (taken.read_text(), (tmp_path / "free").read_text()) == ("old", "new")


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
