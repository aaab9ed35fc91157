"""`brainseg shape`: masks of any origin to one table."""

import io
import json
from inspect import signature
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from brainseg.cli import app
from brainseg.cohort.records import sealed
from brainseg.commands.masks import shape
from brainseg.params import shipped
from tests.cohort.fakes import predict
from tests.scans.heads import SPACING, as_nifti, head, write_tifs

FLAIR, TUMOUR = head()


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["shape", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_file_and_a_folder_are_rows_of_one_table(tmp_path: Path):
    nib.save(as_nifti(TUMOUR.astype(np.uint8)), tmp_path / "mask.nii.gz")
    folder = write_tifs(tmp_path / "case", TUMOUR.astype(np.uint8) * 255)
    thickness = SPACING[0] / SPACING[1]
    status, printed, _ = run(tmp_path / "mask.nii.gz", folder, "--thickness", thickness)
    assert status == 0
    table = pd.read_csv(io.StringIO(printed))
    assert table["mask"].tolist() == [str(tmp_path / "mask.nii.gz"), str(folder)]
    assert table["unit"].tolist() == ["mm", "px"]
    assert table["volume"][0] == pytest.approx(TUMOUR.sum() * np.prod(SPACING), rel=1e-4)
    assert table["volume"][1] == pytest.approx(TUMOUR.sum() * thickness, rel=1e-4)
    for feature in ("asd", "bevr", "mf", "components", "slices", "z", "y", "x"):  # the unit does not matter
        assert table[feature][0] == pytest.approx(table[feature][1], rel=1e-3)

    status, said, _ = run(folder, "--out", tmp_path / "shape.csv", "--ibsi")
    assert (status, said) == (0, f"1 mask: {tmp_path / 'shape.csv'}\n")
    assert pd.read_csv(tmp_path / "shape.csv")["ibsi_sphericity"].between(0.3, 1).all()


def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path: Path):
    nib.save(as_nifti(FLAIR), tmp_path / "flair.nii.gz")
    nib.save(as_nifti(np.zeros(TUMOUR.shape, np.uint8)), tmp_path / "empty.nii.gz")
    nib.save(as_nifti(np.where(TUMOUR, np.nan, 0).astype(np.float32)), tmp_path / "nan.nii.gz")
    for path, words in (
        (tmp_path / "none.nii.gz", "does not exist"),
        (tmp_path / "flair.nii.gz", "that is a picture"),
        (tmp_path / "nan.nii.gz", f"holds {TUMOUR.sum()} values that are NaN or infinite"),
        (tmp_path / "empty.nii.gz", "is empty: there is no tumour to measure"),
    ):
        status, printed, said = run(path, "--out", tmp_path / "shape.csv")
        assert (status, printed, said.count("\n")) == (2, "", 1)
        assert said.startswith("error: ")
        assert words in said
    assert not (tmp_path / "shape.csv").exists()


def test_a_table_that_is_there_is_replaced_only_where_that_is_said(tmp_path: Path):
    nib.save(as_nifti(TUMOUR.astype(np.uint8)), tmp_path / "mask.nii.gz")
    table = tmp_path / "shape.csv"
    table.write_text("mine")
    status, printed, said = run(tmp_path / "mask.nii.gz", "--out", table)
    assert (status, printed) == (2, "")
    assert said == f"error: --out {table} is there already; choose another name, or say --replace.\n"
    assert table.read_text() == "mine"
    assert run(tmp_path / "mask.nii.gz", "--out", table, "--replace")[0] == 0
    assert len(pd.read_csv(table)) == 1


def test_an_input_is_not_an_output(tmp_path: Path):
    mask = tmp_path / "mask.nii.gz"
    nib.save(as_nifti(TUMOUR.astype(np.uint8)), mask)
    before = mask.read_bytes()
    for out, words in ((mask, "is no .csv file"), (tmp_path, "is a folder"), (tmp_path / "no" / "s.csv", "not exist")):
        status, printed, said = run(mask, "--out", out)
        assert (status, printed) == (2, "")
        assert words in said
    assert mask.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.nii.gz"]


def test_the_thickness_that_is_assumed_is_the_shipped_one():
    assert signature(shape).parameters["thickness"].default == shipped()["radiogenomics"]["thickness"]


def test_the_largest_slice_has_the_number_of_its_file(tmp_path: Path):
    at = int(TUMOUR.sum((1, 2)).argmax())
    nib.save(as_nifti(TUMOUR.astype(np.uint8)), tmp_path / "mask.nii.gz")
    folder = write_tifs(tmp_path / "case", TUMOUR.astype(np.uint8) * 255)
    table = pd.read_csv(io.StringIO(run(tmp_path / "mask.nii.gz", folder)[1]))
    assert table["largest_slice"].tolist() == [at, at + 1]  # NIfTI counts from 0, the dataset's TIF files from 1


def test_a_folder_that_predict_wrote_stands_for_its_masks(tmp_path: Path):
    scans = tmp_path / "in"
    scans.mkdir()
    nib.save(as_nifti(FLAIR), scans / "b.nii.gz")
    folder = write_tifs(scans / "c", FLAIR)
    tifffile.imwrite(tmp_path / "d.tif", FLAIR)
    predict([scans / "b.nii.gz", folder, tmp_path / "d.tif"], tmp_path / "out", probability=True)
    status, printed, _ = run(tmp_path / "out")
    assert status == 0
    masks = pd.read_csv(io.StringIO(printed))["mask"].tolist()
    assert masks == [str(tmp_path / "out" / name) for name in ("b_mask.nii.gz", "c", "d_mask.tif")]

    record = json.loads((tmp_path / "out" / "b.json").read_text())
    record["tumour"]["voxels"] = 0
    (tmp_path / "out" / "b.json").write_text(sealed(record))
    status, printed, said = run(tmp_path / "out")
    assert (status, said) == (0, "left out, since predict found no tumour: b\n")
    assert pd.read_csv(io.StringIO(printed))["mask"].tolist() == masks[1:]
