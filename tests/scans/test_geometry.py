"""Sizes that a head can have, from what a header claims."""

from __future__ import annotations

import re

import pytest

from brainseg.errors import DataError, NotTrusted
from brainseg.scans.geometry import check_field, check_size
from brainseg.scans.nifti import read_nifti
from tests.scans.heads import as_nifti
from tests.scans.nifti_files import STACK, saved


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((50.0, 9.4, 9.4), "50 x 9.4 x 9.4 mm, a field of view of 250 x 564 x 658 mm; expected voxels of 0.1 mm"),
        ((0.5, 0.094, 0.094), "0.5 x 0.094 x 0.094 mm, a field of view"),
        ((5000.0, 940.0, 940.0), "check whether these are millimetres; if you know better, say --trust-input"),
        ((5.0, 0.8, 0.8), "a field of view of 25 x 48 x 56 mm; expected a head, 60 x 90 mm to 600 mm"),
        ((5.0, 5.0, 9.0), "a field of view of 25 x 300 x 630 mm; expected a head"),
    ],
)
def test_sizes_of_no_head_are_refused_before_the_voxels_are_read(tmp_path, spacing, words):
    whole = as_nifti(STACK, spacing).to_bytes()
    (tmp_path / "s.nii").write_bytes(whole[:352])  # only the header is there
    with pytest.raises(NotTrusted, match=re.escape(words)):
        read_nifti({"flair": tmp_path / "s.nii"})


def test_who_insists_on_sizes_gets_a_warning_unless_the_memory_would_not_do(tmp_path):
    scan = read_nifti({"flair": saved(tmp_path / "s.nii", as_nifti(STACK, (5.0, 0.8, 0.8)))}, trust=True)
    assert "a field of view of 25 x 48 x 56 mm; expected a head" in scan.warnings[0]
    with pytest.raises(DataError, match="too large to be worked on"):
        read_nifti({"flair": saved(tmp_path / "km.nii", as_nifti(STACK, (5000.0, 940.0, 940.0)))}, trust=True)


def test_the_largest_scan_that_is_accepted_is_decided_from_its_header():
    check_size((1024, 1024, 200), "scan")
    check_field((200, 1024, 1024), (1.0, 0.22, 0.22), "scan", False, warnings := [])
    assert warnings == []
    with pytest.raises(DataError, match="claims 1024 x 1024 x 257"):
        check_size((1024, 1024, 257), "scan")


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((160, 256, 256), (1.0, 1.0, 1.0)),
        ((24, 512, 512), (7.0, 0.4, 0.4)),
        ((1, 256, 256), (5.0, 0.94, 0.94)),
        ((378, 466, 394), (0.5, 0.5, 0.5)),  # the MNI template
        ((155, 240, 240), (1.0, 1.0, 1.0)),
        ((140, 170, 65), (1.0, 1.0, 1.0)),  # half a brain, cropped
        ((60, 90, 75), (1.0, 1.1, 1.1)),  # a newborn's brain, cropped
        ((256, 24, 256), (0.9, 6.0, 0.9)),
    ],
)
def test_usual_scans_have_plausible_sizes(shape, spacing):
    check_field(shape, spacing, "scan", False, warnings := [])
    assert warnings == []
