from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from brainseg.errors import DataError
from brainseg.scans.masks import read_mask
from tests.scans.heads import SPACING, as_nifti, head, write_tifs

FLAIR, TUMOUR = head()


@pytest.mark.parametrize("turn", [slice(None), (2, 0, 1)])
def test_nifti_in_any_orientation(tmp_path: Path, turn):
    image = as_nifti(TUMOUR.astype(np.uint8) * 3)
    if isinstance(turn, tuple):  # axes in another order, the first one reversed
        order = np.array([[axis, 1] for axis in turn])
        order[0, 1] = -1
        image = image.as_reoriented(order)
    nib.save(image, tmp_path / "mask.nii.gz")
    mask, spacing = read_mask(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask, TUMOUR)
    assert spacing == pytest.approx(SPACING)


def test_folders_of_masks_and_of_masks_beside_images(tmp_path: Path):
    both = write_tifs(tmp_path / "both", np.stack([FLAIR] * 3, -1), TUMOUR)
    alone = write_tifs(tmp_path / "alone", TUMOUR.astype(np.uint8) * 255, first=7)
    for folder in (both, alone):
        mask, spacing = read_mask(folder)
        np.testing.assert_array_equal(mask, TUMOUR)
        assert spacing is None


def test_what_is_no_mask_is_one_sentence(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.nii\.gz does not exist"):
        read_mask(tmp_path / "none.nii.gz")
    nib.save(as_nifti(FLAIR), tmp_path / "flair.nii.gz")
    with pytest.raises(DataError, match=r"flair.nii.gz holds more than 16 different values: that is a picture"):
        read_mask(tmp_path / "flair.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3, 2), np.uint8), np.eye(4)), tmp_path / "two.nii.gz")
    with pytest.raises(DataError, match="is 3 x 3 x 3 x 2, expected three axes"):
        read_mask(tmp_path / "two.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no TIF slices"):
        read_mask(tmp_path / "empty")
    gap = write_tifs(tmp_path / "gap", TUMOUR.astype(np.uint8) * 255)
    (gap / "gap_4.tif").unlink()
    with pytest.raises(DataError, match="slices 1 to 16 without 4"):
        read_mask(gap)
    tifffile.imwrite(gap / "gap_4.tif", np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"gap_4\.tif is 5 x 5, expected one channel and one size"):
        read_mask(gap)
