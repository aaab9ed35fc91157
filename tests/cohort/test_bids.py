"""Results of a BIDS dataset: a derivative that the validator of BIDS takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainseg.errors import DataError
from tests.cohort.fakes import predict
from tests.cohort.files import NIFTI, snapshot
from tests.scans.heads import as_nifti

STACK = np.random.default_rng(5).integers(0, 256, (4, 24, 24), np.uint8)
IMAGES = (
    "sub-01/anat/sub-01_FLAIR",
    "sub-01/anat/sub-01_T1w",
    "sub-02/ses-1/anat/sub-02_ses-1_run-1_FLAIR",
    "sub-02/ses-1/anat/sub-02_ses-1_run-2_FLAIR",
    "sub-02/ses-2/anat/sub-02_ses-2_FLAIR",
    "sub-03/anat/sub-03_T1w",
)
VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture
def dataset(tmp_path) -> Path:
    root = tmp_path / "bids"
    for image in IMAGES:
        path = root / f"{image}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(as_nifti(STACK, (12.0, 6.0, 6.0)), path)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    return root


def errors(root: Path) -> list[str]:
    """What the validator holds against a dataset."""
    validator = shutil.which("bids-validator-deno", path=str(VALIDATOR.parent)) or shutil.which("bids-validator-deno")
    assert validator is not None, "bids-validator-deno, of the extra references, is not installed"
    done = subprocess.run([validator, "--format", "json", root], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [f"{issue['code']} {issue.get('location')}" for issue in issues if issue["severity"] == "error"]


def test_the_results_are_a_derivative(dataset, tmp_path):
    before = snapshot(dataset)
    out = dataset / "derivatives" / "brainseg"
    outcomes = predict([dataset], out, probability=True)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "sub-01": "done",
        "sub-02_ses-1_run-1": "done",
        "sub-02_ses-1_run-2": "done",
        "sub-02_ses-2": "done",
        "sub-03": "failed",
    }
    assert "has no *_FLAIR.nii.gz" in outcomes["sub-03"].error
    for name, folder in (("sub-01", "sub-01/anat"), ("sub-02_ses-1_run-1", "sub-02/ses-1/anat")):
        for end in ("mask", "probseg"):
            image = nib.load(out / folder / f"{name}_label-tumor_{end}.nii.gz")
            said = json.loads((out / folder / f"{name}_label-tumor_{end}.json").read_text())
            assert said["SpatialReference"] == said["Sources"][0] == f"bids:raw:{folder}/{name}_FLAIR.nii.gz"
            np.testing.assert_array_equal(image.affine, as_nifti(STACK, (12.0, 6.0, 6.0)).affine)
    assert len(json.loads((out / "sub-01/anat/sub-01_label-tumor_mask.json").read_text())["Sources"]) == 2
    names, values = (out / "sub-01/anat/sub-01_label-tumor_stats.tsv").read_text().splitlines()
    stats, report = dict(zip(names.split("\t"), values.split("\t"), strict=True)), outcomes["sub-01"].report
    assert float(stats["volume_ml"]) == pytest.approx(report["tumour"]["volume_ml"], rel=1e-5)
    assert float(stats["rano_product_mm2"]) == pytest.approx(report["tumour"]["rano"]["product_mm2"], rel=1e-5)
    assert (stats["voxels"], stats["side"]) == (str(report["tumour"]["voxels"]), "both")
    described = json.loads((out / "dataset_description.json").read_text())
    assert (described["DatasetType"], described["DatasetLinks"]) == ("derivative", {"raw": "../.."})
    assert described["GeneratedBy"][0]["Name"] == "brainseg"
    assert {
        path: content for path, content in snapshot(dataset).items() if not path.startswith("derivatives")
    } == before
    assert errors(out) == []
    written = snapshot(out)
    assert predict([dataset / "sub-02"], out, probability=True)["sub-02_ses-2"].status == "skipped"
    assert {path for path, content in snapshot(out).items() if written.get(path) != content} == {
        "summary.csv",
        ".summary.json",
    }


def test_the_validator_sees_what_is_wrong(dataset, tmp_path):
    predict([dataset], tmp_path / "out")
    assert errors(tmp_path / "out") == []
    (tmp_path / "out" / "sub-01" / "anat" / "sub-01_tumour.nii.gz").write_bytes(NIFTI)
    assert any("sub-01_tumour" in error for error in errors(tmp_path / "out"))


def test_a_derivative_is_of_one_dataset_and_nothing_else(dataset, tmp_path):
    out = tmp_path / "out"
    predict([dataset / "sub-01"], out)
    before = snapshot(out)
    shutil.copytree(dataset / "sub-02", tmp_path / "other" / "sub-02")
    with pytest.raises(DataError, match=r"out holds the results of another dataset, .*bids; choose another --out"):
        predict([tmp_path / "other"], out)
    with pytest.raises(DataError, match="are two BIDS datasets, and --out is a derivative of one"):
        predict([dataset / "sub-01", tmp_path / "other"], out)
    with pytest.raises(DataError, match="the input is a BIDS dataset and other scans"):
        predict([dataset / "sub-01", dataset / "sub-02" / "ses-2" / "anat" / "sub-02_ses-2_FLAIR.nii.gz"], out)
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "file",
    [
        "dataset_description.json",
        "README.md",
        "sub-01/anat/sub-01_label-tumor_mask.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_run-1_label-tumor_mask.json",
        "sub-02",
    ],
)
def test_what_is_in_the_way_ends_the_run_before_any_work(dataset, tmp_path, file):
    path = tmp_path / "out" / file
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = snapshot(tmp_path / "out")
    with pytest.raises(DataError, match="is in the way"):
        predict([dataset], tmp_path / "out")
    assert snapshot(tmp_path / "out") == before


def test_files_of_others_beside_the_masks_stay(dataset, tmp_path):
    mine = tmp_path / "out" / "sub-01" / "anat" / "sub-01_desc-mine_mask.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(NIFTI)
    assert predict([dataset], tmp_path / "out")["sub-01"].status == "done"
    assert mine.read_bytes() == NIFTI


def test_a_folder_that_is_a_link_is_in_the_way(dataset, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "sub-01").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="sub-01 is in the way"):
        predict([dataset], tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
