"""Whether the folder of the data is still what the raw tree was made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from brainseg.data.changed import changed_since
from tests.data.downloads import download_params, folder

A, B = "TCGA_AA_0001_19990101", "TCGA_BB_0002_19990102"


@pytest.fixture
def both(tmp_path: Path, make_tree) -> tuple[Path, Path]:
    """The folder, and the raw tree that is a copy of it."""
    source = make_tree(tmp_path / "external", {A: 2, B: 1})
    shutil.copytree(source, tmp_path / "raw")
    return source, tmp_path / "raw"


def test_a_copy_is_the_same_whatever_its_times_and_whatever_else_lies_there(both):
    source, raw = both
    for path in (source / "kaggle_3m" / "notes.txt", source / "kaggle_3m" / A / ".DS_Store", source / "other.tif"):
        path.touch()
    assert changed_since(folder(source), raw) == ""
    assert changed_since(folder(source / "kaggle_3m"), raw) == ""


def test_what_is_new_gone_or_of_another_size_is_counted(both):
    source, raw = both
    shutil.copytree(source / "kaggle_3m" / A, source / "kaggle_3m" / "C")
    shutil.rmtree(source / "kaggle_3m" / B)
    (source / "kaggle_3m" / A / f"{A}_1.tif").write_bytes(b"")
    said = changed_since(folder(source), raw)
    assert said.startswith(f"{source} has changed since {raw} was made of it")
    assert "(slices: 4 are new, 2 are gone, 1 have another size; the first is C/" in said
    assert "dvc repro --single-item --force download" in said


def test_a_clone_or_an_experiment_has_only_one_of_them(both, tmp_path):
    source, raw = both
    assert changed_since(folder(tmp_path / "none"), raw) == ""
    assert changed_since(folder(source), tmp_path / "none") == ""
    shutil.rmtree(source / "kaggle_3m")
    assert changed_since(folder(source), raw) == ""


@pytest.mark.parametrize("source", ["phantom", "kaggle", "archive"])
def test_other_sources_are_not_compared(both, source):
    assert changed_since(download_params(source, both[0]), both[1]) == ""
