"""Features of masks drawn by hand, with answers found by counting."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.errors import DataError
from brainseg.trust.features import FEATURES, features
from brainseg.trust.opinions import Opinions, Seen
from tests.trust.drawn import SAME, SHAPE, TISSUE, TUMOUR, WIDER, block, opinions


def test_every_feature_is_explained_and_says_which_way_is_better():
    assert len(FEATURES) == 20
    for name, feature in FEATURES.items():
        assert feature.better in (-1, 1), name
        assert feature.sentence.strip(".") == feature.sentence != "", name


def test_networks_that_agree_have_no_doubts():
    found = features(opinions(SAME, SAME, (SAME, SAME)))
    for name in ("members_dice", "flip_dice", "views_dice", "band_dice", "end_dice", "worst_slice"):
        assert found[name] == 1, name
    for name in ("volume_gap", "alone_parts", "doubtful_slices", "missing_sequences", "bright_left", "scattered"):
        assert found[name] == 0, name


def test_known_answers_where_one_network_marks_half_as_much_again():
    found = features(opinions(SAME, WIDER))
    a, b = 4 * 400, 4 * 600
    dice = 2 * a / (a + b)
    assert found["members_dice"] == found["end_dice"] == found["worst_slice"] == pytest.approx(dice)
    assert found["flip_dice"] == found["members_dice"]  # nobody was asked about the mirror image
    assert found["views_dice"] == pytest.approx(dice)  # the mask is the first's: the mean reaches 0.45 in the rest
    assert found["volume_gap"] == pytest.approx(math.log((b + 1) / (a + 1)))
    assert found["alone_parts"] == 0  # the rest hangs on the part that both see
    # the peak is 0.9 in the first part, the mean 0.45 in the rest: above 0.3 of the peak, below 0.7
    assert found["band_dice"] == pytest.approx(dice)
    mass = 0.9 * a + 0.45 * (b - a)
    assert found["expected_dice"] == pytest.approx(2 * 0.9 * a / (a + mass), rel=1e-5)
    assert (found["certainty"], found["peak"]) == pytest.approx((0.9, 0.9))
    assert found["unsure_volume"] == pytest.approx((0.09 * a + 0.2475 * (b - a)) / mass, rel=1e-5)
    assert found["log_volume"] == pytest.approx(math.log10((a + 1) / (8 * 56 * 56 + 1)))
    assert found["outline"] == pytest.approx(1 - 18**2 / 20**2)


def test_the_flip_is_held_against_its_own_network():
    found = features(opinions(SAME, SAME, (SAME, WIDER)))
    assert found["flip_dice"] == pytest.approx((1 + 0.8) / 2)
    # the second's mean with its flip is 0.45 in the rest: below the threshold
    assert found["members_dice"] == 1
    assert found["views_dice"] == pytest.approx(0.8)


def test_slices_at_the_end_that_one_network_alone_marks_are_in_doubt():
    longer = block(slice(20, 40), slice(20, 40), slice(2, 8))
    found = features(opinions(SAME, longer))
    assert found["end_dice"] == found["worst_slice"] == 0
    assert found["doubtful_slices"] == pytest.approx(2 / 6)


def test_a_small_slice_is_never_the_worst_one():
    more = SAME.copy()
    more[6, 20:26, 20:26] = 0.9  # 36 of 400 pixels
    found = features(opinions(SAME, more))
    assert found["worst_slice"] == 1
    assert found["doubtful_slices"] == pytest.approx(1 / 5)


def test_a_part_that_one_network_alone_sees_counts_by_its_volume():
    more = SAME + block(slice(45, 55), slice(45, 55))
    found = features(opinions(SAME, more))
    assert found["alone_parts"] == pytest.approx(400 / 2000)
    assert found["scattered"] == 0  # the mask is the first's
    both = features(opinions(more, more))
    assert both["scattered"] == pytest.approx(400 / 2000)


def test_contrast_is_in_spreads_of_the_brain():
    seen = Seen(opinions(SAME, SAME))
    found = features(seen)
    inside = seen.opinions.flair[seen.opinions.brain]
    # rows alternate by 10 in tumour and around it alike, so the medians differ by 70
    assert found["contrast"] == pytest.approx((TUMOUR - TISSUE) / inside.std(), rel=1e-6)
    assert found["edge"] == pytest.approx((TUMOUR - TISSUE) / inside.std(), rel=0.02)


def test_brain_as_bright_as_the_tumour_that_nobody_marked_is_seen():
    whole = opinions(SAME, SAME)
    whole.flair[2:6, 20:30, 44:50] = TUMOUR
    found = Seen(whole)
    # opening by a disk of 2 px takes four pixels of each corner's three, of 60 in a slice
    assert features(found)["bright_left"] == pytest.approx(math.log1p(4 * (60 - 12) / 1600))
    assert found.overlooked[2:6, 22:28, 45:49].all()
    assert not found.overlooked[:, :, :43].any()


def test_missing_sequences_are_counted():
    assert features(opinions(SAME, SAME, missing=2))["missing_sequences"] == 2


def test_one_network_is_held_against_its_flip_and_without_flips_against_its_own_band():
    both = opinions(SAME, SAME, (WIDER,) * 2)
    alone = dataclasses.replace(both, plain={"a": SAME}, flipped={"a": WIDER})
    assert features(alone)["members_dice"] == pytest.approx(0.8)
    soft = SAME + block(slice(20, 40), slice(40, 50), value=0.45)
    unsure = dataclasses.replace(both, plain={"a": soft}, flipped={})
    assert features(unsure)["members_dice"] == features(unsure)["band_dice"] == pytest.approx(0.8)


@pytest.mark.parametrize("value", [0.0, 1e-4])
def test_where_nobody_sees_anything_every_feature_is_a_number(value: float):
    found = features(opinions(np.full(SHAPE, value, np.float32), np.zeros(SHAPE, np.float32)))
    assert all(math.isfinite(number) for number in found.values())
    assert found["members_dice"] == 1
    assert found["contrast"] == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), members=st.integers(1, 3), flips=st.booleans())
def test_any_probabilities_give_finite_features_in_their_range(seed: int, members: int, flips: bool):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 12, 3))
    views = [np.float32(rng.random(shape) ** rng.integers(1, 9)) for _ in range(2 * members)]
    names = "abc"[:members]
    given_flips = dict(zip(names, views[members:], strict=True)) if flips else {}
    mask = np.mean(views, 0) >= 0.5
    flair = rng.integers(0, 256, shape).astype(np.uint8)
    found = features(
        Opinions(
            dict(zip(names, views[:members], strict=True)), given_flips, mask, 0.5, rng.random(shape) > 0.3, flair, 0
        )
    )
    assert list(found) == list(FEATURES)
    for name, value in found.items():
        assert math.isfinite(value), name
        if name.endswith("_dice") or name in (
            "worst_slice",
            "peak",
            "certainty",
            "outline",
            "scattered",
            "alone_parts",
        ):
            assert -1e-6 <= value <= 1 + 1e-6, name


def test_features_do_not_depend_on_where_the_head_lies():
    def moved(volume: np.ndarray) -> np.ndarray:
        return np.pad(volume, ((1, 2), (7, 3), (2, 9)))

    first = opinions(SAME, WIDER, (SAME, SAME))
    second = Opinions(
        {name: moved(values) for name, values in first.plain.items()},
        {name: moved(values) for name, values in first.flipped.items()},
        moved(first.mask), 0.5, moved(first.brain), moved(first.flair), 0,
    )  # fmt: skip
    assert features(first) == pytest.approx(features(second), rel=1e-6)


def test_arrays_that_do_not_belong_together_are_refused():
    right = opinions(SAME, SAME)
    with pytest.raises(DataError, match=r"brain has the shape \(8, 64, 63\) beside a mask \(8, 64, 64\)"):
        dataclasses.replace(right, brain=right.brain[..., 1:])
    with pytest.raises(DataError, match="of no network and, flipped, of none"):
        dataclasses.replace(right, plain={})
    with pytest.raises(DataError, match="of a, b and, flipped, of a, expected the same networks"):
        dataclasses.replace(right, flipped={"a": SAME})
