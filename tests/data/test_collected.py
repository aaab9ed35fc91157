"""A folder that `brainseg collect` made, beside or instead of the public download."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from brainseg.data.collected import read_collected
from brainseg.data.raw import TREE, read_patient
from brainseg.errors import DataError
from tests.data.downloads import A, B, folder, run


def record(root: Path, *patients: str) -> None:
    content = {"brainseg": "0", "patients": {patient: {"mask": "corrected"} for patient in patients}}
    (root / "collected.json").write_text(json.dumps(content))


def correct(root: Path, patient: str) -> None:
    for path in (root / TREE / patient).glob("*_mask.tif"):
        tifffile.imwrite(path, np.full_like(tifffile.imread(path), 255))


def test_a_published_patient_with_a_mask_of_ones_own(published: Path, tmp_path: Path):
    correct(published, A)
    with pytest.raises(DataError, match="not what was published"):
        run(folder(published), tmp_path)
    record(published, A)
    summary = run(folder(published), tmp_path)
    assert summary["patients"] == 3
    assert not summary["whole"]
    raw = tmp_path / "data" / "raw"
    assert read_patient(raw / TREE / A).masks.all()
    assert read_collected(raw / TREE) == {A}


def test_the_others_are_held_against_the_manifest_as_ever(published: Path, tmp_path: Path):
    record(published, A)
    correct(published, B)
    with pytest.raises(DataError, match="not what was published"):
        run(folder(published), tmp_path)


def test_a_damaged_record_is_named(published: Path):
    (published / "collected.json").write_text("[]")
    with pytest.raises(DataError, match="no record of brainseg collect"):
        read_collected(published / TREE)
