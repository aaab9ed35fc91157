from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.errors import DataError
from brainseg.preprocess.agreement import MARGIN_PX, BySequence, Guess
from brainseg.preprocess.brain_deepbet import DeepbetStripper
from brainseg.preprocess.morphology import morphology
from brainseg.scans.canvas import Canvas
from brainseg.segmentation.brain import find_scan_brain
from tests.params import skull_strip_params

SHAPE = (4, 256, 256)
CANVAS = Canvas(256, 256, 256, 256, 256)
PARAMS = skull_strip_params(dilate_px=0, fallback="none")


class Fixed:
    """A method that calls a block in the middle of every slice brain."""

    def __init__(self, side: int):
        self.mask = block(side)

    def find(self, images):
        return Guess(self.mask, "deepbet")


def block(side: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    start = 128 - side // 2
    mask[:, start : start + side, start : start + side] = True
    return mask


def scan(side: int, brain: int = 100) -> np.ndarray:
    """A brain with folds, dark skull of up to 12 pixels, and scalp, all in `side` x `side`."""
    folds = 90 + 25 * np.sign(np.sin(np.arange(256) / 2))
    head = np.select([block(brain), block(brain + 24), block(side)], [folds, 5, 180], 0)
    return np.repeat(np.where(block(side), head, 0).astype(np.uint8)[..., None], 3, axis=-1)


def test_a_head_with_scalp_is_extracted():
    found = find_scan_brain(scan(200), CANVAS, None, PARAMS, Fixed(100), None)
    np.testing.assert_array_equal(found.mask, block(100))
    assert (found.stripped, found.warnings) == (False, ())


def test_black_around_the_brain_is_a_stripped_scan():
    """1.3 times the brain found, in voxels, is the most."""
    found = find_scan_brain(scan(112), CANVAS, None, PARAMS, Fixed(100), None)
    np.testing.assert_array_equal(found.mask, block(112))
    assert found.stripped
    assert "was done before" in found.warnings[0]
    assert not find_scan_brain(scan(116), CANVAS, None, PARAMS, Fixed(100), None).stripped
    assert not find_scan_brain(scan(112), CANVAS, None, PARAMS, Fixed(100), False).stripped


def test_a_brain_that_fills_the_picture_is_not_taken_for_a_stripped_scan():
    """Nothing in it is black: the user, who did not say --stripped, is not told to leave it out."""
    canvas, params = Canvas(256, 256, 100, 100, 256), PARAMS.model_copy(update={"max_fraction": 1.0})
    found = find_scan_brain(scan(100), canvas, None, params, Fixed(100), None, trust=True)
    assert not found.stripped
    np.testing.assert_array_equal(found.mask, block(100))
    with pytest.raises(DataError, match="no black background; leave --stripped out"):
        find_scan_brain(scan(100), canvas, None, params, Fixed(100), True, trust=True)


def test_what_shows_no_brain_is_refused():
    """Less than a quarter of 8% of the volume."""
    assert Fixed(36).mask.mean() < 0.02 < Fixed(38).mask.mean()
    with pytest.raises(DataError, match=r"shows no brain \(2.0% of the volume, expected 8% or more\)"):
        find_scan_brain(scan(200), CANVAS, None, PARAMS, Fixed(36), None)
    unsure = find_scan_brain(scan(200, 38), CANVAS, None, PARAMS, Fixed(38), None)
    assert unsure.warnings[0].startswith("brain extraction is unsure: mask-too-small")
    assert unsure.method == "none"


def test_with_spacing_the_gate_is_in_millilitres():
    """100 x 100 pixels of 0.9375 mm in 4 slices: 10 mm apart 352 ml, 5 mm apart 176 ml."""
    for thickness, warned in ((10.0, False), (5.0, True)):
        found = find_scan_brain(scan(200), CANVAS, (thickness, 1, 1), PARAMS, Fixed(100), None)
        assert bool(found.warnings) == warned


def test_no_method_keeps_everything():
    found = find_scan_brain(scan(100), CANVAS, None, skull_strip_params(method="none"), None, None)
    assert found.mask.all()


def test_most_sequences_agree_where_the_model_was_trained_so():
    """The other two cut FLAIR's mask back."""

    class ByBrightness:
        def brain_mask(self, flair):
            return block(100) if flair.max() == 90 else block(92)

    images = np.stack([np.where(block(200), grey, 0) for grey in (50, 90, 70)], axis=-1).astype(np.uint8)
    stripper = BySequence("deepbet", ByBrightness(), "most")
    found = find_scan_brain(images, CANVAS, None, PARAMS, stripper, None, trust=True)
    expected = morphology(block(92), "dilate", MARGIN_PX) & block(100)
    np.testing.assert_array_equal(found.mask, expected)


def test_what_shows_nothing_has_no_brain():
    for grey in (0, 90):
        assert not DeepbetStripper().brain_mask(np.full((3, 64, 64), grey, np.uint8)).any()


@pytest.mark.slow
def test_the_mask_is_the_one_that_deepbet_itself_gives():
    """Its package by torch, by way of NIfTI; a single slice, too."""
    from deepbet.bet import BrainExtraction

    networks = BrainExtraction(no_gpu=True)
    flair = make_patient(1, PhantomParams(patients=2, slices=12, size=128), 3).images[..., 1].copy()
    for stack in (flair, np.repeat(flair[4:5], 2, 0)):
        image = nib.Nifti1Image(stack.transpose(2, 1, 0).astype(np.float32), np.diag([-1.9, -1.9, 12.5, 1.0]))
        expected = np.asarray(networks.run(image)[1].dataobj).transpose(2, 1, 0) > 0
        assert expected.mean() > 0.05
        found = DeepbetStripper().brain_mask(stack)
        assert (found != expected).sum() <= 1e-4 * expected.sum()
