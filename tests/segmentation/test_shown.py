"""`brainseg.segment` of paths and images, and what its result says and shows."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import cv2
import nibabel as nib
import numpy as np
import pytest

import brainseg
from brainseg.errors import DataError, NotTrusted
from brainseg.segmentation.axes import axis_doubts
from brainseg.segmentation.shown import OUTLINE, SegmentedScan
from tests.scans.heads import SPACING, as_nifti, head, threshold_models

FLAIR, TUMOUR = head()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def result(models) -> SegmentedScan:
    return brainseg.segment(FLAIR, SPACING, weights=models, runtime="torch")


def test_path_image_and_array_give_one_mask(models, result, tmp_path):
    image = as_nifti(FLAIR)
    nib.save(image, tmp_path / "head.nii.gz")
    for given in (tmp_path / "head.nii.gz", str(tmp_path / "head.nii.gz"), image):
        found = brainseg.segment(given, weights=models, runtime="torch")
        np.testing.assert_array_equal(found.mask, result.mask)
        assert found.volume_ml == pytest.approx(result.volume_ml)
        mask = found.to_nifti()
        assert mask.shape == image.shape
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-4)
        assert np.asarray(mask.dataobj).sum() == result.mask.sum()


@pytest.mark.parametrize(
    ("given", "spacing", "words"),
    [
        (7, None, "is of type int, expected an array"),
        ("nothing.nii", None, "nothing.nii does not exist"),
        ("nothing.nii", SPACING, "has its own spacing"),
    ],
)
def test_what_is_no_scan_is_named(models, given, spacing, words):
    with pytest.raises(DataError, match=words):
        brainseg.segment(given, spacing, weights=models)


def test_a_folder_of_several_scans_is_refused(models, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            cv2.imwrite(str(tmp_path / name / f"{name}_{number}.tif"), np.full((32, 32, 3), number, np.uint8))
    with pytest.raises(DataError, match="holds 2 scans, expected one"):
        brainseg.segment(tmp_path, weights=models)


def test_an_array_has_no_place_in_space(result):
    with pytest.raises(DataError, match="no place in space"):
        result.to_nifti()


def test_print_tells_what_was_found(result):
    numbers = np.flatnonzero(result.mask.any((1, 2)))
    lines = str(result).splitlines()
    assert f"tumour: {result.volume_ml:.1f} ml" in lines
    assert f"slices: {len(numbers)} of {len(FLAIR)} with tumour, numbers {numbers[0]} to {numbers[-1]}" in lines
    assert f"largest diameter in a slice: {result.largest_diameter_mm:.0f} mm" in lines
    assert [line for line in lines if line.startswith("warning: ")] == [f"warning: {t}" for t in result.warnings]
    assert lines[-1] == "Research only: not a medical device."
    unknown = str(replace(result, spacing=None))
    assert f"tumour: {result.mask.sum():,} voxels (spacing unknown)" in unknown
    assert "tumour: none found" in str(replace(result, mask=np.zeros_like(result.mask)))
    assert len(repr(result)) < 200


def test_a_notebook_shows_the_outline_and_escapes_what_comes_from_files(result):
    named = replace(result, scan=replace(result.scan, name="<b>x</b>"), warnings=("<script>alert(1)</script>",))
    text = named._repr_html_()
    assert "<script>" not in text
    assert "<b>x" not in text
    assert f"{result.volume_ml:.1f} ml" in text
    data = base64.b64decode(re.search(r"base64,([^\']+)", text)[1])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    rows, columns = np.nonzero((picture == OUTLINE).all(-1))
    true = np.argwhere(result.mask[result.mask.sum((1, 2)).argmax()]) * (picture.shape[0] / FLAIR.shape[1])
    assert rows.min() == pytest.approx(true[:, 0].min(), abs=4)
    assert columns.max() == pytest.approx(true[:, 1].max(), abs=4)
    assert replace(result, mask=np.zeros_like(result.mask))._repr_html_()


def one_sided(shape=(80, 90, 100)):
    """A head, brighter towards its last slice and its first row, the same on both sides of its last axis."""
    at = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    return np.where((at**2).sum(0) < 0.8, 3 + 2 * at[0] - at[1], 0).astype(np.float32)


def test_an_array_in_nibabels_order_is_noticed():
    volume = one_sided()
    assert axis_doubts(volume) == []
    [said] = axis_doubts(volume.transpose(2, 1, 0))
    assert "left to right as in an array of nibabel" in said
    assert axis_doubts(volume.transpose(2, 1, 0)[:20]) == []
    assert axis_doubts(np.ones((80, 80, 80))) == []
    with pytest.raises(NotTrusted, match="as in an array of nibabel"):
        brainseg.segment(volume.transpose(2, 1, 0))
