"""What `brainseg.segment` is given by name, and what is to be done with it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.scans.case import N4, REGISTER, Case
from brainseg.segmentation.given import scan_of
from tests.scans.heads import as_nifti, head

FLAIR, _ = head()
PRE, POST = FLAIR // 2, 255 - FLAIR


@pytest.fixture
def paths(tmp_path):
    stacks = {"flair": FLAIR, "pre": PRE, "post": POST}
    for name, stack in stacks.items():
        nib.save(as_nifti(stack), tmp_path / f"{name}.nii.gz")
    return {name: tmp_path / f"{name}.nii.gz" for name in stacks}


def test_sequences_by_name_are_the_channels(paths):
    scan = scan_of(paths, None, trust=True)
    np.testing.assert_array_equal(scan.images, np.stack([PRE, FLAIR, POST], -1))
    scan = scan_of({"flair": str(paths["flair"]), "post": paths["post"]}, None, trust=True)
    np.testing.assert_array_equal(scan.images, np.stack([FLAIR, FLAIR, POST], -1))
    assert scan.given == ("flair", "post")


def test_other_names_and_changes_of_an_array_are_refused(paths):
    with pytest.raises(DataError, match="the volume has t2, expected paths under flair, pre and post"):
        scan_of(paths | {"t2": paths["pre"]}, None, trust=False)
    with pytest.raises(DataError, match="go with one FLAIR"):
        scan_of({"pre": paths["pre"]}, None, trust=False)
    with pytest.raises(DataError, match="register and n4 change scans as they are read; give a path"):
        scan_of(FLAIR, None, trust=False, changes=[REGISTER])


@pytest.mark.parametrize("given", ["path", "mapping", "image"])
def test_what_is_to_be_done_with_a_scan_comes_to_where_it_is_read(paths, monkeypatch, given):
    asked = []
    read = Case.read
    monkeypatch.setattr(Case, "read", lambda case, **options: (asked.append(case.changes), read(case, **options))[1])
    volume = {"path": paths["flair"], "mapping": {"flair": paths["flair"]}, "image": as_nifti(FLAIR)}[given]
    monkeypatch.setattr("brainseg.scans.case.without_bias", lambda scan: scan)
    scan_of(volume, None, trust=True, changes=[REGISTER, N4])
    assert asked == [(REGISTER, N4)]
