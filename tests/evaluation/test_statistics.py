import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from brainseg.data.slices import SliceSet
from brainseg.errors import DataError, ParamsError
from brainseg.evaluation.metrics import evaluate
from brainseg.evaluation.statistics import EvaluateParams, bootstrap_ci, paired, summarise
from brainseg.params import shipped_section, validate

PARAMS = shipped_section("evaluate", EvaluateParams, bootstrap=500)


def row_of(pixels, width=16):
    """A slice of one row of which the first `pixels` are tumour."""
    return (np.arange(width) < pixels)[None]


def evaluation(truth_px, predicted_px):
    """patient -> pixels of each slice, of truth and prediction."""
    truths, predictions = {}, {}
    for patient, pixels in truth_px.items():
        masks = np.stack([row_of(n) for n in pixels])
        images = np.zeros((*masks.shape, 3), np.uint8)
        truths[patient] = SliceSet(images, masks, np.ones(masks.shape, bool), np.arange(len(masks)))
        predictions[patient] = np.stack([row_of(n) for n in predicted_px[patient]])
    return evaluate(truths, predictions)


class TestBootstrap:
    def test_is_the_plain_percentile_bootstrap_of_the_mean(self):
        values = np.random.default_rng(3).beta(8, 2, 13)
        draws = np.random.default_rng(77).integers(0, 13, (20_000, 13))
        expected = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
        assert bootstrap_ci(values, 20_000, seed=5) == pytest.approx(expected, abs=2e-3)

    def test_agrees_with_the_normal_approximation_on_many_patients(self):
        values = np.random.default_rng(0).normal(0.8, 0.1, 400)
        half = 1.96 * values.std() / 20
        expected = (values.mean() - half, values.mean() + half)
        assert bootstrap_ci(values, 5000, 1) == pytest.approx(expected, abs=1e-3)

    def test_two_values_known_answer(self):
        # means are 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4: the outer 2.5% are 0 and 1
        assert bootstrap_ci([0.0, 1.0], 2000, 0) == (0.0, 1.0)

    def test_same_seed_same_interval(self):
        values = np.random.default_rng(1).random(9)
        assert bootstrap_ci(values, 300, 4) == bootstrap_ci(values, 300, 4)
        assert bootstrap_ci(values, 300, 4) != bootstrap_ci(values, 300, 5)

    def test_without_spread_the_interval_is_the_value(self):
        assert bootstrap_ci([0.7], 500, 0) == (0.7, 0.7)
        assert bootstrap_ci([0.7] * 5, 500, 0) == pytest.approx((0.7, 0.7))

    @settings(max_examples=20, deadline=None)
    @given(values=st.lists(st.floats(0, 1), min_size=2, max_size=15), seed=st.integers(0, 99))
    def test_stays_within_the_values(self, values, seed):
        low, high = bootstrap_ci(values, 200, seed)
        assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12


class TestPaired:
    def test_known_answers(self):
        """Changes +1, +2, +3, -4 (tenths): ranks 1 to 4, so the effect is (1 + 2 + 3 - 4) / 10."""
        found = paired([0.1, 0.2, 0.3, 0.9], [0.2, 0.4, 0.6, 0.5], 500, 1)
        assert (found.n, found.better, found.worse) == (4, 3, 1)
        assert found.difference == pytest.approx(0.05)
        assert found.effect == pytest.approx(0.2)
        assert found.p == pytest.approx(0.875)  # of 16 sign patterns 14 have a rank sum as far from 5 as 4 is
        assert found.verdict == "not told apart"

    def test_is_scipys_wilcoxon_and_the_bootstrap_of_the_changes(self):
        rng = np.random.default_rng(5)
        a, b = rng.random(20), rng.random(20) + 0.4
        found = paired(a, b, 1000, 3)
        assert found.p == wilcoxon(b - a).pvalue
        assert (found.low, found.high) == bootstrap_ci(b - a, 1000, 3)
        assert found.verdict == "better"
        back = paired(b, a, 1000, 3)
        assert back.verdict == "worse"
        assert (back.effect, back.difference) == pytest.approx((-found.effect, -found.difference))

    def test_without_any_change_nothing_is_told(self):
        found = paired([0.5, 0.6], [0.5, 0.6], 200, 0)
        assert (found.difference, found.p, found.effect, found.verdict) == (0, 1, 0, "not told apart")

    def test_one_patient_is_never_enough(self):
        assert paired([0.1], [0.9], 200, 0).verdict == "not told apart"

    def test_patients_must_pair(self):
        with pytest.raises(DataError, match="3 and 2 patients cannot be paired"):
            paired([1, 2, 3], [1, 2], 200, 0)
        with pytest.raises(DataError, match="0 and 0 patients"):
            paired([], [], 200, 0)


class TestSummarise:
    def test_known_answers(self):
        found = summarise(
            evaluation(
                {"a": [8, 4, 0, 0], "b": [4, 0], "c": [2]},
                {"a": [8, 0, 2, 0], "b": [4, 0], "c": [6]},
            ),
            PARAMS,
            seed=1,
        )
        assert found["slice"] == {  # of the labelled slices: 8|8, 4|0, 4|4, 2|6
            "dice": pytest.approx((1 + 0 + 1 + 0.5) / 4),
            "iou": pytest.approx((1 + 0 + 1 + 1 / 3) / 4),
            "precision": pytest.approx((1 + 0 + 1 + 1 / 3) / 4),
            "recall": pytest.approx(3 / 4),
            "dice_ci95_low": 0.5,  # a: 8|8, 4|0; b: 4|4; c: 2|6, each with its slices: c alone and b alone are the ends
            "dice_ci95_high": 1.0,
            "n": 4,
        }
        dice = [16 / 22, 1.0, 0.5]
        volume = found["volume"]
        assert volume["dice_mean"] == pytest.approx(np.mean(dice))
        assert volume["dice_median"] == pytest.approx(16 / 22)
        assert (volume["dice_min"], volume["n"]) == (0.5, 3)
        assert volume["iou_mean"] == pytest.approx((8 / 14 + 1 + 1 / 3) / 3)
        assert volume["precision_mean"] == pytest.approx((8 / 10 + 1 + 1 / 3) / 3)
        assert volume["recall_mean"] == pytest.approx((8 / 12 + 1 + 1) / 3)
        diagonal = math.hypot(1, 16)
        # a: 0 and two slices at the diagonal; c: outlines of one row, the 6th pixel 4 px from the 2nd
        hd95_c = np.percentile([0, 0, 1, 2, 3, 4], 95)
        assert volume["hd95_px_mean"] == pytest.approx((2 * diagonal / 3 + 0 + hd95_c) / 3, abs=1e-5)
        assert volume["nsd_2px_mean"] == pytest.approx((1 / 3 + 1 + 6 / 8) / 3)
        assert (volume["dice_ci95_low"], volume["dice_ci95_high"]) == bootstrap_ci([16 / 22, 1, 0.5], 500, 1)
        assert found["empty_slices"] == {"false_positive_rate": pytest.approx(1 / 3), "n": 3}
        assert found["slice_cases"] == {"both_present": 3, "missed": 1, "false_alarm": 1, "both_empty": 2}

    def test_volume_keys_are_the_interface(self):
        volume = summarise(evaluation({"a": [1]}, {"a": [1]}), PARAMS, 0)["volume"]
        assert set(volume) == {
            "dice_mean", "dice_median", "dice_min", "dice_ci95_low", "dice_ci95_high", "iou_mean",
            "precision_mean", "recall_mean", "hd95_px_mean", "nsd_2px_mean", "n",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("truth", "predicted", "n_slice", "n_empty", "rate"),
        [([0, 0], [0, 3], 0, 2, 0.5), ([3, 3], [0, 3], 2, 0, 0.0), ([0], [0], 0, 1, 0.0)],
    )
    def test_means_over_nothing_are_finite_and_counted(self, truth, predicted, n_slice, n_empty, rate):
        found = summarise(evaluation({"a": truth}, {"a": predicted}), PARAMS, 0)
        json.dumps(found, allow_nan=False)
        assert found["slice"]["n"] == n_slice
        assert found["empty_slices"] == {"false_positive_rate": rate, "n": n_empty}
        if n_slice == 0:
            assert found["slice"]["dice"] == 0.0


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"bootstrap": 99}, "evaluate.bootstrap is 99: .*greater than or equal to 100"),
        ({"bootstrap": 2000.5}, "valid integer"),
        ({"overlays": 0}, "evaluate.overlays is 0"),
        ({"overlay": 3}, "did you mean 'overlays'"),
    ],
)
def test_bad_params_are_named(raw, message):
    with pytest.raises(ParamsError, match=message):
        validate(raw, EvaluateParams, "params.yaml: evaluate")
