import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.evaluation.components import count_components
from brainseg.evaluation.metrics import (
    METRICS,
    PATIENT_COLUMNS,
    distances,
    evaluate,
    patient_metrics,
    slice_metrics,
)
from brainseg.evaluation.overlap import EMPTY_CASES, Overlap, overlap

SHAPE = (48, 64)
DIAGONAL = 80.0  # of 48 x 64


def square(top, left, size, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[top : top + size, left : left + size] = True
    return mask


def blob(seed, shape=SHAPE):
    """A smooth random mask of about a tenth of the image."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4, mode="wrap")
    return field > np.quantile(field, 0.9)


def slice_set(masks, first=1):
    masks = np.asarray(masks)
    images = np.zeros((*masks.shape, 3), np.uint8)
    return SliceSet(images, masks, np.ones(masks.shape, bool), np.arange(first, first + len(masks)))


NONE = np.zeros(SHAPE, bool)


class TestOverlap:
    def test_hand_counted_squares(self):
        # two 10 x 10 squares that share 10 x 6 pixels
        o = overlap(square(5, 5, 10), square(5, 9, 10))
        assert (o.tp, o.fp, o.fn) == (60, 40, 40)
        assert o.dice == pytest.approx(0.6)
        assert o.iou == pytest.approx(60 / 140)
        assert o.precision == o.recall == pytest.approx(0.6)

    def test_precision_and_recall_are_not_mixed_up(self):
        o = overlap(square(5, 5, 10), square(5, 5, 5))
        assert (o.precision, o.recall) == (1.0, 0.25)

    @settings(max_examples=25, deadline=None)
    @given(a=st.integers(0, 999), b=st.integers(0, 999))
    def test_agrees_with_scikit_learn(self, a, b):
        truth, prediction = blob(a), blob(b)
        o, flat = overlap(truth, prediction), (truth.ravel(), prediction.ravel())
        assert o.dice == pytest.approx(f1_score(*flat))
        assert o.iou == pytest.approx(jaccard_score(*flat))
        assert o.precision == pytest.approx(precision_score(*flat))
        assert o.recall == pytest.approx(recall_score(*flat))

    @settings(max_examples=50, deadline=None)
    @given(tp=st.integers(0, 9), fp=st.integers(0, 9), fn=st.integers(0, 9))
    def test_identities(self, tp, fp, fn):
        o = Overlap(tp, fp, fn)
        assert o.dice == pytest.approx(2 * o.iou / (1 + o.iou))
        assert 0 <= o.iou <= min(o.precision, o.recall)
        swapped = Overlap(tp, fn, fp)
        assert (swapped.dice, swapped.precision) == (o.dice, o.recall)

    def test_bad_pairs_are_refused(self):
        with pytest.raises(DataError, match="prediction uint8"):
            overlap(NONE, NONE.astype(np.uint8))
        with pytest.raises(DataError, match=r"\(48, 64\) and the prediction bool \(3, 3\)"):
            overlap(NONE, np.zeros((3, 3), bool))


class TestEmptyCases:
    @pytest.mark.parametrize(
        ("truth", "prediction", "name", "ratio", "hd95", "nsd"),
        [
            (NONE, NONE, "both_empty", 1, 0, 1),
            (NONE, square(9, 9, 3), "false_alarm", 0, DIAGONAL, 0),
            (square(9, 9, 3), NONE, "missed", 0, DIAGONAL, 0),
            (square(9, 9, 3), square(9, 9, 3), "both_present", 1, 0, 1),
        ],
    )
    def test_every_metric_in_every_case(self, truth, prediction, name, ratio, hd95, nsd):
        row = slice_metrics(truth[None], prediction[None]).iloc[0]
        assert row["case"] == name
        assert [row[n] for n in ("dice", "iou", "precision", "recall")] == [ratio] * 4
        assert (row["hd95_px"], row["nsd_2px"]) == (hd95, nsd)

    def test_all_four_are_decided_under_different_names(self):
        assert set(EMPTY_CASES) == {(a, b) for a in (False, True) for b in (False, True)}
        assert len({case.name for case in EMPTY_CASES.values()}) == 4


def reference_distances(truth, prediction):
    """HD95 and NSD by brute force: every edge pixel against every other."""

    def edge(mask):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere(mask & ~inner).astype(float)

    a, b = edge(truth), edge(prediction)
    table = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    there, back = table.min(1), table.min(0)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return hd95, np.mean(np.concatenate([there, back]) <= 2)


class TestDistances:
    @pytest.mark.parametrize("shift", [0, 1, 2])
    def test_shifts_up_to_the_tolerance_cost_nothing_in_nsd(self, shift):
        hd95, nsd = distances(square(9, 9, 10)[None], square(9, 9 + shift, 10)[None])
        assert (hd95[0], nsd[0]) == (shift, 1)

    def test_hand_computed_shift_of_three(self):
        # Of each outline's 36 px, the outer column (10 px) is 3 px off. So are the 4 px in the middle of
        # the opposite column, inside the other square: their rows 3 to 6 of 0 to 9 are 3 or 4 rows from its
        # top and bottom, and 3 columns from its side. All others are within 2 px: 36 - 14 = 22.
        hd95, nsd = distances(square(9, 9, 10)[None], square(9, 12, 10)[None])
        assert hd95[0] == 3
        assert nsd[0] == pytest.approx(22 / 36)

    def test_two_points(self):
        truth, prediction = NONE.copy(), NONE.copy()
        truth[10, 10] = prediction[13, 14] = True
        hd95, nsd = distances(truth[None], prediction[None])
        assert (hd95[0], nsd[0]) == (5, 0)

    def test_an_outlier_below_five_per_cent_is_forgiven_in_hd95(self):
        truth, prediction = square(5, 5, 12), square(5, 5, 12)  # an outline of 44 px
        prediction[40, 60] = True  # 1 of 45
        hd95, nsd = distances(truth[None], prediction[None])
        assert hd95[0] == 0
        assert nsd[0] == pytest.approx(88 / 89)

    @settings(max_examples=30, deadline=None)
    @given(a=st.integers(0, 999), b=st.integers(0, 999))
    def test_agrees_with_brute_force(self, a, b):
        truth, prediction = blob(a), blob(b)
        hd95, nsd = distances(truth[None], prediction[None])
        assert (hd95[0], nsd[0]) == pytest.approx(reference_distances(truth, prediction), abs=1e-4)
        swapped = distances(prediction[None], truth[None])
        assert (swapped[0][0], swapped[1][0]) == pytest.approx((hd95[0], nsd[0]))
        assert 0 <= hd95[0] <= DIAGONAL

    def test_masks_that_touch_the_images_border_have_an_edge_there(self):
        truth, prediction = square(0, 0, 10), square(0, 0, 20)
        expected = reference_distances(truth, prediction)
        hd95, nsd = distances(truth[None], prediction[None])
        assert (hd95[0], nsd[0]) == pytest.approx(expected, abs=1e-4)
        assert distances(np.ones((1, 5, 5), bool), np.ones((1, 5, 5), bool))[0] == 0

    def test_slices_keep_their_places(self):
        truth = np.stack([square(5, 5, 8), NONE, square(5, 5, 8), NONE])
        prediction = np.stack([square(5, 10, 8), NONE, NONE, square(1, 1, 2)])
        hd95, nsd = distances(truth, prediction)
        assert hd95.tolist() == [5, 0, DIAGONAL, DIAGONAL]
        assert nsd.tolist()[1:] == [1, 0, 0]

    def test_a_single_slice_must_be_a_stack(self):
        with pytest.raises(DataError, match=r"\(48, 64\), expected \[n, height, width\]"):
            distances(NONE, NONE)


def measured(truth, prediction):
    return patient_metrics(slice_metrics(truth, prediction), count_components(truth, prediction))


class TestPatientMetrics:
    def test_volume_is_of_all_pixels_distances_are_means_over_drawn_slices(self):
        truth = np.stack([square(5, 5, 10), square(5, 5, 4), NONE, NONE])
        prediction = np.stack([square(5, 9, 10), NONE, square(0, 0, 2), NONE])
        found = measured(truth, prediction)
        # tp 60, fp 40 + 4, fn 40 + 16
        assert found["dice"] == pytest.approx(120 / 220)
        assert found["iou"] == pytest.approx(60 / 160)
        assert found["precision"] == pytest.approx(60 / 104)
        assert found["recall"] == pytest.approx(60 / 116)
        assert (found["tumour_px"], found["predicted_px"]) == (116, 104)
        assert found["hd95_px"] == pytest.approx((4 + 2 * DIAGONAL) / 3)
        assert found["nsd_2px"] == pytest.approx(distances(truth[:1], prediction[:1])[1][0] / 3)

    def test_parts_are_counted_under_their_own_names(self):
        truth = np.stack([square(0, 0, 4) | square(20, 20, 4) | square(40, 40, 4), NONE, NONE])
        prediction = np.stack([square(1, 1, 4), NONE, square(0, 50, 5)])
        found = measured(truth, prediction)
        names = ("components", "missed_components", "predicted_components", "false_components")
        assert [found[name] for name in names] == [3, 2, 2, 1]

    def test_the_table_says_of_each_which_way_is_better(self):
        truth = np.stack([square(5, 5, 10), square(25, 25, 8)])
        good, bad = measured(truth, truth), measured(truth, np.stack([square(5, 9, 10), square(0, 50, 3)]))
        for name, metric in METRICS.items():
            if metric.better:
                assert (good[name] > bad[name]) == (metric.better == "higher"), name
                assert good[name] != bad[name], name

    def test_nothing_to_find_and_nothing_found(self):
        found = measured(np.stack([NONE] * 2), np.stack([NONE] * 2))
        assert (found["dice"], found["hd95_px"], found["nsd_2px"], found["tumour_px"]) == (1, 0, 1, 0)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 999))
    def test_empty_slices_on_both_sides_change_nothing(self, seed):
        truth, prediction = blob(seed)[None], blob(seed + 1)[None]
        padding = np.zeros((3, *SHAPE), bool)
        padded = measured(np.concatenate([truth, padding]), np.concatenate([prediction, padding]))
        assert padded == measured(truth, prediction)


class TestEvaluate:
    def test_tables(self):
        truths = {"b": slice_set([square(5, 5, 10), NONE], first=4), "a": slice_set([NONE])}
        predictions = {"a": np.stack([square(0, 0, 2)]), "b": np.stack([square(5, 9, 10), NONE])}
        found = evaluate(truths, predictions)
        assert found.per_patient["patient"].tolist() == ["a", "b"]
        assert found.per_patient.columns.tolist() == list(PATIENT_COLUMNS)
        assert found.per_patient["dice"].tolist() == pytest.approx([0, 0.6])
        assert found.per_slice[["patient", "slice", "case"]].to_numpy().tolist() == [
            ["a", 1, "false_alarm"], ["b", 4, "both_present"], ["b", 5, "both_empty"],
        ]  # fmt: skip
        assert np.isfinite(found.per_patient.drop(columns="patient").to_numpy(float)).all()

    def test_order_of_patients_does_not_matter(self):
        truths = {name: slice_set([blob(i)]) for i, name in enumerate("abc")}
        predictions = {name: blob(i + 9)[None] for i, name in enumerate("abc")}
        forward = evaluate(truths, predictions)
        backward = evaluate(dict(reversed(truths.items())), predictions)
        pd.testing.assert_frame_equal(forward.per_patient, backward.per_patient)
        pd.testing.assert_frame_equal(forward.per_slice, backward.per_slice)

    @pytest.mark.parametrize(
        ("predictions", "message"),
        [
            ({"a": NONE[None]}, "missing for b; rerun postprocess"),
            ({"a": NONE[None], "b": NONE[None], "c": NONE[None], "d": NONE[None]}, "extra for c, d"),
            (
                {"a": NONE[None], "b": np.stack([NONE] * 2)},
                r"\(2, 48, 64\) for b, expected bool \(1, 48, 64\)",
            ),
            ({"a": NONE[None], "b": np.zeros((1, *SHAPE), np.uint8)}, "uint8 .* for b, expected bool"),
            ({"a": NONE[None], "c": NONE[None]}, "missing for b; extra for c"),
        ],
    )
    def test_missing_or_extra_predictions_are_an_error(self, predictions, message):
        truths = {"a": slice_set([NONE]), "b": slice_set([NONE])}
        with pytest.raises(DataError, match=message):
            evaluate(truths, predictions)

    def test_no_patient_is_an_error(self):
        with pytest.raises(DataError, match="no test patient"):
            evaluate({}, {})
