from __future__ import annotations

import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.scans.scan import check_values, fill_sequences, missing_warning


def test_missing_sequences_are_flair():
    flair, pre = np.full((1, 2, 2), 7), np.full((1, 2, 2), 3)
    filled = fill_sequences({"flair": flair, "pre": pre})
    assert filled[0, 0, 0].tolist() == [3, 7, 7]
    assert missing_warning(("pre", "flair", "post")) == []
    assert missing_warning(("pre", "flair")) == [
        "no post-contrast sequence: FLAIR is used instead, as in the training data"
    ]


@pytest.mark.parametrize("part", [2**20, 3])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([1.0, np.nan, 2, 3, 4, 5, np.inf]), "2 voxels that are NaN or infinite"),
        (np.full(9, 4), "the value 4 everywhere"),
        (np.array([0, 1, 1, 0, 2, 3] * 20), "a mask"),
        (np.array([0, 255]), "a mask"),
        (np.array(["a"]), "real numbers"),
        (np.array([]), "real numbers"),
    ],
)
def test_what_is_no_picture_is_refused(values, words, part, monkeypatch):
    monkeypatch.setattr("brainseg.scans.scan._PART", part)
    with pytest.raises(DataError, match=words) as error:
        check_values(values, "scan.nii")
    assert str(error.value).startswith("scan.nii ")


@pytest.mark.parametrize("part", [2**20, 3])
def test_a_picture_passes(part, monkeypatch):
    monkeypatch.setattr("brainseg.scans.scan._PART", part)
    check_values(np.arange(9.0), "scan.nii")
    check_values(np.r_[np.zeros(1000, int), np.arange(5)], "scan.nii")
