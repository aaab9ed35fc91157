from __future__ import annotations

import pytest

from brainseg.errors import DataError
from brainseg.scans.cases import find_cases
from brainseg.scans.layouts.table import read_table
from tests.scans.dicom_files import STACK, write_series
from tests.scans.heads import write_tifs


@pytest.fixture
def folder(tmp_path):
    for name in ("a.nii.gz", "b.nii", "c.nii"):
        (tmp_path / name).touch()
    write_series(tmp_path / "dicom", STACK[:2], "FLAIR")
    write_tifs(tmp_path / "tifs", STACK[:2])
    return tmp_path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_names_the_sequences_of_cases(folder, separator):
    rows = [
        ("case", "age", "flair", "pre", "post"),
        ("P1", "40", "a.nii.gz", "b.nii", ""),
        ("P2", "", str(folder / "c.nii")),
    ]
    rows += [("", "", "", "", ""), ("P3", "", "dicom"), ("P4", "", "tifs")]
    (folder / "cases.csv").write_text("\ufeff" + "\r\n".join(separator.join(row) for row in rows))
    cases = find_cases([], table=folder / "cases.csv")
    assert [(case.name, case.kind) for case in cases] == [
        ("P1", "nifti"), ("P2", "nifti"), ("P3", "dicom"), ("P4", "tif"),
    ]  # fmt: skip
    assert cases[0].paths == {"flair": folder / "a.nii.gz", "pre": folder / "b.nii"}
    assert cases[2].paths == {"flair": folder / "dicom"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has the columns none and no case"),
        ("case,pre\nP1,a.nii.gz", "has the columns case, pre and no flair; expected case, flair, pre, post"),
        ("case,flair\n", "has no rows"),
        (
            "case,flair,pre\nP1,,\n,a.nii.gz,\nP2,none.nii,\nP3,a.nii.gz,dicom\n",
            r"4 rows .*:\n.*line 2 has no flair\n.* 3 has no case\n.* 4: .*none.nii does not exist\n.* 5: .*expected",
        ),
        ("case,flair\nP1,cases.csv", "line 2: .*cases.csv: expected NIfTI files, or DICOM folders"),
        ('case,flair\n"P1,a.nii.gz', "cannot be read as a table"),
        ("case,flair\nP1,a.nii.gz\nP1,b.nii", "are both called 'P1'"),
        ("case,flair\nx/P1,a.nii.gz", "which is a path"),
    ],
)
def test_a_table_that_names_no_scans_is_refused_whole(folder, text, words):
    (folder / "cases.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        find_cases([], table=folder / "cases.csv")


def test_what_is_no_table(folder):
    with pytest.raises(DataError, match="does not exist, expected a CSV with the columns case, flair, pre, post"):
        read_table(folder / "none.csv")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(next((folder / "dicom").iterdir()))
    (folder / "cases.csv").write_text("case,flair\nP1,a.nii.gz")
    with pytest.raises(DataError, match=r"cases.csv is no scan; .*a table of cases is named with --cases"):
        find_cases([folder / "cases.csv"])
    with pytest.raises(DataError, match="--cases names the scans"):
        find_cases([], {"flair": folder / "a.nii.gz"}, table=folder / "cases.csv")
