"""What the browser gets lies where the scan lies: geometry by known answers."""

from __future__ import annotations

import gzip
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import tifffile

from brainseg.errors import DataError
from brainseg.view.result import find_result
from brainseg.view.volumes import (
    ASSUMED,
    assumed_affine,
    display_range,
    make_volumes,
    opacity_in_3d,
    outline,
    start,
)
from tests.scans.heads import head

FLAIR, _ = head()


def loaded(content: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content))


def voxel(image, place):
    return np.rint(np.linalg.inv(image.affine) @ [*place, 1])[:3].astype(int)


@pytest.mark.parametrize("case", ["turned", "study"])
def test_nifti_and_dicom_keep_their_grid(out, case):
    volumes = make_volumes(find_result(out / f"{case}.json"))
    flair, mask = loaded(volumes.flair), loaded(volumes.mask)
    written = nib.load(out / f"{case}_mask.nii.gz")
    np.testing.assert_allclose(mask.affine, written.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), np.asanyarray(written.dataobj))
    np.testing.assert_array_equal(mask.affine, flair.affine)
    assert mask.get_data_dtype() == np.uint8
    assert flair.header.get_xyzt_units()[0] == "mm"
    assert volumes.remarks == []
    assert volumes.slices == list(range(16))


def test_flair_is_the_file_s_own_values(out):
    scan = nib.load(out.parent / "turned.nii.gz")
    flair = loaded(make_volumes(find_result(out / "turned.json")).flair)
    assert flair.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asanyarray(flair.dataobj), np.asanyarray(scan.dataobj))
    np.testing.assert_allclose(flair.affine, scan.affine, atol=1e-4)
    assert (flair.header["cal_min"], flair.header["cal_max"]) == pytest.approx(display_range(FLAIR * 3.0), rel=1e-3)


def test_tif_slices_lie_as_brain_extraction_assumes(out):
    volumes = make_volumes(find_result(out / "tifs.json"))
    flair, mask = loaded(volumes.flair), loaded(volumes.mask)
    assert nib.aff2axcodes(flair.affine) == ("L", "P", "S")
    assert flair.header.get_zooms() == pytest.approx((240 / 128, 240 / 128, 150 / 16))
    np.testing.assert_allclose(flair.affine @ [63.5, 63.5, 7.5, 1], [0, 0, 0, 1], atol=1e-5)
    np.testing.assert_array_equal(np.asanyarray(flair.dataobj), FLAIR.transpose(2, 1, 0))
    # the tumour of heads.head() is on the right of the picture, which is the patient's left, and towards the nose
    x, y, _ = volumes.start_mm
    assert x < 0 < y
    column, row, number = voxel(mask, volumes.start_mm)
    stored = np.asanyarray(mask.dataobj)
    assert stored[column, row, number] == 1
    for i in range(16):
        plane = tifffile.imread(out / "tifs" / f"tifs_{i + 3}_mask.tif")
        np.testing.assert_array_equal(stored[:, :, i].T * 255, plane)
    assert volumes.remarks == [ASSUMED]
    assert volumes.slices == list(range(3, 19))


def test_the_longer_side_has_the_field_of_view():
    affine = assumed_affine((10, 50, 100))
    np.testing.assert_allclose(np.diag(affine), [-2.4, -2.4, 15, 1])


@pytest.mark.parametrize("codes", ["LPS", "RAS", "ASR", "ILA"])
def test_the_start_is_in_the_largest_axial_slice_and_in_the_tumour(codes):
    mask = np.zeros((20, 30, 10), np.uint8)
    mask[4:8, 5, 7] = mask[4, 5:16, 7] = mask[14, 5:16, 7] = 1  # a U, whose middle is outside
    mask[1:9, 1:2, 2] = 1
    image = nib.Nifti1Image(mask, np.diag([-1.0, -1.0, 3.0, 1.0]))
    target = nib.orientations.axcodes2ornt(tuple(codes))
    image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
    place = start(np.asanyarray(image.dataobj) > 0, image.affine)
    assert place[2] == 21
    assert np.asanyarray(image.dataobj)[tuple(voxel(image, place))] == 1


def test_the_start_without_tumour_is_the_middle():
    assert start(np.zeros((3, 5, 7), bool), np.diag([2.0, 2.0, 2.0, 1.0])) == (2, 4, 6)


def test_black_and_white():
    values = np.arange(-5, 1000)
    assert display_range(values) == (-5, pytest.approx(994, abs=1))


@pytest.fixture
def copy(out, tmp_path):
    """A folder with all results, to be spoilt."""
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "out"


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_missing_inputs_and_masks_are_one_sentence(copy):
    rewrite(copy / "turned.json", input={"flair": "moved/turned.nii.gz"})
    with pytest.raises(DataError, match=r"turned.nii.gz, which does not exist, .* with brainseg view --scan"):
        make_volumes(find_result(copy / "turned.json"))
    rewrite(copy / "turned.json", input={"flair": str(copy / "none.nii")})
    with pytest.raises(DataError, match=r"none.nii, which does not exist, and it is not near the result either"):
        make_volumes(find_result(copy / "turned.json"))
    (copy / "study_mask.nii.gz").unlink()
    with pytest.raises(DataError, match=r"study_mask.nii.gz does not exist"):
        make_volumes(find_result(copy / "study.json"))
    (copy / "tifs" / "tifs_5_mask.tif").unlink()
    with pytest.raises(DataError, match=r"tifs_5_mask.tif does not exist"):
        make_volumes(find_result(copy / "tifs.json"))


def test_what_does_not_fit_is_one_sentence(copy):
    rewrite(copy / "turned.json", shape=[16, 128, 127])
    with pytest.raises(DataError, match=r"is 16 x 128 x 128, .*of one that was 16 x 128 x 127"):
        make_volumes(find_result(copy / "turned.json"))
    rewrite(copy / "turned.json", shape=[16, 128, 128], scan_sha256="0" * 64)
    with pytest.raises(DataError, match=r"is another one than .*turned.json was made from; put that one back"):
        make_volumes(find_result(copy / "turned.json"))
    tifffile.imwrite(copy / "tifs" / "tifs_5_mask.tif", np.zeros((9, 9), np.uint8))
    with pytest.raises(DataError, match=r"tifs_5_mask.tif is 9 x 9, its slice 128 x 128"):
        make_volumes(find_result(copy / "tifs.json"))
    mask = nib.load(copy / "study_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.asanyarray(mask.dataobj), np.diag([1, 1, 5, 1.0])), copy / "study_mask.nii.gz")
    with pytest.raises(DataError, match=r"study_mask.nii.gz does not lie on the grid of its scan"):
        make_volumes(find_result(copy / "study.json"))
    (copy / "study_mask.nii.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"study_mask.nii.gz cannot be read as NIfTI"):
        make_volumes(find_result(copy / "study.json"))


def test_a_mask_that_was_changed_is_said(copy):
    tifffile.imwrite(copy / "tifs" / "tifs_3_mask.tif", np.full((128, 128), 255, np.uint8))
    remarks = make_volumes(find_result(copy / "tifs.json")).remarks
    assert remarks[0] == ASSUMED
    assert "was changed after the prediction" in remarks[1]


def test_what_else_there_is_lies_on_the_same_grid(scored):
    volumes = make_volumes(find_result(scored / "rgb.json"))
    assert list(volumes.more) == ["pre", "post", "outline", "truth", "probability", "brain"]
    flair = loaded(volumes.flair)
    more = {name: loaded(content) for name, content in volumes.more.items()}
    for name, image in more.items():
        assert image.shape == flair.shape, name
        assert np.array_equal(image.affine, flair.affine), name
    assert np.array_equal(np.asarray(more["pre"].dataobj), np.asarray(flair.dataobj) // 2)
    outlined, mask = (np.asarray(image.dataobj) > 0 for image in (more["outline"], loaded(volumes.mask)))
    assert 0 < (mask & ~outlined).sum() < mask.sum() - outlined.sum() + 1
    assert not (outlined & ~mask).any()
    soft = np.asarray(more["probability"].dataobj)
    assert soft[mask].mean() > 200 > 20 > soft[~mask].mean()


def test_an_outline_is_what_touches_the_outside_in_its_slice():
    mask = np.zeros((2, 6, 7), bool)
    mask[0, 1:5, 2:6] = True
    expected = mask.copy()
    expected[0, 2:4, 3:5] = False
    assert np.array_equal(outline(mask), expected)
    assert np.array_equal(outline(np.ones((1, 3, 3), bool))[0], [[1, 1, 1], [1, 0, 1], [1, 1, 1]])


def test_outside_the_brain_nothing_is_seen_in_3d():
    flair = np.array([[[0, 100, 1000, 1000]]])
    brain = np.array([[[True, True, True, False]]])
    clear, dim, bright, skull = opacity_in_3d(flair, brain)[0, 0]
    assert (clear, bright, skull) == (0, 160, 0)
    assert 0 <= dim < 60


def test_a_truth_that_is_gone_is_said(scored, tmp_path):
    shutil.copytree(scored, tmp_path / "out")
    shutil.copytree(scored.parent / "rgb", tmp_path / "rgb")
    for path in (tmp_path / "rgb").glob("*_mask.tif"):
        path.unlink()
    rewrite(tmp_path / "out" / "rgb.json", input={"flair": str(tmp_path / "rgb")})
    volumes = make_volumes(find_result(tmp_path / "out" / "rgb.json"))
    assert "truth" not in volumes.more
    assert any("not there any more" in remark for remark in volumes.remarks)
