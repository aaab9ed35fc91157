import errno
import os
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from brainseg.data import archives, kaggle
from brainseg.data.sources import DownloadParams, fetch
from brainseg.errors import DataError, DatasetError, ParamsError, UserError
from brainseg.params import validate

A, B, C = "TCGA_AA_0001_19990101", "TCGA_AA_0002_19990102", "TCGA_BB_0003_19990103"
WHOLE = {"patients": 3, "slices": 9, "verified": 14, "unknown": 4, "whole": True}


def folder(path: Path) -> DownloadParams:
    return DownloadParams(source="folder", path=str(path))


def run(params: DownloadParams, tmp_path: Path) -> dict[str, Any]:
    return fetch(params, 0, tmp_path / "data" / "raw", tmp_path / "cache")


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def zipped(root: Path, archive: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in contents(root).items():
            packed.writestr(prefix + name, content)
    return archive


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
    summary = run(DownloadParams(source="archive", path=str(archive)), tmp_path)
    assert summary == {"source": "archive"} | WHOLE
    assert contents(tmp_path / "data" / "raw") == contents(published)


def test_path_is_relative_to_the_working_directory(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(published)
    assert run(DownloadParams(source="folder", path="kaggle_3m"), tmp_path)["patients"] == 3


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
def test_a_broken_download_is_refused_and_the_old_tree_stays(published: Path, tmp_path: Path, source: str):
    run(folder(published), tmp_path)
    before = contents(tmp_path / "data")
    (published / "kaggle_3m" / A / f"{A}_3.tif").unlink()
    (published / "kaggle_3m" / B / f"{B}_1.tif").write_bytes(b"II*\0")
    path = published if source == "folder" else zipped(published, tmp_path / "a.zip")
    with pytest.raises(DatasetError, match="get another copy") as caught:
        run(DownloadParams(source=source, path=str(path)), tmp_path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [A, B]
    assert contents(tmp_path / "data") == before


def test_leftovers_of_a_killed_run_are_removed(published: Path, tmp_path: Path):
    data = tmp_path / "data"
    (data / ".raw.a1b2c3_z" / "kaggle_3m" / A).mkdir(parents=True)
    (data / ".raw.a1b2c3_z" / "kaggle_3m" / A / f"{A}_1.tif").write_bytes(b"half")
    (data / ".raw.keep-this").mkdir()
    run(folder(published), tmp_path)
    assert sorted(path.name for path in data.iterdir()) == [".raw.keep-this", "raw"]
    assert contents(data / "raw") == contents(published)


def test_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    params = validate(
        {"source": "phantom", "phantom": {"patients": 2, "slices": 4, "size": 64}}, DownloadParams, "download"
    )
    summary = run(params, tmp_path)
    assert (summary["source"], summary["patients"], summary["verified"], summary["whole"]) == (
        "phantom",
        2,
        0,
        False,
    )
    assert summary["unknown"] == 2 * summary["slices"] == len(list((tmp_path / "data").rglob("*.tif")))
    first = contents(tmp_path / "data" / "raw")
    run(params, tmp_path)
    assert contents(tmp_path / "data" / "raw") == first


class FakeKaggle:
    """Stands for kagglehub.dataset_download: raises the given errors in turn, then gives a folder."""

    def __init__(self, *answers: Exception | Path):
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, handle: str) -> str:
        self.asked.append((handle, os.environ["KAGGLEHUB_CACHE"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FakeKaggle, list[float]]]:
    def install(*answers: Exception | Path) -> tuple[FakeKaggle, list[float]]:
        fake, waits = FakeKaggle(*answers), []
        package = types.ModuleType("kagglehub")
        package.dataset_download = fake  # type: ignore[attr-defined]
        errors = types.ModuleType("kagglehub.exceptions")
        for name in ("BackendError", "DataCorruptionError"):
            setattr(errors, name, type(name, (Exception,), {}))
        monkeypatch.setitem(sys.modules, "kagglehub", package)
        monkeypatch.setitem(sys.modules, "kagglehub.exceptions", errors)
        monkeypatch.setattr(kaggle.time, "sleep", waits.append)
        monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
        return fake, waits

    return install


KAGGLE = DownloadParams(source="kaggle")
Install = Callable[..., tuple[FakeKaggle, list[float]]]


def test_kaggle_fails_then_succeeds(published: Path, tmp_path: Path, install: Install):
    fake, waits = install(requests.ConnectionError("no route"), requests.Timeout("slow"), published)
    assert run(KAGGLE, tmp_path) == {"source": "kaggle"} | WHOLE
    assert fake.asked == [("mateuszbuda/lgg-mri-segmentation/versions/2", str(tmp_path / "cache"))] * 3
    assert waits == [2, 4]
    assert "KAGGLEHUB_CACHE" not in os.environ
    assert contents(tmp_path / "data" / "raw") == contents(published)


def test_kaggle_without_network_names_the_ways_out(tmp_path: Path, install: Install):
    fake, waits = install(requests.ConnectionError("no route"))
    with pytest.raises(UserError, match=r"in 4 attempts \(ConnectionError: no route\).*download.source=archive"):
        run(KAGGLE, tmp_path)
    assert (len(fake.asked), waits) == (4, [2, 4, 8])
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (429, 4), (503, 4)])
def test_kaggle_is_asked_again_only_where_it_helps(tmp_path: Path, install: Install, status: int, attempts: int):
    response = requests.Response()
    response.status_code = status
    fake, _ = install(requests.HTTPError(f"{status}", response=response))
    with pytest.raises(UserError, match=f"HTTPError: {status}"):
        run(KAGGLE, tmp_path)
    assert len(fake.asked) == attempts


def test_kaggle_must_give_the_whole_dataset(published: Path, tmp_path: Path, install: Install):
    shutil.rmtree(published / "kaggle_3m" / C)
    install(published)
    with pytest.raises(DataError, match="2 patients and 7 slices, 3 with tumour, expected the 3 published"):
        run(KAGGLE, tmp_path)
    assert not list((tmp_path / "data").iterdir())


def test_kaggle_damaged_where_no_digest_is_known(published: Path, tmp_path: Path, install: Install):
    (published / "kaggle_3m" / C / f"{C}_2_mask.tif").write_bytes(b"II*")
    install(published)
    with pytest.raises(DataError, match="3 patients and 9 slices, 3 with tumour, expected the 3 published"):
        run(KAGGLE, tmp_path)


def test_kaggle_damaged_in_its_cache(
    published: Path, tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
):
    (published / "kaggle_3m" / A / f"{A}_3.tif").unlink()
    install(published)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "mine"))
    with pytest.raises(DatasetError, match=f"remove {tmp_path / 'mine'} and run download again"):
        run(KAGGLE, tmp_path)
    assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path / "mine")


def test_kaggle_archive_that_does_not_unpack(tmp_path: Path, install: Install):
    install(zipfile.BadZipFile("bad magic number"))
    with pytest.raises(DataError, match=f"does not unpack .*remove {tmp_path / 'cache'}"):
        run(KAGGLE, tmp_path)


def test_kagglehub_still_has_what_is_used():
    import inspect

    import kagglehub
    from kagglehub import exceptions
    from kagglehub.handle import parse_dataset_handle

    assert "handle" in inspect.signature(kagglehub.dataset_download).parameters
    assert issubclass(exceptions.BackendError, Exception)
    assert issubclass(exceptions.DataCorruptionError, Exception)
    handle = parse_dataset_handle(kaggle.HANDLE)
    assert (handle.owner, handle.dataset, handle.version) == ("mateuszbuda", "lgg-mri-segmentation", 2)


def _missing(root: Path) -> DownloadParams:
    return folder(root / "nowhere")


def _file_as_folder(root: Path) -> DownloadParams:
    return folder(root / "kaggle_3m" / "data.csv")


def _folder_as_archive(root: Path) -> DownloadParams:
    return DownloadParams(source="archive", path=str(root))


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
            {"source": "archive"},
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
