"""Sentences for masks drawn by hand, and what is said of a mask as a whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from brainseg.trust.features import FEATURES, features
from brainseg.trust.model import Calibration, Levels, Term
from brainseg.trust.opinions import Opinions
from brainseg.trust.reasons import EMPTY, REASONS, runs
from brainseg.trust.trust import Trust, judge
from tests.trust.drawn import SAME, TISSUE, block, opinions

NUMBERS = np.arange(11, 19)


def calibration(**costs: float) -> Calibration:
    """What good networks' masks are held against; each feature named costs so much a distance of 1."""
    best = features(opinions(SAME, SAME, (SAME, SAME)))
    terms = {
        name: Term(good=best[name], scale=0.1, most=10.0, seen=9.0, dice=costs.get(name, 0.0), volume=0.0)
        for name in (
            "members_dice",
            "end_dice",
            "bright_left",
            *(set(costs) - {"members_dice", "end_dice", "bright_left"}),
        )
    }
    return Calibration(
        rows=9, terms=terms, dice=0.9, dice_bound=0.3, dice_floor=0.05, volume_bias=0.0,
        volume_spread=0.1, volume_bound=1.0, levels=Levels(good=0.85, unreliable=0.7),
    )  # fmt: skip


def judged(seen: Opinions, **costs: float) -> Trust:
    volume, brain = int(seen.mask.sum()), int(seen.brain.sum())
    return judge(seen, calibration(**costs), NUMBERS, volume=volume, brain=brain, voxel_ml=None)


def test_every_feature_belongs_to_one_reason():
    assert sorted(name for reason in REASONS for name in reason.features) == sorted(FEATURES)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([7], "slice 7"),
        ([3, 4], "slices 3 to 4"),
        ([3, 20, 21, 22], "slices 3 and 20 to 22"),
        ([1, 2, 4, 5, 7, 9, 10, 11], "slices 1 to 2, 4 to 5 and 9 to 11 and others"),
    ],
)
def test_slices_are_named_in_runs(numbers: list[int], words: str):
    assert runs(np.array(numbers)) == words


def test_nothing_is_said_of_a_good_mask():
    found = judged(opinions(SAME, SAME, missing=2), members_dice=0.1)
    assert (found.level, found.reasons) == ("good", ())
    assert found.dice == pytest.approx(0.9)


def test_slices_in_which_networks_disagree_are_named_by_the_scans_numbers():
    longer = block(slice(20, 40), slice(20, 40), slice(2, 8))  # slices 13 to 18, the last two by one network alone
    found = judged(opinions(SAME, longer), members_dice=0.05, end_dice=0.001)
    assert found.level == "check"
    assert found.reasons[0] == "both networks disagree on slices 17 to 18"
    assert not [text for text in found.reasons[1:] if "17 to 18" in text]  # though it is where the tumour ends


def test_an_end_with_little_tumour_is_named_where_networks_disagree_on_it():
    tip = block(slice(29, 31), slice(29, 31), slice(6, 7))  # slice 17
    found = judged(opinions(SAME, np.maximum(SAME, tip)), end_dice=5.0)
    assert "both networks disagree on where the tumour ends: slice 17" in found.reasons


def test_a_part_that_one_network_alone_sees_is_named_unless_its_slices_are_already():
    part = {"rows": slice(44, 58), "columns": slice(44, 58), "value": 1.0}
    beside = np.maximum(SAME, block(planes=slice(2, 4), **part))  # slices 13 and 14, as the tumour of both networks
    found = judged(opinions(SAME, beside), members_dice=0.1).reasons
    assert "both networks disagree on whether there is tumour on slices 13 to 14" in found
    above = np.maximum(SAME, block(planes=slice(6, 8), **part))  # slices 17 and 18, where only this part is
    found = judged(opinions(SAME, above), members_dice=0.1).reasons
    assert found[0] == "both networks disagree on slices 17 to 18"
    assert not [text for text in found[1:] if "17 to 18" in text]


def test_the_reason_that_costs_most_comes_first():
    whole = opinions(SAME, block(slice(20, 40), slice(20, 40), slice(2, 8)))
    whole.flair[2:6, 20:32, 44:52] = 150
    first = judged(whole, members_dice=0.05).reasons
    assert first[0].startswith("both networks disagree")
    other = judged(whole, bright_left=0.3).reasons
    assert other[0] == "brain as bright as the tumour is not marked on slices 13 to 16"
    assert set(first) == set(other)


def test_a_tumour_that_hardly_stands_out_and_missing_sequences_are_said():
    whole = opinions(SAME, block(slice(20, 40), slice(20, 50)), missing=2)
    whole.flair[:] = TISSUE
    whole.flair[:, :30] += 30
    found = judged(whole, members_dice=0.1).reasons
    assert "the FLAIR is hardly brighter in the tumour than around it" in found
    assert "no sequence beside FLAIR" in found


def test_a_costly_feature_without_a_sentence_of_its_own_is_said_as_it_is():
    wider = block(slice(20, 40), slice(20, 43))
    found = judged(opinions(SAME, wider), members_dice=0.1)
    assert found.reasons == ("Dice of two networks' masks, mean over pairs: 0.93 (good masks: 1.00)",)


def test_an_empty_mask_has_one_reason():
    nothing = np.zeros_like(SAME)
    found = judged(opinions(nothing, nothing))
    assert (found.level, found.reasons) == ("unreliable", (EMPTY,))


def test_what_is_worse_than_in_all_rows_is_said_to_be_unlike_them():
    wider = opinions(SAME, block(slice(20, 40), slice(20, 50)))
    known = calibration(members_dice=0.01)
    narrow = known.terms["members_dice"].model_copy(update={"seen": 1.0})
    strict = known.model_copy(
        update={"terms": known.terms | {"members_dice": narrow}, "levels": Levels(good=0.8, unreliable=0.7)}
    )
    found = judge(wider, strict, NUMBERS, volume=1600, brain=10**5, voxel_ml=None)
    assert found.dice > 0.8
    assert found.level == "check"
    assert found.reasons[-1] == "unlike the training scans: Dice of two networks' masks, mean over pairs is 0.80"


def test_one_network_is_said_to_disagree_with_its_mirror_image():
    both = opinions(SAME, SAME, (SAME, SAME))
    other = block(slice(20, 40), slice(31, 51))
    alone = dataclasses.replace(both, plain={"a": SAME}, flipped={"a": other})
    found = judged(alone, members_dice=0.05)
    assert found.reasons[0].startswith("a network's views of scan and mirror image disagree on slices 13 to 16")
    assert "a network marks other brain when the scan is mirrored" in found.reasons
