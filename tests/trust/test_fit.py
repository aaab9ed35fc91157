"""What is learnt from rows made by a known rule, and the conformal quantile against crepes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.errors import DataError
from brainseg.trust.features import FEATURES
from brainseg.trust.fit import conformal_quantile, fit, levels, out_of_fold, tell
from brainseg.trust.model import AT_MOST
from brainseg.trust.rows import Rows
from tests.trust.made import made

SCORES = np.array([
    0.0513, 0.114, 0.0393, 0.0755, 0.0849, 0.1385, 0.0813, 0.0367, 0.0892, 0.0443, 0.0233, 0.0669, 0.0064, 0.034,
    0.0116, 0.0934, 0.0264, 0.0832, 0.0742, 0.0424, 0.0647, 0.1058, 0.0285, 0.0084, 0.0734, 0.1252, 0.0784,
])  # fmt: skip
SPREADS = np.array([
    0.634, 0.759, 0.537, 1.759, 1.199, 0.691, 1.609, 0.793, 0.593, 1.398, 1.844, 0.54, 1.708, 0.785, 0.639, 0.527,
    0.939, 1.591, 1.24, 1.779, 0.826, 0.973, 0.887, 1.967, 1.912, 1.011, 1.154,
])  # fmt: skip


class TestConformalQuantile:
    def test_is_that_of_crepes(self):
        """crepes 0.9.1, of r = SCORES and s = SPREADS:

        ConformalRegressor().fit(r).predict_int(np.zeros(1), confidence=level)[0, 1]
        ConformalRegressor().fit(r, sigmas=s).predict_int(np.zeros(1), sigmas=np.ones(1), confidence=level)[0, 1]
        """
        assert conformal_quantile(SCORES, 0.8) == 0.0934
        assert conformal_quantile(SCORES, 0.9) == 0.1252
        assert conformal_quantile(SCORES / SPREADS, 0.8) == pytest.approx(0.12388889, abs=1e-8)
        assert conformal_quantile(SCORES / SPREADS, 0.9) == pytest.approx(0.1772296, abs=1e-7)

    def test_nine_of_ten_new_scores_stay_below_it(self):
        rng = np.random.default_rng(2)
        kept = [rng.random() <= conformal_quantile(rng.random(19)) for _ in range(4000)]
        assert np.mean(kept) == pytest.approx(0.9, abs=0.015)

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10**6), n=st.integers(1, 60))
    def test_at_least_the_level_of_its_own_scores_are_not_above_it(self, seed: int, n: int):
        scores = np.random.default_rng(seed).normal(size=n)
        assert (scores <= conformal_quantile(scores)).mean() >= min(0.9, n / (n + 1))


class TestFit:
    def test_the_feature_that_tells_is_found_and_its_weight(self):
        rows = made(noise=0.005)
        alone = fit(rows, ["members_dice"]).terms["members_dice"]
        assert alone.dice / alone.scale == pytest.approx(0.8, rel=0.1)  # Dice lost for one of the feature
        found = fit(rows, tuple(FEATURES))
        others = [term.dice for name, term in found.terms.items() if name != "members_dice"]
        assert found.terms["members_dice"].dice > 5 * max(others)
        assert len(found.terms) <= AT_MOST
        assert found.rows == 90

    def test_a_feature_that_tells_the_wrong_way_round_is_not_believed(self):
        rows = made(noise=0.005)
        turned = Rows(**vars(rows) | {"features": {**rows.features, "members_dice": -rows.features["members_dice"]}})
        found = fit(turned, ["members_dice"])
        assert found.terms == {}
        assert found.expected_dice({}) == pytest.approx(rows.dice.mean())

    def test_out_of_fold_dice_is_told_and_bounds_hold_for_nine_of_ten(self):
        rows = made(n=300)
        told = out_of_fold(rows)
        assert np.corrcoef(told.dice, rows.dice)[0, 1] > 0.85
        assert np.abs(told.dice - rows.dice).mean() < 0.03
        assert 0.86 <= (rows.dice >= told.dice_low).mean() <= 0.94
        ratio = rows.true_volume / rows.predicted_volume
        assert 0.86 <= ((told.volume_low <= ratio) & (ratio <= told.volume_high)).mean() <= 0.94

    def test_the_interval_is_wider_where_networks_disagree(self):
        rows = made(n=300)
        told = out_of_fold(rows, ["members_dice"])
        width = np.log(told.volume_high / told.volume_low)
        assert np.corrcoef(width, -rows.features["members_dice"])[0, 1] > 0.8

    def test_a_folds_own_truth_has_no_say_in_what_is_told_of_it(self):
        rows = made()
        worse = rows.dice.copy()
        worse[rows.fold == "2"] = 0.1
        changed = out_of_fold(Rows(**vars(rows) | {"dice": worse}))
        same = rows.fold == "2"
        assert (changed.dice[same] == out_of_fold(rows).dice[same]).all()
        assert (changed.dice[~same] != out_of_fold(rows).dice[~same]).any()

    def test_nothing_is_expected_of_an_empty_mask_and_nothing_learnt_from_it(self):
        rows = made()
        volumes = rows.predicted_volume.copy()
        volumes[:3] = 0
        empty = Rows(**vars(rows) | {"predicted_volume": volumes})
        learnt = fit(empty, tuple(FEATURES))
        assert learnt == fit(rows.of(np.arange(3, len(rows))), tuple(FEATURES))
        told = tell(learnt, empty)
        assert (told.dice[:3] == 0).all()
        assert (told.dice_low[:3] == 0).all()
        assert (told.dice[3:] > 0).all()

    def test_a_single_fold_is_refused(self):
        with pytest.raises(DataError, match="the rows are of 1 fold, expected two or more"):
            fit(made(folds=1), tuple(FEATURES))

    def test_constant_features_do_no_harm(self):
        rows = made()
        constant = {name: np.ones(len(rows)) for name in rows.features}
        found = fit(Rows(**vars(rows) | {"features": constant}), tuple(FEATURES))
        assert found.terms == {}


class TestLevels:
    def test_by_hand(self):
        expected = np.array([0.95, 0.9, 0.85, 0.8, 0.75, 0.6, 0.5])
        real = np.array([0.9, 0.9, 0.85, 0.75, 0.8, 0.65, 0.6])
        # of the two worst both stay below 0.7, of the three worst two, of the four worst two, of the five two
        found = levels(expected, real, bound=0.5)
        assert found.unreliable == 0.8
        assert found.good - 0.5 * (1.05 - found.good) == pytest.approx(0.8)  # its own lower bound

    def test_where_none_fails_a_dice_expected_below_seven_tenths_is_unreliable(self):
        assert levels(np.array([0.9, 0.8]), np.array([0.9, 0.8]), bound=0.0).model_dump() == pytest.approx(
            {"good": 0.8, "unreliable": 0.7}
        )

    def test_where_all_fail_no_more_is_good_than_is_reliable(self):
        failed = levels(np.array([0.9, 0.88]), np.array([0.2, 0.1]), bound=0.1)
        assert failed.unreliable == failed.good == 0.9
