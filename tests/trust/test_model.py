"""Constants by hand, and files that are no calibration."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from brainseg.errors import DataError, ParamsError
from brainseg.trust.model import Calibration, load_calibrations
from brainseg.trust.setups import SETUPS
from brainseg.trust.trust import trust_in

CONSTANTS = {
    "rows": 88,
    "terms": {
        "members_dice": {"good": 0.95, "scale": 0.1, "most": 6.0, "seen": 3.0, "dice": 0.1, "volume": 0.05},
        "volume_gap": {"good": 0.1, "scale": 0.2, "most": 4.0, "seen": 2.0, "dice": 0.05, "volume": 0.0},
    },
    "dice": 0.92,
    "dice_bound": 0.5,
    "dice_floor": 0.05,
    "volume_bias": 0.02,
    "volume_spread": 0.1,
    "volume_bound": 1.5,
    "levels": {"good": 0.85, "unreliable": 0.7},
}


FILE = {
    "made_from": "metrics/rows.csv",
    "rows_sha256": "0" * 64,
    "patients": ["p"],
    "setups": {name: CONSTANTS for name in SETUPS},
}


def calibration(**changes: object) -> Calibration:
    return Calibration.model_validate(copy.deepcopy(CONSTANTS) | changes)


def seen(members_dice: float = 0.95, volume_gap: float = 0.1) -> dict[str, float]:
    return {"members_dice": members_dice, "volume_gap": volume_gap}


def test_expected_dice_by_hand():
    found = calibration()
    assert found.expected_dice(seen()) == pytest.approx(0.92)
    assert found.expected_dice(seen(0.85)) == pytest.approx(0.82)
    assert found.expected_dice(seen(0.85, 0.5)) == pytest.approx(0.72)
    assert found.expected_dice(seen(1.0, 0.0)) == pytest.approx(0.92)  # better than good is good
    assert found.expected_dice(seen(-9, 0.1)) == pytest.approx(0.92 - 6 * 0.1)  # no feature counts for more than `most`
    assert found.expected_dice(seen(-9, 9)) == pytest.approx(0.92 - 0.6 - 0.2)
    columns = {name: np.array([value, value]) for name, value in seen(0.85).items()}
    assert found.expected_dice(columns).tolist() == pytest.approx([0.82, 0.82])


def test_bounds_by_hand():
    found = calibration()
    assert found.dice_low(np.array(0.82)) == pytest.approx(0.82 - 0.5 * (0.05 + 0.18))
    assert found.dice_low(np.array(0.0)) == 0
    low, high = found.volume_factors(seen(0.85))
    half = 1.5 * (0.1 + 0.05)
    assert (low, high) == pytest.approx((np.exp(0.02 - half), np.exp(0.02 + half)))


def test_the_volume_itself_always_lies_in_its_interval():
    low, high = calibration(volume_bias=0.9).volume_factors(seen())
    assert low == 1 < high


def test_a_worse_feature_never_raises_the_expected_dice():
    found = calibration()
    line = found.expected_dice({"members_dice": np.linspace(1, 0, 50), "volume_gap": np.full(50, 0.2)})
    assert (np.diff(line) <= 0).all()


@pytest.mark.parametrize(("dice", "level"), [(0.85, "good"), (0.849, "check"), (0.7, "check"), (0.699, "unreliable")])
def test_levels_begin_at_their_limits(dice: float, level: str):
    assert calibration(dice=dice).level(seen()) == level


def test_a_mask_unlike_the_rows_is_named_and_never_good():
    found = calibration(levels={"good": 0.5, "unreliable": 0.1})
    assert found.unlike(seen(0.65, 0.5)) == []  # distances of 3 and 2: as far as the rows went
    assert found.level(seen(0.65, 0.5)) == "good"
    assert found.unlike(seen(0.6, 0.5)) == ["members_dice"]
    assert found.level(seen(0.6, 0.5)) == "check"


class TestTrust:
    def test_has_the_form_of_the_interface(self):
        plain = trust_in(seen(0.85), calibration(), volume=10_000, brain=10**6, voxel_ml=0.005)
        found = dataclasses.replace(plain, reasons=("the networks disagree",))
        half = 1.5 * 0.15
        low, high = int(10_000 * np.exp(0.02 - half)), round(10_000 * np.exp(0.02 + half))
        assert found.as_json() == {
            "dice": 0.82,
            "dice_low": 0.705,
            "level": "check",
            "volume_low": low,
            "volume_high": high,
            "volume_low_ml": pytest.approx(low * 0.005),
            "volume_high_ml": pytest.approx(high * 0.005),
            "reasons": ["the networks disagree"],
            "doubtful_slices": [],
        }
        json.dumps(found.as_json(), allow_nan=False)

    def test_without_spacing_there_are_no_millilitres(self):
        found = trust_in(seen(), calibration(), volume=100, brain=10**6, voxel_ml=None).as_json()
        assert set(found) == {"dice", "dice_low", "level", "volume_low", "volume_high", "reasons", "doubtful_slices"}
        assert isinstance(found["volume_low"], int)
        assert isinstance(found["volume_high"], int)

    def test_an_empty_mask_is_unreliable_and_the_tumour_may_have_any_volume(self):
        found = trust_in(seen(), calibration(), volume=0, brain=1000, voxel_ml=None)
        assert (found.dice, found.dice_low, found.level) == (0, 0, "unreliable")
        assert (found.volume_low, found.volume_high) == (0, 1000)

    def test_no_tumour_is_larger_than_the_brain_nor_its_interval_without_its_mask(self):
        assert trust_in(seen(), calibration(), volume=900, brain=1000, voxel_ml=None).volume_high == 1000
        assert trust_in(seen(), calibration(), volume=1100, brain=1000, voxel_ml=None).volume_high == 1100


class TestFile:
    def write(self, tmp_path: Path, content: object) -> Path:
        path = tmp_path / "calibration.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def of(self, constants: object) -> dict[str, object]:
        return FILE | {"setups": {name: constants for name in SETUPS}}

    def test_is_read_back(self, tmp_path: Path):
        found = load_calibrations(self.write(tmp_path, FILE))
        assert (found.patients, found.setups) == (["p"], dict.fromkeys(SETUPS, calibration()))

    @pytest.mark.parametrize("key", CONSTANTS)
    def test_every_constant_is_needed(self, tmp_path: Path, key: str):
        rest = {name: value for name, value in CONSTANTS.items() if name != key}
        with pytest.raises(ParamsError, match=rf"calibration\.json\.setups\.ensemble\+flips\.{key} is missing"):
            load_calibrations(self.write(tmp_path, self.of(rest)))

    def test_every_constant_of_a_feature_is_needed(self, tmp_path: Path):
        content = copy.deepcopy(CONSTANTS)
        del content["terms"]["volume_gap"]["scale"]
        with pytest.raises(ParamsError, match=r"terms\.volume_gap\.scale is missing"):
            load_calibrations(self.write(tmp_path, self.of(content)))

    def test_every_setup_is_needed(self, tmp_path: Path):
        with pytest.raises(ParamsError, match=r"it has unet, expected ensemble\+flips, ensemble, unet\+flips, unet, "):
            load_calibrations(self.write(tmp_path, FILE | {"setups": {"unet": CONSTANTS}}))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"terms": {"luck": CONSTANTS["terms"]["volume_gap"]}}, "there is no feature luck, known are members_dice"),
            ({"rows": 0}, "rows is 0"),
            ({"terms": {"peak": CONSTANTS["terms"]["volume_gap"] | {"dice": -0.1}}}, "terms.peak.dice is -0.1"),
            ({"more": 1}, "unknown key .*more"),
        ],
    )
    def test_constants_that_cannot_be_are_refused(self, tmp_path: Path, change: dict[str, object], message: str):
        with pytest.raises(ParamsError, match=message):
            load_calibrations(self.write(tmp_path, self.of(CONSTANTS | change)))

    def test_a_digest_that_is_none_is_refused(self, tmp_path: Path):
        with pytest.raises(ParamsError, match="rows_sha256 is 'abc'"):
            load_calibrations(self.write(tmp_path, FILE | {"rows_sha256": "abc"}))

    def test_a_missing_or_damaged_file_is_one_sentence(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"nowhere\.json.* cannot be read \(it does not exist\)"):
            load_calibrations(tmp_path / "nowhere.json")
        with pytest.raises(DataError, match="cannot be read"):
            load_calibrations(self.write(tmp_path, "{"))
