import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from brainseg.errors import DataError
from brainseg.evaluation.calibration import (
    average_precision,
    count_levels,
    expected_calibration_error,
    precision_recall,
    reliability,
)

VOLUME = (3, 20, 20)


def volume(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(VOLUME) < 0.3
    noisy = np.clip(0.6 * truth + rng.normal(0.2, 0.2, VOLUME), 0, 1)
    return np.rint(noisy * 255).astype(np.uint8), truth, rng.random(VOLUME) < 0.8


def test_counts_by_hand():
    probability = np.array([[[0, 0, 255, 10]]], np.uint8)
    truth = np.array([[[False, True, True, False]]])
    brain = np.array([[[True, False, True, False]]])  # tumour that brain extraction cut counts, other pixels do not
    counts = count_levels(probability, truth, brain)
    assert counts.sum() == 3
    assert (counts[0, 0], counts[1, 0], counts[1, 255]) == (1, 1, 1)


def test_reliability_by_hand():
    """A bin of 0.2 with a tenth tumour and one of 0.8 with nine tenths: both off by 0.1."""
    counts = np.zeros((2, 256), np.int64)
    counts[:, 51] = 90, 10
    counts[:, 204] = 10, 90
    table = reliability(counts)
    assert table["probability"].tolist() == pytest.approx([0.2, 0.8])
    assert table["tumour"].tolist() == pytest.approx([0.1, 0.9])
    assert table["pixels"].tolist() == [100, 100]
    assert all(table["low"] <= table["probability"])
    assert all(table["probability"] <= table["high"])
    assert expected_calibration_error(counts) == pytest.approx(0.1)


def test_the_bins_cover_everything_and_certainty_is_in_the_last():
    counts = np.ones((2, 256), np.int64)
    table = reliability(counts)
    assert (len(table), table["pixels"].sum(), table["high"].iloc[-1]) == (15, 512, 1)
    counts = np.zeros((2, 256), np.int64)
    counts[1, 255] = 7
    assert expected_calibration_error(counts) == 0
    assert reliability(counts)["low"].tolist() == pytest.approx([14 / 15])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_precision_recall_is_scikit_learns(seed):
    probability, truth, brain = volume(seed)
    inside = brain | truth
    counts = count_levels(probability, truth, brain)
    precision, recall, threshold = precision_recall_curve(truth[inside], probability[inside])
    table = precision_recall(counts)
    assert table["threshold"].tolist() == pytest.approx((threshold / 255).tolist())
    np.testing.assert_allclose(table["precision"], precision[:-1])
    np.testing.assert_allclose(table["recall"], recall[:-1])
    assert average_precision(counts) == pytest.approx(average_precision_score(truth[inside], probability[inside]))


def test_without_tumour_there_is_no_curve():
    counts = count_levels(np.full((1, 2, 2), 9, np.uint8), np.zeros((1, 2, 2), bool), np.ones((1, 2, 2), bool))
    assert precision_recall(counts).empty
    assert average_precision(counts) == 0
    assert expected_calibration_error(np.zeros((2, 256), np.int64)) == 0


def test_other_arrays_are_refused():
    mask = np.zeros((1, 2, 2), bool)
    with pytest.raises(DataError, match="expected uint8 and one shape"):
        count_levels(np.zeros((1, 2, 2)), mask, mask)
    with pytest.raises(DataError, match="expected uint8 and one shape"):
        count_levels(np.zeros((1, 2, 3), np.uint8), mask, mask)
