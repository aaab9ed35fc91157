"""Downloads by kagglehub, against a stand-in."""

from __future__ import annotations

import os
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from brainseg.data import kaggle
from brainseg.errors import DataError, DatasetError, UserError
from tests.data.downloads import WHOLE, A, C, contents, download_params, run


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


KAGGLE = download_params("kaggle")
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
