"""What is said of one mask, and what is known beside its features."""

from __future__ import annotations

import numpy as np
import pytest

from brainseg.trust.model import Calibration, load_calibrations
from brainseg.trust.trust import Cap, Trust, judge
from tests.trust.drawn import SAME, WIDER, block, opinions

SLICES = np.arange(10, 18)
PLAIN = Calibration.model_validate({
    "rows": 9,
    "terms": {"members_dice": {"good": 1.0, "scale": 0.1, "most": 9.0, "seen": 9.0, "dice": 0.1, "volume": 0.0}},
    "dice": 0.9,
    "dice_bound": 1.0,
    "dice_floor": 0.05,
    "volume_bias": 0.0,
    "volume_spread": 0.1,
    "volume_bound": 1.0,
    "levels": {"good": 0.85, "unreliable": 0.6},
})  # fmt: skip


def said(first: np.ndarray, second: np.ndarray, *caps: Cap) -> Trust:
    return judge(opinions(first, second), PLAIN, SLICES, volume=1600, brain=20_000, voxel_ml=0.01, caps=caps)


def test_of_networks_that_agree_all_is_good():
    found = said(SAME, SAME)
    assert (found.level, found.reasons, found.doubtful_slices) == ("good", (), ())
    assert (found.dice, found.dice_low) == pytest.approx((0.9, 0.75))
    assert found.volume_low < 1600 < found.volume_high


def test_the_slices_that_are_in_doubt_are_numbered_as_the_user_knows_them():
    part = SAME.copy()
    part[4:6, 20:40, 27:40] = 0
    found = said(SAME, part)
    assert found.level != "good"
    assert found.doubtful_slices == (14, 15)
    assert any("slices 14 to 15" in reason for reason in found.reasons)
    content = found.as_json()
    assert content["doubtful_slices"] == [14, 15]
    assert set(content) >= {"dice", "dice_low", "level", "volume_low", "volume_high", "volume_low_ml", "reasons"}


def test_other_networks_are_never_good_and_what_was_insisted_on_is_unreliable():
    check = said(SAME, SAME, ("these are others", "check"))
    assert (check.level, check.reasons, check.dice) == ("check", ("these are others",), pytest.approx(0.9))
    insisted = said(SAME, SAME, ("it looks like a T1", "unreliable"), ("these are others", "check"))
    assert (insisted.level, insisted.dice, insisted.dice_low) == ("unreliable", 0, 0)
    assert (insisted.volume_low, insisted.volume_high) == (0, 20_000)
    assert insisted.reasons[0] == "it looks like a T1"
    assert said(SAME, WIDER, ("these are others", "check")).level == said(SAME, WIDER).level == "check"


def test_the_shipped_constants_are_whole_and_trust_more_where_networks_agree():
    shipped = load_calibrations()
    assert len(shipped.patients) == max(of.rows for of in shipped.setups.values()) > 20
    for name, calibration in shipped.setups.items():
        args = {"volume": 1600, "brain": 20_000, "voxel_ml": None}
        agree = judge(opinions(SAME, SAME), calibration, SLICES, **args)
        differ = judge(opinions(SAME, block(slice(20, 40), slice(34, 54))), calibration, SLICES, **args)
        assert agree.dice > differ.dice, name
        assert differ.level != "good", name
        assert differ.dice_low <= differ.dice, name
