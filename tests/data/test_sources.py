import errno
import os
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brainseg.data import archives
from brainseg.data.sources import DownloadParams, fetch
from brainseg.errors import DataError, DatasetError, ParamsError, UserError
from brainseg.params import validate
from tests.data.downloads import WHOLE, A, B, contents, download_params, folder, run, zipped


@pytest.mark.parametrize("start", [".", "kaggle_3m", ".."])
def test_folder_is_the_tree_or_above_it(published: Path, tmp_path: Path, start: str):
    summary = run(folder(published / start), tmp_path)
    assert summary == {"source": "folder"} | WHOLE
    assert contents(tmp_path / "data" / "raw") == contents(published)


def test_folder_with_inner_copy_and_rubbish(published: Path, tmp_path: Path):
    before = contents(published)
    shutil.copytree(published / "kaggle_3m", published / "lgg-mri-segmentation" / "kaggle_3m")
    (published / "kaggle_3m" / ".DS_Store").write_text("x")
    (published / "kaggle_3m" / A / "Thumbs.db").write_text("x")
    run(folder(published), tmp_path)
    assert contents(tmp_path / "data" / "raw") == before


def test_the_original_is_copied_not_linked(published: Path, tmp_path: Path):
    run(folder(published), tmp_path)
    original = published / "kaggle_3m" / A / f"{A}_1.tif"
    before = original.read_bytes()
    copy = tmp_path / "data" / "raw" / "kaggle_3m" / A / f"{A}_1.tif"
    assert not copy.is_symlink()
    copy.write_bytes(b"changed")
    assert original.read_bytes() == before


def test_archive_equals_folder(published: Path, tmp_path: Path):
    archive = zipped(published, tmp_path / "download.zip", "lgg/")
    summary = run(download_params("archive", archive), tmp_path)
    assert summary == {"source": "archive"} | WHOLE
    assert contents(tmp_path / "data" / "raw") == contents(published)


def test_path_is_relative_to_the_working_directory(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(published)
    assert run(download_params("folder", "kaggle_3m"), tmp_path)["patients"] == 3


def test_a_subset_is_accepted_and_counted(published: Path, tmp_path: Path):
    shutil.rmtree(published / "kaggle_3m" / A)
    assert run(folder(published), tmp_path) == {
        "source": "folder",
        "patients": 2,
        "slices": 5,
        "verified": 6,
        "unknown": 4,
        "whole": False,
    }


def test_patients_of_ones_own_are_accepted_but_the_set_is_not_the_published_one(
    published: Path, tmp_path: Path, make_tree: Callable[..., Path]
):
    make_tree(tmp_path / "own", {"hospital_7": 5})
    shutil.copytree(tmp_path / "own" / "kaggle_3m" / "hospital_7", published / "kaggle_3m" / "hospital_7")
    summary = run(folder(published), tmp_path)
    assert (summary["patients"], summary["unknown"], summary["whole"]) == (4, 14, False)


@pytest.mark.parametrize("source", ["folder", "archive"])
def test_a_broken_download_is_refused_and_leaves_nothing(published: Path, tmp_path: Path, source: str):
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (published / "kaggle_3m" / A / f"{A}_3.tif").unlink()
    (published / "kaggle_3m" / B / f"{B}_1.tif").write_bytes(b"II*\0")
    path = published if source == "folder" else zipped(published, tmp_path / "a.zip")
    with pytest.raises(DatasetError, match="get another copy") as caught:
        run(download_params(source, path), tmp_path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [A, B]
    assert [path.name for path in (tmp_path / "data").rglob("*")] == ["raw"]


def test_a_folder_with_files_in_it_is_never_replaced(published: Path, tmp_path: Path):
    notes = tmp_path / "data" / "raw" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(UserError, match="raw is not empty, expected a new or an empty folder"):
        run(folder(published), tmp_path)
    assert contents(tmp_path / "data") == {"raw/notes.txt": b"mine"}


def test_leftovers_of_a_killed_run_are_removed(published: Path, tmp_path: Path):
    data = tmp_path / "data"
    left = data / ".brainseg-a1b2c3_z"
    left.mkdir(parents=True)
    (left / "brainseg.lock").write_bytes(b"A temporary folder of brainseg; it can go when no brainseg runs.\n")
    (left / "half.tif").write_bytes(b"half")
    (data / ".raw.keepthis").mkdir()
    (data / ".raw.keepthis" / "notes.txt").write_text("mine")
    run(folder(published), tmp_path)
    assert sorted(path.name for path in data.iterdir()) == [".raw.keepthis", "raw"]
    assert contents(data / "raw") == contents(published)


def test_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    few = {"source": "phantom", "path": None, "phantom": {"patients": 2, "slices": 4, "size": 64}}
    params = validate(few, DownloadParams, "download")
    summary = run(params, tmp_path)
    assert (summary["source"], summary["patients"], summary["verified"], summary["whole"]) == (
        "phantom",
        2,
        0,
        False,
    )
    assert summary["unknown"] == 2 * summary["slices"] == len(list((tmp_path / "data").rglob("*.tif")))
    first = contents(tmp_path / "data" / "raw")
    run(params, tmp_path / "again")
    assert contents(tmp_path / "again" / "data" / "raw") == first


def _missing(root: Path) -> DownloadParams:
    return folder(root / "nowhere")


def _file_as_folder(root: Path) -> DownloadParams:
    return folder(root / "kaggle_3m" / "data.csv")


def _folder_as_archive(root: Path) -> DownloadParams:
    return download_params("archive", root)


def _no_patients(root: Path) -> DownloadParams:
    shutil.rmtree(root / "kaggle_3m")
    return folder(root)


def _one_patient_folder(root: Path) -> DownloadParams:
    return folder(root / "kaggle_3m" / A)


def _empty_patient(root: Path) -> DownloadParams:
    (root / "kaggle_3m" / "TCGA_ZZ_0009_20000101").mkdir()
    return folder(root)


def _two_trees(root: Path) -> DownloadParams:
    for name in ("a", "b"):
        shutil.copytree(root / "kaggle_3m", root / name / "kaggle_3m")
    shutil.rmtree(root / "kaggle_3m")
    return folder(root)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (_missing, "nowhere does not exist in .*; put the folder there, or set"),
        (_file_as_folder, "data.csv is a file; set download.source=archive"),
        (_folder_as_archive, "is a folder; set download.source=folder"),
        (_no_patients, "holds no patients, expected kaggle_3m/<patient>"),
        (_one_patient_folder, "holds no patients, expected kaggle_3m/<patient>"),
        (_empty_patient, "TCGA_ZZ_0009_20000101 holds no <patient>_<slice>.tif; restore or remove"),
        (_two_trees, "holds .*a/kaggle_3m and .*b/kaggle_3m; set download.path to one"),
    ],
)
def test_bad_paths(published: Path, tmp_path: Path, prepare: Callable[[Path], DownloadParams], sentence: str):
    with pytest.raises(DataError, match=sentence):
        run(prepare(published), tmp_path)
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())


def test_the_source_is_not_what_download_replaces(published: Path):
    before = contents(published)
    with pytest.raises(DataError, match="which download replaces; move the data elsewhere"):
        fetch(folder(published), 0, published, published / "cache")
    assert contents(published) == before


def test_not_enough_space_is_said_before_copying(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=100))
    with pytest.raises(UserError, match="GB free; make room"):
        run(folder(published), tmp_path)
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, "disk of .* is full; make room"), (errno.EACCES, "Permission denied: ")],
)
def test_the_system_says_no(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
):
    def fail(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(UserError, match=sentence):
        run(folder(published), tmp_path)
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"source": "web"}, "download.source is 'web'"),
        (
            {"source": "archive", "path": None},
            "download.path is None: download.source=archive needs the path of the archive",
        ),
        ({"source": "folder", "path": ""}, "download.path is '': download.source=folder needs"),
        ({"source": "kaggle", "pth": "x"}, "unknown key download.pth, did you mean 'path'"),
        ({"source": "phantom", "phantom": {"patients": 0}}, "download.phantom.patients is 0"),
        ({}, "download.source is missing"),
    ],
)
def test_bad_parameters(raw: dict[str, Any], sentence: str):
    with pytest.raises(ParamsError, match=sentence):
        validate(raw, DownloadParams, "download")
