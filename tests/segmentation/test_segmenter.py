"""A whole scan through models that mark what is bright: the tumour is known, so is where it has to come out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from nibabel.processing import resample_to_output

import brainseg
from brainseg.errors import DataError, NotTrusted
from brainseg.evaluation.overlap import overlap
from brainseg.inference.models import load_models
from brainseg.scans.nifti import read_nifti, write_nifti
from brainseg.segmentation.segmenter import Segmenter
from tests.scans.heads import SPACING, as_nifti, head, threshold_models

FLAIR, TUMOUR = head()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def segmenter(folder):
    return Segmenter(load_models(folder, device="cpu", runtime="torch"))


def through_nifti(segmenter, image, folder):
    """The mask that comes out, as NIfTI in the closest canonical orientation."""
    nib.save(image, folder / "scan.nii.gz")
    scan = read_nifti({"flair": folder / "scan.nii.gz"})
    write_nifti(folder / "mask.nii.gz", segmenter(scan).mask, scan.origin)
    return nib.as_closest_canonical(nib.load(folder / "mask.nii.gz"))


def test_the_known_tumour_is_found_and_measured(segmenter, tmp_path):
    nib.save(as_nifti(FLAIR), tmp_path / "scan.nii")
    result = segmenter(read_nifti({"flair": tmp_path / "scan.nii"}))
    assert overlap(TUMOUR, result.mask).dice > 0.95
    assert result.volume_ml == pytest.approx(result.mask.sum() * 12 * 1.875**2 / 1000)
    assert result.largest_diameter_mm == pytest.approx(result.largest_diameter_px * 1.875)
    assert result.largest_diameter_mm == pytest.approx(0.4 * 120, rel=0.1)
    assert (result.probability[TUMOUR] > 0.5).mean() > 0.9
    assert not result.stripped
    assert (result.brain & TUMOUR).sum() > 0.99 * TUMOUR.sum()


CODES = ["LPS", "RAS", "ILP", "PSL", "ASR", "SRA", "LAI"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=st.sampled_from(CODES))
def test_turned_and_permuted_the_mask_is_the_same_in_space(segmenter, tmp_path, codes):
    image = as_nifti(FLAIR)
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes))))
    plain, other = (through_nifti(segmenter, each, tmp_path) for each in (image, turned))
    np.testing.assert_array_equal(plain.affine, other.affine)
    np.testing.assert_array_equal(np.asanyarray(plain.dataobj), np.asanyarray(other.dataobj))


# slices in between hold a mixture of two, in which the tumour is larger or smaller
@pytest.mark.parametrize(
    ("voxels", "tolerance"),
    [((1.2, 1.2, 12.0), 0.1), ((2.5, 2.5, 12.0), 0.1), ((1.875, 1.2, 12.0), 0.1), ((1.875, 1.875, 6.0), 0.2)],
)
def test_resampled_the_mask_is_the_same_in_space(segmenter, tmp_path, voxels, tolerance):
    finer = resample_to_output(as_nifti(FLAIR.astype(np.float32)), voxels, order=1)
    mask = through_nifti(segmenter, finer, tmp_path)
    truth = as_nifti(TUMOUR.astype(np.float32))
    points = nib.affines.apply_affine(mask.affine, np.argwhere(np.asanyarray(mask.dataobj)))
    centre = nib.affines.apply_affine(truth.affine, np.argwhere(TUMOUR.T)).mean(0)
    assert np.abs(points.mean(0) - centre).max() < 1  # mm: no half voxel lost
    ml = len(points) * np.prod(nib.affines.voxel_sizes(mask.affine)) / 1000
    assert ml == pytest.approx(TUMOUR.sum() * np.prod(SPACING) / 1000, rel=tolerance)


def test_intensity_scale_does_not_matter(segmenter, tmp_path):
    plain = through_nifti(segmenter, as_nifti(FLAIR.astype(np.float32)), tmp_path)
    scaled = through_nifti(segmenter, as_nifti(FLAIR.astype(np.float32) * 37 - 500), tmp_path)
    assert overlap(np.asanyarray(plain.dataobj) > 0, np.asanyarray(scaled.dataobj) > 0).dice > 0.99


def test_a_stripped_scan_needs_no_extraction(folder):
    found = brainseg.segment(FLAIR, SPACING, weights=folder, runtime="torch")
    stripped = np.where(found.brain, FLAIR, 0)
    result = brainseg.segment(stripped, SPACING, weights=folder, runtime="torch", stripped=True)
    assert result.stripped
    assert overlap(found.mask, result.mask).dice > 0.97
    assert overlap(found.brain, result.brain).dice > 0.96  # resampling blurs the brain's edge by a pixel
    with pytest.raises(DataError, match="said to be stripped, but has no black background"):
        brainseg.segment(FLAIR, SPACING, weights=folder, runtime="torch", stripped=True)


def test_the_array_is_segmented_as_its_file_is(folder, segmenter, tmp_path):
    nib.save(as_nifti(FLAIR), tmp_path / "scan.nii")
    from_file = segmenter(read_nifti({"flair": tmp_path / "scan.nii"}))
    from_array = brainseg.segment(FLAIR, SPACING, weights=folder, runtime="torch")
    np.testing.assert_array_equal(from_array.mask, from_file.mask)
    np.testing.assert_array_equal(from_array.probability, from_file.probability)


@pytest.mark.parametrize(
    ("volume", "spacing", "words"),
    [
        (FLAIR[0], None, r"is \(128, 128\), expected"),
        (FLAIR[..., None], None, "expected .n, height, width. or"),
        (FLAIR * 0, None, "the value 0 everywhere"),
        (TUMOUR, None, "a mask"),
        (FLAIR, (1, 1), "the spacing is"),
        (FLAIR, (1, 0, 1), "the spacing is"),
        (np.random.default_rng(0).integers(0, 99, (8, 64, 64)), (5, 0.1, 0.1), "a field of view of 40 x 6.4 x 6.4 mm"),
    ],
)
def test_arrays_that_are_no_head(folder, volume, spacing, words):
    with pytest.raises(DataError, match=words):
        brainseg.segment(volume, spacing, weights=folder, runtime="torch")


def test_one_slice_works_and_warns(folder):
    result = brainseg.segment(FLAIR[9:10], weights=folder, runtime="torch")
    assert any("a single slice" in text for text in result.warnings)
    assert overlap(TUMOUR[9:10], result.mask).dice > 0.9
    assert result.volume_ml is result.largest_diameter_mm is None


def test_a_faint_tumour_is_found_and_said_to_be_faint(tmp_path_factory):
    weights = threshold_models(tmp_path_factory.mktemp("faint"), threshold=0.5, scale_to_peak=True)
    faint = np.where(TUMOUR, 128, FLAIR).astype(np.uint8)
    sure, unsure = (brainseg.segment(v, SPACING, weights=weights, runtime="torch") for v in (FLAIR, faint))
    said = "the networks are unsure: tumour has a probability of"
    assert not any(said in text for text in sure.warnings)
    assert sure.probability.max() > 0.95
    assert 0.4 < unsure.probability.max() < 0.9
    assert any(said in text for text in unsure.warnings)
    assert unsure.mask.any()


def test_clean_up_holds_on_a_finer_grid(folder, tmp_path_factory):
    """What post-processing removed does not come back by resampling."""
    weights = threshold_models(tmp_path_factory.mktemp("largest"), largest_only=True)
    volume, second = FLAIR.copy(), np.zeros_like(TUMOUR)
    second[9:11, 60:66, 48:54] = True
    volume[second] = 190
    both = brainseg.segment(volume, SPACING, weights=folder, runtime="torch")
    one = brainseg.segment(volume, SPACING, weights=weights, runtime="torch")
    assert (both.mask & second).any()
    assert not (one.mask & second).any()
    assert (one.probability[second] > 0.5).any()


def as_t1() -> np.ndarray:
    """The head with the greys of a T1: cortex dark, white matter bright, ventricles darkest."""
    z, y, x = np.mgrid[-0.7:0.9:16j, -1:1:128j, -1:1:128j]
    radius = np.sqrt((x / 0.7) ** 2 + (y / 0.9) ** 2 + z**2)
    greys = np.select([radius < 0.2, radius < 0.6], [25, 120], 80)
    noise = np.random.default_rng(1).normal(0, 3, FLAIR.shape)
    return np.where(radius < 0.75, np.clip(greys + noise, 0, 255), FLAIR).astype(np.uint8)


def test_a_t1_given_as_flair_is_refused_and_can_be_insisted_on(folder):
    with pytest.raises(
        NotTrusted, match=r"what was given as FLAIR looks like a T1 .*; give the FLAIR; .*--trust-input"
    ):
        brainseg.segment(as_t1(), SPACING, weights=folder, runtime="torch")
    insisted = brainseg.segment(as_t1(), SPACING, weights=folder, runtime="torch", trust_input=True)
    assert any("looks like a T1 " in text for text in insisted.warnings)


def test_without_a_brain_nothing_is_said_of_the_sequence(tmp_path):
    models = threshold_models(tmp_path, method="none")
    assert not any("looks like" in text for text in brainseg.segment(as_t1(), SPACING, weights=models).warnings)
