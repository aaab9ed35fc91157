"""True masks that the user names: found by the case's name, laid on the scan's grid, and told in the result."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations

from brainseg.cohort.truth import find_truths
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.files import sha256
from tests.cohort.fakes import predict
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, head, write_tifs

FLAIR, TUMOUR = head()
BRIGHT = FLAIR.mean() < FLAIR


def save(path: Path, values, way: str = "") -> Path:
    """As NIfTI, stored along other axes where a way is given."""
    image = as_nifti(values)
    if way:
        turn = orientations.ornt_transform(orientations.io_orientation(image.affine), orientations.axcodes2ornt(way))
        image = image.as_reoriented(turn)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("way", ["", "SAR"])
def test_the_score_is_that_of_the_mask_whatever_way_it_is_stored(tmp_path, way):
    scan = save(tmp_path / "in" / "a.nii.gz", FLAIR)
    truth = save(tmp_path / "truth.nii.gz", TUMOUR.astype(np.uint8), way)
    outcome = predict([scan], tmp_path / "out", truth=truth)["a"]
    score = json.loads((tmp_path / "out" / "a.json").read_text())["score"]
    assert outcome.report["score"]["dice"] == pytest.approx(overlap(TUMOUR, BRIGHT).dice, abs=1e-6)
    assert (score["truth"], score["truth_sha256"]) == (str(truth), sha256(truth))
    assert score["trained_on"] is False


def test_dicom_is_scored_by_a_nifti_file(tmp_path):
    series = tmp_path / "in" / "study"
    write_series(series, FLAIR, "FLAIR", PixelSpacing=[1.875, 1.875], SliceThickness=5.0)
    truth = save(tmp_path / "truth.nii.gz", TUMOUR.astype(np.uint8))
    made = predict([series], tmp_path / "first")["study"]
    assert made.status == "done"
    grid = nib.load(tmp_path / "first" / "study_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(grid.dataobj), grid.affine), truth)
    assert predict([series], tmp_path / "out", truth=truth)["study"].report["score"]["dice"] == 1


def test_what_was_scored_stays_so_until_the_truth_changes(tmp_path):
    scan = save(tmp_path / "in" / "a.nii.gz", FLAIR)
    truth = save(tmp_path / "truth.nii.gz", TUMOUR.astype(np.uint8))
    out = tmp_path / "out"
    assert predict([scan], out, truth=truth)["a"].status == "done"
    assert predict([scan], out)["a"].status == "skipped"
    assert predict([scan], out, truth=truth)["a"].status == "skipped"
    save(truth, BRIGHT.astype(np.uint8))
    assert predict([scan], out, truth=truth)["a"].report["score"]["dice"] == 1


def test_a_mask_from_elsewhere_fails_alone(tmp_path):
    scans = [save(tmp_path / "in" / f"{name}.nii.gz", FLAIR) for name in "ab"]
    save(tmp_path / "truth" / "a_seg.nii.gz", TUMOUR.astype(np.uint8))
    save(tmp_path / "truth" / "b_seg.nii.gz", TUMOUR[1:].astype(np.uint8))
    outcomes = predict(scans, tmp_path / "out", truth=tmp_path / "truth")
    assert (outcomes["a"].status, outcomes["b"].status) == ("done", "failed")
    assert "does not lie on the grid of its scan" in outcomes["b"].error
    assert not (tmp_path / "out" / "b.json").exists()


def test_a_folder_of_truths_is_searched_once_for_all_cases(tmp_path):
    scans = [save(tmp_path / "in" / f"{name}.nii.gz", FLAIR) for name in "ab"]
    for name in "ab":
        save(tmp_path / "truth" / f"{name}.nii.gz", TUMOUR.astype(np.uint8))
    with mock.patch("brainseg.cohort.predict.find_truths", wraps=find_truths) as search:
        outcomes = predict(scans, tmp_path / "out", truth=tmp_path / "truth")
    assert [outcomes[name].report["score"]["truth"] for name in "ab"] == [
        str(tmp_path / "truth" / f"{name}.nii.gz") for name in "ab"
    ]
    search.assert_called_once()


def test_tif_slices_have_theirs_beside_them(tmp_path):
    folder = write_tifs(tmp_path / "in" / "case", FLAIR, TUMOUR)
    truth = save(tmp_path / "truth.nii.gz", TUMOUR.astype(np.uint8))
    assert "say --score" in predict([folder], tmp_path / "out", truth=truth)["case"].error


def test_masks_are_found_by_the_cases_name(tmp_path):
    for name in ("a/a-seg.nii.gz", "b_mask.nii", "a/a-t1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_truths(tmp_path, ["a", "b"]) == {"a": tmp_path / "a/a-seg.nii.gz", "b": tmp_path / "b_mask.nii"}
    with pytest.raises(DataError, match=r"no mask of 1 of 2 cases \(c\)"):
        find_truths(tmp_path, ["a", "c"])
    with pytest.raises(DataError, match="one mask, and there are 2 cases"):
        find_truths(tmp_path / "b_mask.nii", ["a", "c"])
    with pytest.raises(DataError, match="does not exist"):
        find_truths(tmp_path / "none", ["a"])
    (tmp_path / "a.nii.gz").touch()
    with pytest.raises(DataError, match="are both named after a"):
        find_truths(tmp_path, ["a"])
