"""One interface, a gate, a fallback; each method on a head whose brain is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainseg.data.slices import FLAIR, SliceSet
from brainseg.errors import DataError, ParamsError
from brainseg.params import validate
from brainseg.preprocess.agreement import BySequence, Guess
from brainseg.preprocess.brain_deepbet import DeepbetStripper
from brainseg.preprocess.skull_strip import (
    SkullStripParams,
    StripRecord,
    find_brain,
    make_stripper,
    strip,
    strip_metrics,
)
from tests.params import skull_strip_params

SHAPE = (4, 20, 20)


class Fixed:
    """A method that calls one corner box of the given area per slice brain."""

    def __init__(self, rows: int, columns: int):
        self.mask = np.zeros(SHAPE, bool)
        self.mask[:, 5 : 5 + rows, 5 : 5 + columns] = True

    def find(self, images):
        assert images.shape[:3] == SHAPE
        return Guess(self.mask, "deepbet")


def sequences(flair: np.ndarray) -> np.ndarray:
    """FLAIR in the place of all three."""
    return np.repeat(flair[..., None], 3, axis=-1)


BLACK = np.zeros((*SHAPE, 3), np.uint8)


def head(n: int = 16, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """FLAIR uint8 [n, side, side] of a bright scalp, dark skull and grey brain, and the brain's truth."""
    z, y, x = np.mgrid[-0.7 : 0.9 : n * 1j, -1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.sqrt((x / 0.7) ** 2 + (y / 0.9) ** 2 + z**2)
    flair = np.select([radius < 0.75, radius < 0.88, radius < 1], [110, 15, 200], 2)
    noise = np.random.default_rng(0).normal(0, 4, flair.shape)
    return (flair + noise).clip(0, 255).astype(np.uint8), radius < 0.75


def blank() -> SliceSet:
    images = np.random.default_rng(1).integers(1, 255, (*SHAPE, 3), dtype=np.uint8)
    masks = np.zeros(SHAPE, bool)
    masks[1, 9:11, 9:12] = True  # the box of Fixed(5, 5) ends at row 9 and column 9
    return SliceSet(images, masks, np.ones(SHAPE, bool), np.arange(3, 7))


def test_outside_the_mask_is_zero_and_inside_untouched() -> None:
    given = blank()
    fixed = Fixed(7, 7)
    stripped = strip(given, skull_strip_params(dilate_px=0), fixed)
    np.testing.assert_array_equal(stripped.slice_set.brain, fixed.mask)
    np.testing.assert_array_equal(stripped.slice_set.images[fixed.mask], given.images[fixed.mask])
    assert not stripped.slice_set.images[~fixed.mask].any()
    np.testing.assert_array_equal(stripped.slice_set.masks, given.masks)
    assert stripped.record.method == "deepbet"
    assert stripped.record.brain_fraction == pytest.approx(49 / 400)


def test_tumour_outside_is_counted_and_kept() -> None:
    stripped = strip(blank(), skull_strip_params(dilate_px=0, min_fraction=0.05), Fixed(5, 5))
    # rows 9, 10 by columns 9, 10, 11; only (9, 9) lies inside
    assert (stripped.record.tumour_px, stripped.record.tumour_px_cut) == (6, 5)
    assert stripped.slice_set.masks.sum() == 6


def test_dilation_is_a_disk_within_the_slice() -> None:
    fixed = Fixed(6, 6)
    fixed.mask[0] = False
    brain = find_brain(BLACK, skull_strip_params(dilate_px=3, min_fraction=0.01), fixed)
    rows, columns = np.mgrid[:20, :20]
    outside = np.hypot(*(np.maximum(0, np.maximum(5 - axis, axis - 10)) for axis in (rows, columns)))
    np.testing.assert_array_equal(brain.mask[2], outside <= 3)
    assert not brain.mask[0].any()
    assert brain.fraction == pytest.approx(3 * 36 / 1600)  # what the gate saw, before dilation


@pytest.mark.parametrize(
    ("rows", "columns", "name"),
    [(0, 0, "empty-mask"), (3, 3, "mask-too-small"), (15, 15, "mask-too-large")],
)
def test_implausible_mask_falls_back_to_everything(rows: int, columns: int, name: str) -> None:
    given = blank()
    stripped = strip(given, skull_strip_params(fallback="none"), Fixed(rows, columns))
    assert stripped.record.method == "none"
    assert [text.split(":")[0] for text in stripped.record.warnings] == [name]
    assert "20 x 20" in stripped.record.warnings[0]
    np.testing.assert_array_equal(stripped.slice_set.images, given.images)
    assert stripped.record.brain_fraction == 1


@pytest.mark.parametrize("area", [(4, 8), (10, 12)])
def test_limits_themselves_are_plausible(area: tuple[int, int]) -> None:
    assert find_brain(BLACK, skull_strip_params(), Fixed(*area)).warnings == ()


def test_fallback_to_classical_then_everything() -> None:
    flair, truth = head()

    class Nothing:
        def find(self, images):
            return Guess(np.zeros(images.shape[:3], bool), "deepbet")

    params = skull_strip_params(dilate_px=0)
    brain = find_brain(sequences(flair), params, Nothing())
    assert brain.method == "classical"
    assert brain.warnings[0].startswith("empty-mask: 0.0% of 16 slices of 128 x 128")
    assert 2 * (brain.mask & truth).sum() / (brain.mask.sum() + truth.sum()) > 0.9

    brain = find_brain(sequences(np.zeros_like(flair)), params, Nothing())
    assert brain.method == "none"
    assert len(brain.warnings) == 2
    assert brain.mask.all()


@pytest.mark.parametrize("side", [128, 256])
def test_classical_finds_the_brain_at_any_size(side: int) -> None:
    flair, truth = head(side=side)
    stripper = make_stripper(skull_strip_params(method="classical"))
    assert stripper is not None
    mask = stripper.find(sequences(flair)).mask
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    covered = np.flatnonzero(mask.any((1, 2)))
    assert np.ptp(covered) + 1 == len(covered)  # no gap between brain slices


def test_deepbet_finds_the_brain_whichever_side_is_longer() -> None:
    flair, truth = head(side=128)
    wide = np.pad(flair, [(0, 0), (0, 0), (16, 16)])
    stripper = make_stripper(skull_strip_params(method="deepbet"))
    assert stripper is not None
    mask = stripper.find(sequences(wide)).mask
    assert mask.shape == wide.shape
    assert mask.dtype == np.bool_
    mask = mask[..., 16:-16]
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    np.testing.assert_array_equal(mask, stripper.find(sequences(wide)).mask[..., 16:-16])
    assert not stripper.find(np.zeros((3, 64, 64, 3), np.uint8)).mask.any()


def test_deepbet_gets_the_stack_in_anatomical_order(monkeypatch: pytest.MonkeyPatch) -> None:
    flair = np.random.default_rng(0).integers(0, 255, (5, 8, 6), dtype=np.uint8)
    seen = []

    def find(self, volume):
        seen.append(volume)
        return volume > 100

    monkeypatch.setattr(DeepbetStripper, "_find", find)
    stripper = DeepbetStripper.__new__(DeepbetStripper)
    np.testing.assert_array_equal(stripper.brain_mask(flair), flair > 100)
    right_anterior_superior = flair.transpose(2, 1, 0)[::-1, ::-1]
    np.testing.assert_array_equal(seen[0], right_anterior_superior)

    np.testing.assert_array_equal(stripper.brain_mask(flair[:1]), flair[:1] > 100)
    assert seen[1].shape == (6, 8, 2), "a single slice is shown twice: a cube without depth shows nothing"


def test_none_keeps_everything_without_a_warning() -> None:
    params = skull_strip_params(method="none")
    assert make_stripper(params) is None
    stripped = strip(blank(), params)
    np.testing.assert_array_equal(stripped.slice_set.images, blank().images)
    assert stripped.record == StripRecord("none", 1.0, (), 4, 0, 0, 6, 0)


def test_missing_weights_are_said_when_the_method_is_built(tmp_path: Path) -> None:
    params = skull_strip_params(method="mazurowski", weights=str(tmp_path / "weights_128.h5"))
    with pytest.raises(DataError, match=r"weights_128\.h5 does not exist"):
        make_stripper(params)


def test_only_flair_is_looked_at_unless_all_are_asked_for() -> None:
    given = blank()
    seen = []

    class Spy:
        def brain_mask(self, flair):
            seen.append(flair)
            return Fixed(7, 7).mask

    strip(given, skull_strip_params(), BySequence("deepbet", Spy(), "flair"))
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], given.images[..., FLAIR])
    strip(given, skull_strip_params(), BySequence("deepbet", Spy(), "most"))
    np.testing.assert_array_equal(np.stack(seen[1:], axis=-1), given.images[..., [FLAIR, 0, 2]])


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4), np.uint8), np.zeros((0, 4, 4, 3), np.uint8)]
)
def test_wrong_stack_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"expected uint8 \[n, height, width, 3\]"):
        find_brain(bad, skull_strip_params(), Fixed(7, 7))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"method": "bet"}, "skull_strip.method is 'bet'"),
        ({"dilate_px": -1}, "skull_strip.dilate_px is -1"),
        ({"dilate_px": 2.5}, "skull_strip.dilate_px is 2.5"),
        ({"min_fraction": 0.4}, "skull_strip.max_fraction is 0.3: expected more than min_fraction"),
        ({"method": "mazurowski"}, "skull_strip.weights is None: method"),
        ({"method": "mazurowski", "weights": "download"}, "a download needs weights_sha256"),
        ({"weights_sha256": "abc"}, "skull_strip.weights_sha256 is 'abc'"),
        ({"dilate": 3}, "unknown key skull_strip.dilate, did you mean 'dilate_px'"),
    ],
)
def test_bad_parameters_are_named(raw: dict, sentence: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(skull_strip_params().model_dump() | raw, SkullStripParams, where="skull_strip")
    assert sentence in str(caught.value)


def test_metrics_by_hand() -> None:
    records = {
        "b": StripRecord("deepbet", 0.2, (), 20, 3, 0, 100, 10),
        "a": StripRecord("classical", 0.3, ("empty-mask: ...",), 30, 4, 1, 300, 10),
        "c": StripRecord("none", 1.0, ("mask-too-small: ...", "mask-too-large: ..."), 10, 0, 0, 0, 0),
    }
    metrics = strip_metrics(records)
    json.dumps(metrics, allow_nan=False)
    assert metrics == {
        "patients": 3,
        "methods": {"classical": 1, "deepbet": 1, "none": 1},
        "fallbacks": 2,
        "warnings": {"empty-mask": 1, "mask-too-large": 1, "mask-too-small": 1},
        "brain_fraction": {"mean": pytest.approx(0.5), "min": 0.2, "max": 1.0},
        "slices": 60,
        "slices_without_brain": 7,
        "labeled_slices_without_brain": 1,
        "tumour_cut": {
            "px": 20,
            "tumour_px": 400,
            "fraction": pytest.approx(0.05),
            "patient_mean": pytest.approx((0.1 + 1 / 30) / 2),
            "patient_max": pytest.approx(0.1),
            "worst_patient": "b",
            "n": 2,
        },
    }


def test_metrics_without_any_tumour_are_finite() -> None:
    metrics = strip_metrics({"a": StripRecord("deepbet", 0.2, (), 20, 3, 0, 0, 0)})
    assert metrics["tumour_cut"] == {
        "px": 0,
        "tumour_px": 0,
        "fraction": 0.0,
        "patient_mean": 0.0,
        "patient_max": 0.0,
        "n": 0,
    }


def test_metrics_of_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one patient"):
        strip_metrics({})
