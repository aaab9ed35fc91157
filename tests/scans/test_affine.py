"""Headers of NIfTI files: units, directions and sizes that they leave open, say twice, or get wrong."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainseg.errors import DataError, NotTrusted
from brainseg.scans.affine import tilt_warnings
from brainseg.scans.masks import read_mask
from brainseg.scans.nifti import read_nifti
from tests.scans.heads import SPACING, as_nifti, head
from tests.scans.nifti_files import STACK, saved, set_field, with_header


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1), ("unknown", 1)])
def test_units_of_length_are_honoured(tmp_path, unit, factor):
    image = as_nifti(STACK, tuple(mm * factor for mm in SPACING))
    image.header.set_xyzt_units(unit)
    scan = read_nifti({"flair": saved(tmp_path / "u.nii", image)})
    assert scan.spacing == pytest.approx(SPACING)
    assert read_mask(saved(tmp_path / "m.nii", mask_of(image)))[1] == pytest.approx(SPACING)


def mask_of(image):
    return nib.Nifti1Image((np.asanyarray(image.dataobj) > 500).astype(np.uint8), None, image.header)


def test_no_codes_are_refused_unless_the_user_insists(tmp_path):
    path = saved(tmp_path / "n.nii", nib.Nifti1Image(STACK.T, None))
    with pytest.raises(
        NotTrusted, match=r"n\.nii does not say which way the head lies.*know better, say --trust-input"
    ):
        read_nifti({"flair": path})
    assert "does not say which way the head lies" in read_nifti({"flair": path}, trust=True).warnings[0]


def test_two_ways_to_lie_or_two_sizes_are_doubted(tmp_path):
    image = as_nifti(STACK)
    image.set_qform(image.affine @ np.diag([1, 1, -1, 1]), code=1)
    image.set_sform(image.affine, code=1)
    path = saved(tmp_path / "flip.nii", image)
    words = "flip.nii says two ways how the head lies: sform LPS, qform LPI, 180 degrees apart; expected one"
    with pytest.raises(NotTrusted, match=words):
        read_nifti({"flair": path})
    assert words in read_nifti({"flair": path}, trust=True).warnings[0]
    path = with_header(tmp_path / "sizes.nii", set_field(pixdim=[1, 1, 1, 12, 0, 0, 0, 0], qform_code=0))
    words = "sizes.nii says two sizes of a voxel: sform 1.88 x 1.88 x 12, pixdim 1 x 1 x 12; expected one"
    with pytest.raises(NotTrusted, match=words):
        read_nifti({"flair": path})
    assert read_nifti({"flair": path}, trust=True).spacing == pytest.approx(SPACING)
    with pytest.raises(DataError, match=r"two sizes of a voxel.*; repair its header"):
        read_mask(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
            "claims 32767 x 32767 x 32767 voxels, expected 1 to 268,435,456",
        ),
        ({"dim": [3, -4, 60, 5, 1, 1, 1, 1]}, "claims -4 x 60 x 5 voxels"),
        ({"dim": [3, 0, 60, 5, 1, 1, 1, 1]}, "claims 0 x 60 x 5 voxels"),
        ({"dim": [4, 70, 60, 5, 9999, 1, 1, 1]}, "expected three axes"),
        ({"vox_offset": 3e9}, "voxels are said to begin at byte 3e\\+09"),
        ({"vox_offset": -1}, "voxels are said to begin at byte -1"),
        ({"datatype": 77}, "cannot be read as NIfTI"),
        ({"datatype": 32}, "holds complex64, expected real numbers"),
        ({"xyzt_units": 5}, "unit of length is 5, expected 1 .metre."),
        ({"sizeof_hdr": 5}, "does not begin as a NIfTI file does"),
        ({"pixdim": [1, np.nan, 1, 1, 0, 0, 0, 0], "sform_code": 0, "qform_code": 1}, "lie.nii"),
    ],
)
def test_headers_that_lie_are_one_sentence(tmp_path, fields, words, capfd):
    for name in ("lie.nii", "lie.nii.gz"):
        with pytest.raises(DataError, match=words):
            read_nifti({"flair": with_header(tmp_path / name, set_field(**fields))})
    assert capfd.readouterr() == ("", "")


def test_a_sheared_affine_is_doubted(tmp_path):
    """Its columns have lengths whose product is not a voxel's volume."""
    image = as_nifti(head()[0])
    affine = image.affine.copy()
    affine[0, 1] = 0.5 * affine[1, 1]
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "sheared.nii")
    with pytest.raises(NotTrusted, match=r"sheared\.nii has axes that are 27 degrees off a right angle"):
        read_nifti({"flair": tmp_path / "sheared.nii"})
    trusted = read_nifti({"flair": tmp_path / "sheared.nii"}, trust=True)
    assert any("off a right angle" in text for text in trusted.warnings)


@pytest.mark.parametrize(
    ("degrees", "said"), [(0, False), (25, False), (32, True), (44, True), (46, True), (65, False)]
)
@pytest.mark.parametrize("axis", "xyz")
def test_an_oblique_stack_is_said_from_thirty_degrees_on(degrees, said, axis):
    """Turned further than 45 degrees it is another plane, the rest to a right angle off."""
    image = as_nifti(head()[0])
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(**{axis: np.radians(degrees)}))
    turned = nib.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine)
    off = min(degrees, 90 - degrees)
    words = [f"a.nii lies {off} degrees off the patient's axes"] if said else []
    assert [text[: len(words[0])] for text in tilt_warnings(turned, "a.nii")] == words
