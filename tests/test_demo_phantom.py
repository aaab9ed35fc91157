"""`python -m demo.phantom`: files that `brainseg predict` reads as the patient that they were made from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.errors import UserError
from brainseg.scans.cases import find_cases
from demo.phantom import write_patient


def test_the_files_are_read_as_the_patient_that_they_were_made_from(tmp_path):
    write_patient(tmp_path / "phantom", index=1, seed=3, slices=10)
    patient = make_patient(1, PhantomParams(patients=2, slices=10, size=256), seed=3)
    named = {name: tmp_path / "phantom" / f"{name}.nii.gz" for name in ("flair", "pre", "post")}
    (case,) = find_cases([], named)
    scan = case.read()
    np.testing.assert_array_equal(scan.images, patient.images)
    assert scan.spacing == pytest.approx((150 / len(patient), 240 / 256, 240 / 256))
    truth = nib.load(tmp_path / "phantom" / "truth.nii.gz")
    assert nib.aff2axcodes(truth.affine) == ("L", "P", "S")
    np.testing.assert_array_equal(np.asarray(truth.dataobj).T.astype(bool), patient.masks)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        write_patient(tmp_path, slices=6)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
