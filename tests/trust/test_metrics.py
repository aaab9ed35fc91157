"""Figures of trust, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from brainseg.errors import DataError
from brainseg.trust.metrics import (
    augrc,
    aurc,
    auroc,
    coverage,
    dice_of_most_trusted,
    figures,
    interval,
    mean_absolute_error,
    median_width,
    pearson,
)

REAL = np.array([0.9, 0.8, 0.6, 0.5])
SWAPPED = np.array([0.9, 0.6, 0.8, 0.5])  # expected: the second and the third in the wrong order


def test_areas_by_hand():
    # losses in the order of trust are 0.1, 0.4, 0.2, 0.5; their sums 0.1, 0.5, 0.7, 1.2
    assert aurc(SWAPPED, REAL) == pytest.approx((0.1 + 0.5 / 2 + 0.7 / 3 + 1.2 / 4) / 4)
    assert augrc(SWAPPED, REAL) == pytest.approx((0.1 + 0.5 + 0.7 + 1.2) / 4 / 4)
    # the oracle's losses are 0.1, 0.2, 0.4, 0.5
    assert aurc(REAL, REAL) == pytest.approx((0.1 + 0.3 / 2 + 0.7 / 3 + 1.2 / 4) / 4)
    assert augrc(REAL, REAL) == pytest.approx((0.1 + 0.3 + 0.7 + 1.2) / 4 / 4)


def test_by_chance_the_areas_are_what_all_orders_give_on_the_mean():
    constant = np.zeros(4)
    assert aurc(constant, REAL) == pytest.approx(0.3)
    assert augrc(constant, REAL) == pytest.approx(0.3 * 5 / 8)
    rng = np.random.default_rng(1)
    orders = [rng.permutation(4).astype(float) for _ in range(4000)]
    assert np.mean([aurc(order, REAL) for order in orders]) == pytest.approx(aurc(constant, REAL), abs=5e-3)
    assert np.mean([augrc(order, REAL) for order in orders]) == pytest.approx(augrc(constant, REAL), abs=5e-3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30))
def test_the_oracle_is_never_beaten_and_the_areas_do_not_depend_on_the_order_of_rows(seed: int, n: int):
    rng = np.random.default_rng(seed)
    real, expected = rng.random(n), rng.integers(0, 5, n) / 4
    order = rng.permutation(n)
    for area in (aurc, augrc):
        assert area(real, real) <= area(expected, real) + 1e-12
        assert area(expected[order], real[order]) == pytest.approx(area(expected, real))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 40))
def test_auroc_is_scikit_learns(seed: int, n: int):
    rng = np.random.default_rng(seed)
    expected, failed = rng.integers(0, 6, n) / 5, rng.random(n) < 0.4
    failed[:2] = True, False
    assert auroc(expected, failed) == pytest.approx(roc_auc_score(failed, -expected))


def test_figures_that_do_not_exist_are_nan():
    assert np.isnan(auroc(REAL, REAL < 0.1))
    assert np.isnan(auroc(REAL, REAL < 1))
    assert np.isnan(pearson(np.full(4, 0.3), REAL))


def test_small_figures_by_hand():
    assert pearson(2 * REAL + 1, REAL) == pytest.approx(1)
    assert pearson(SWAPPED, REAL) == pytest.approx(np.corrcoef(SWAPPED, REAL)[0, 1])
    assert mean_absolute_error(SWAPPED, REAL) == pytest.approx(0.1)
    five = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
    assert dice_of_most_trusted(five, five) == pytest.approx(0.75)  # four of five
    assert dice_of_most_trusted(-five, five) == pytest.approx(0.65)
    assert coverage(np.array([0, 2, 3]), np.array([1, 3, 4]), np.array([0, 1, 4])) == pytest.approx(2 / 3)
    assert median_width(np.array([0.5, 1, 1]), np.array([2, 1.21, 9])) == 2


def test_intervals_draw_patients_whole_and_are_the_percentiles():
    real = np.random.default_rng(0).random(40)
    found = interval(lambda a, b: float((a - b).mean()), real, real, seed=3)
    assert found == {"value": 0, "ci95_low": 0, "ci95_high": 0}
    mean = interval(lambda a: float(a.mean()), real, seed=3)
    draws = np.random.default_rng(77).integers(0, 40, (20_000, 40))
    expected = np.quantile(real[draws].mean(1), [0.025, 0.975])
    assert (mean["ci95_low"], mean["ci95_high"]) == pytest.approx(expected, abs=6e-3)
    assert interval(pearson, real, real**2, seed=4) == interval(pearson, real, real**2, seed=4)


def test_resamples_without_a_failure_are_left_out_and_a_figure_of_none_is_refused():
    failed = np.array([True, False, False, False])
    found = interval(auroc, REAL, failed, seed=1, resamples=200)
    assert (found["value"], found["ci95_low"], found["ci95_high"]) == (0, 0, 0)
    with pytest.raises(DataError, match="auroc does not exist for these patients"):
        interval(auroc, REAL, REAL > 2, seed=1)


def test_the_table_has_oracle_and_chance_beside_each_area_and_counts_beside_each_failure():
    found = figures(SWAPPED, REAL, seed=1, resamples=100)
    assert found["n"] == 4
    assert (found["n_dice_below_070"], found["n_dice_below_080"]) == (2, 2)
    assert found["auroc_dice_below_070"]["value"] == pytest.approx(0.75)
    assert found["aurc_oracle"] < found["aurc"]["value"]
    assert found["augrc_chance"] == pytest.approx(0.3 * 5 / 8)
    assert found["dice_of_80_percent_chance"] == pytest.approx(0.7)
    assert "auroc_dice_below_070" not in figures(np.array([0.8, 0.9]), np.array([0.9, 0.95]), seed=1, resamples=100)
