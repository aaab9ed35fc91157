"""Sequences that lie off FLAIR are said, by how much; those that lie on it are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.axial import axial
from brainseg.scans.canvas import PIXEL_MM
from brainseg.scans.nifti import NiftiOrigin
from brainseg.scans.scan import Scan, fill_sequences
from brainseg.segmentation.alignment import OFF_MM, alignment_warnings, off_mm
from tests.scans.heads import as_nifti

SLICE_MM = 5.0


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """FLAIR and T1, uint8 [24, 256, 256], of a head with ventricles, folds and a tumour; contrasts of their own."""
    z, y, x = np.mgrid[-1.1:1.1:24j, -1.3:1.3:256j, -1.3:1.3:256j]
    radius = np.sqrt((x / 0.75) ** 2 + y**2 + z**2)
    ventricles = ((np.abs(x + 0.02) - 0.15) / 0.1) ** 2 + (y / 0.35) ** 2 + ((z - 0.1) / 0.3) ** 2 < 1
    tumour = ((x - 0.35) / 0.2) ** 2 + ((y + 0.3) / 0.25) ** 2 + ((z - 0.2) / 0.3) ** 2 < 1
    rng = np.random.default_rng(0)
    folds = ndimage.gaussian_filter(rng.normal(size=radius.shape), (1, 5, 5)) > 0
    parts = [radius > 1, radius > 0.93, radius > 0.86, ventricles, tumour, folds]
    noise = rng.normal(0, 4, (2, *radius.shape))
    flair, t1 = (np.select(parts, values, 110) for values in ((5, 180, 20, 25, 200, 130), (5, 230, 25, 60, 80, 70)))
    return tuple((values + more).clip(0, 255).astype(np.uint8) for values, more in zip((flair, t1), noise, strict=True))


FLAIR, T1 = sequences()


def scan(other: np.ndarray, spacing: tuple[float, float, float] | None = (SLICE_MM, PIXEL_MM, PIXEL_MM)) -> Scan:
    images = fill_sequences({"flair": FLAIR, "pre": other})
    return Scan("case", images, spacing, np.arange(len(FLAIR)), ("pre", "flair"), (), (), ArrayOrigin())


def test_what_lies_on_flair_is_not_off():
    assert off_mm(FLAIR, T1, SLICE_MM) < 1
    assert alignment_warnings(scan(T1).images, scan(T1)) == []


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("pixels", [4, -10])
def test_a_shift_is_measured(axis, pixels):
    by, mm = (pixels // 4, SLICE_MM) if axis == 0 else (pixels, PIXEL_MM)
    assert off_mm(FLAIR, np.roll(T1, by, axis), SLICE_MM) == pytest.approx(abs(by) * mm, abs=0.7)


def test_a_turn_is_measured():
    """The left half lies further front and the right half further back, as after a turn; its fit takes a part of it."""
    turned = np.concatenate([np.roll(T1[..., :128], 10, 1), np.roll(T1[..., 128:], -10, 1)], axis=2)
    assert off_mm(FLAIR, turned, SLICE_MM) > OFF_MM
    shrunk = np.concatenate([np.roll(T1[:, :128], 10, 1), np.roll(T1[:, 128:], -10, 1)], axis=1)
    assert off_mm(FLAIR, shrunk, SLICE_MM) < 1  # no rigid motion


def test_the_warning_says_how_far_and_what_to_do():
    moved = np.roll(T1, 6, 2)  # 5.6 mm
    tif = scan(moved, spacing=None)
    said = "the pre-contrast sequence seems to lie 6 mm off FLAIR: {}, or look at it"
    assert alignment_warnings(tif.images, tif) == [said.format("register it before")]
    image = as_nifti(FLAIR)
    assert np.array_equal(axial(np.asarray(image.dataobj), image), FLAIR)
    nifti = replace(scan(moved), origin=NiftiOrigin(image))
    assert alignment_warnings(nifti.images, nifti) == [said.format("say --register")]


def test_what_is_not_there_is_not_compared():
    moved = scan(np.roll(T1, 10, 2))
    assert alignment_warnings(moved.images, replace(moved, given=("flair",))) == []
    few = replace(moved, images=moved.images[:5], slices=np.arange(5))
    assert alignment_warnings(few.images, few) == []
    same = scan(FLAIR)
    assert alignment_warnings(same.images, same) == []


def test_darkness_has_no_place():
    assert off_mm(np.zeros_like(FLAIR), T1, SLICE_MM) == 0
