import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from brainseg.errors import DataError, ParamsError
from brainseg.evaluation.overlap import overlap
from brainseg.inference import postprocess
from brainseg.inference.postprocess import Choice, PostprocessParams, apply, choose, threshold_for
from brainseg.params import shipped_section, validate


def blobs(seed, shape=(6, 40, 40), count=3):
    """Smooth random blobs: probabilities in 0..1 and, at 0.5 of them, a mask."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(shape), (1, 4, 4))
    field = 0.5 + field / (count * np.abs(field).max())
    return field.astype(np.float32), field > 0.55


def empty(shape=(3, 12, 12)):
    return np.zeros(shape, np.float32)


def candidates(**changes):
    """What to try, with thresholds far apart and all steps."""
    tried = {"scale_to_peak": False, "thresholds": (0.3, 0.4, 0.5, 0.6, 0.7), "largest_only": (False, True)}
    return shipped_section("postprocess", PostprocessParams, **(tried | changes))


EVERYTHING = Choice(min_component_px=9, fill_holes=True, largest_only=True)


class TestApply:
    def test_threshold_is_inclusive_and_exact_in_float32(self):
        probability = np.array([[[0.0, 0.2999, 0.3, 0.7, 1.0]]], np.float32)
        assert apply(probability, Choice(threshold=0.3)).tolist() == [[[False, False, True, True, True]]]
        assert apply(probability, Choice(threshold=0.7)).tolist() == [[[False, False, False, True, True]]]

    def test_smallest_component_counts_voxels_across_slices(self):
        probability = empty()
        probability[0, 0:2, 0:2] = 1  # 4 voxels here ...
        probability[1, 2, 2] = 1  # ... and a fifth that touches only at a corner, in 3-D
        probability[2, 8, 8:12] = 1  # 4 voxels
        kept = apply(probability, Choice(min_component_px=5))
        assert kept.sum() == 5
        assert not kept[2].any()
        assert apply(probability, Choice(min_component_px=4)).sum() == 9
        assert not apply(probability, Choice(min_component_px=6)).any()

    def test_an_unsure_tumour_is_found_by_a_lower_threshold(self):
        """0.4 of a peak of 0.75 is 0.3; 0.2 is the least; a threshold of 0.1 is never raised."""
        choice = Choice(threshold=0.4, scale_to_peak=True)
        assert threshold_for(empty(), Choice(threshold=0.1, scale_to_peak=True)) == np.float32(0.1)
        for peak, lowered in ((0.75, 0.3), (1.0, 0.4), (0.3, 0.2), (0.0, 0.2)):
            probability = empty()
            probability[1, 2:5, 2:5] = peak / 2
            probability[1, 3, 3] = peak
            assert threshold_for(probability, choice) == np.float32(lowered)
            np.testing.assert_array_equal(apply(probability, choice), probability >= np.float32(lowered))
            assert threshold_for(probability, Choice(threshold=0.4)) == np.float32(0.4)

    def test_holes_are_filled_in_each_slice_not_through_the_stack(self):
        probability = empty()
        probability[1, 2:7, 2:7] = 1
        probability[1, 3:6, 3:6] = 0  # enclosed in its slice, open towards both neighbours
        probability[2, 0:3, 0:3] = 1
        probability[2, 0, 1] = 0  # open to the border: no hole
        filled = apply(probability, Choice(fill_holes=True))
        assert filled[1].sum() == 25
        assert filled[2].sum() == 8
        assert not filled[0].any()

    def test_a_hole_that_leaks_only_diagonally_is_a_hole(self):
        probability = empty((1, 7, 7))
        probability[0, 2:5, 2:5] = 1
        probability[0, 3, 3] = 0
        probability[0, 2, 2] = 0  # a corner: diagonal neighbour of the hole
        assert apply(probability, Choice(fill_holes=True))[0, 3, 3]

    def test_largest_only_keeps_one_the_first_of_equals(self):
        probability = empty()
        probability[0, 0, 0:3] = probability[2, 5, 0:3] = 1
        kept = apply(probability, Choice(largest_only=True))
        assert kept.sum() == 3
        assert kept[0].any()
        probability[2, 5, 3] = 1
        assert apply(probability, Choice(largest_only=True))[2].sum() == 4

    def test_an_island_in_a_hole_goes_before_the_hole_is_filled(self):
        probability = empty((1, 12, 12))
        probability[0, 1:10, 1:10] = 1
        probability[0, 3:8, 3:8] = 0
        probability[0, 5, 5] = 1
        assert apply(probability, Choice(min_component_px=10, fill_holes=True)).sum() == 81

    @pytest.mark.parametrize("choice", [Choice(), EVERYTHING])
    def test_nothing_stays_nothing(self, choice):
        assert not apply(empty(), choice).any()

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 999), size=st.sampled_from([0, 1, 5, 30]), t=st.sampled_from([0.4, 0.5, 0.6]))
    def test_invariants(self, seed, size, t):
        probability, _ = blobs(seed)
        plain = apply(probability, Choice(threshold=t))
        kept = apply(probability, Choice(threshold=t, min_component_px=size))
        assert not (kept & ~plain).any()  # removes only
        labels, count = ndimage.label(kept, np.ones((3, 3, 3)))
        assert count == 0 or np.bincount(labels.ravel())[1:].min() >= size
        filled = apply(probability, Choice(threshold=t, fill_holes=True))
        assert not (plain & ~filled).any()  # adds only
        largest = apply(probability, Choice(threshold=t, largest_only=True))
        assert ndimage.label(largest, np.ones((3, 3, 3)))[1] <= 1
        everything = Choice(threshold=t, min_component_px=size, fill_holes=True, largest_only=True)
        once = apply(probability, everything)
        assert np.array_equal(apply(once.astype(np.float32), everything), once)

    def test_nothing_may_be_left_for_the_largest(self):
        probability = empty()
        probability[1, 4, 4] = 1
        assert not apply(probability, EVERYTHING).any()

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 999), margin=st.integers(1, 3))
    def test_empty_space_around_changes_nothing(self, seed, margin):
        probability, _ = blobs(seed)
        padded = apply(np.pad(probability, margin), EVERYTHING)
        assert np.array_equal(padded, np.pad(apply(probability, EVERYTHING), margin))

    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 999))
    def test_holes_are_those_of_whole_slices(self, seed):
        probability, _ = blobs(seed)
        expected = [ndimage.binary_fill_holes(image >= 0.5) for image in probability]
        assert np.array_equal(apply(probability, Choice(fill_holes=True)), expected)

    def test_float16_decides_in_float32(self):
        probability = np.array([[[0.9]]], np.float16)  # 0.8999 in half precision
        assert not apply(probability, Choice(threshold=0.9)).any()
        assert apply(probability, Choice(threshold=0.8999)).all()

    @pytest.mark.parametrize(
        ("probability", "message"),
        [
            (np.zeros((4, 4), np.float32), r"\(4, 4\), expected float \[n, height, width\]"),
            (np.zeros((1, 4, 4), np.uint8), "probabilities are uint8"),
            (np.full((1, 4, 4), 1.5, np.float32), "range from 1.5 to 1.5, expected 0 to 1"),
            (np.full((1, 4, 4), -0.1, np.float32), "expected 0 to 1"),
            (np.full((1, 4, 4), np.nan, np.float32), "range from nan to nan"),
        ],
    )
    def test_refuses_what_is_no_probability(self, probability, message):
        with pytest.raises(DataError, match=message):
            apply(probability, Choice())


class TestChoose:
    def patients(self):
        """Two patients: tumour at 0.45, a ring-shaped dip at 0.1, three small specks at 0.9."""
        truths, probabilities = {}, {}
        for name, size in (("a", 10), ("b", 14)):
            truth = np.zeros((4, 32, 32), bool)
            truth[1:3, 4 : 4 + size, 4 : 4 + size] = True
            probability = np.where(truth, 0.45, 0.05).astype(np.float32)
            probability[1:3, 7, 7] = 0.1
            probability[0, 28, 28] = probability[3, 28, 2] = 0.9
            probability[0, 25:27, 2:6] = 0.9
            truths[name], probabilities[name] = truth, probability
        return probabilities, truths

    def test_finds_each_step_that_helps(self):
        choice, trail = choose(*self.patients(), candidates(min_component_px=(0, 5)))
        # the speck of 8 voxels outlives a smallest size of 5 and falls to the largest component
        assert choice == Choice(threshold=0.3, min_component_px=5, fill_holes=True, largest_only=True)
        dice = [row["dice"] for row in trail if row["kept"]]
        assert dice == sorted(dice)
        assert dice[-1] == 1.0
        assert [row["step"] for row in trail if row["kept"]] == [
            "start", "threshold", "min_component_px", "fill_holes", "largest_only",
        ]  # fmt: skip
        json.dumps(trail, allow_nan=False)

    def test_neutral_steps_are_left_out(self):
        _, truths = self.patients()
        perfect = {name: truth.astype(np.float32) for name, truth in truths.items()}
        choice, trail = choose(perfect, truths, candidates())
        assert choice == Choice()
        assert {row["dice"] for row in trail} == {1.0}
        assert [row["kept"] for row in trail] == [True] + [False] * (len(trail) - 1)
        assert len(trail) == 1 + 4 + 3 + 1 + 1

    def test_a_gain_within_the_tolerance_is_noise(self, monkeypatch):
        scores = {0.5: 0.8, 0.3: 0.8 + postprocess.MIN_GAIN * 0.9, 0.4: 0.7}
        monkeypatch.setattr(postprocess, "_mean_dice", lambda p, t, choice: scores[choice.threshold])
        off = {"min_component_px": (0,), "fill_holes": (False,), "largest_only": (False,)}
        params = candidates(thresholds=(0.3, 0.4), **off)
        assert choose(*self.patients(), params)[0] == Choice()
        scores[0.3] = 0.8 + postprocess.MIN_GAIN * 1.1
        assert choose(*self.patients(), params)[0] == Choice(threshold=0.3)

    def test_never_worse_than_the_start_and_dice_is_the_evaluations(self):
        data = {str(seed): blobs(seed) for seed in range(3)}
        probabilities = {name: probability for name, (probability, _) in data.items()}
        truths = {name: np.roll(truth, 1, axis=2) for name, (_, truth) in data.items()}
        choice, trail = choose(probabilities, truths, candidates())
        final = np.mean([overlap(truths[n], apply(probabilities[n], choice)).dice for n in truths])
        assert final == pytest.approx([row["dice"] for row in trail if row["kept"]][-1], abs=1e-12)
        assert final >= trail[0]["dice"]

    def test_order_of_patients_does_not_matter(self):
        probabilities, truths = self.patients()
        backwards = dict(reversed(probabilities.items())), dict(reversed(truths.items()))
        assert choose(*backwards, candidates()) == choose(probabilities, truths, candidates())

    def test_refuses_what_does_not_match(self):
        probabilities, truths = self.patients()
        with pytest.raises(DataError, match="no validation patient"):
            choose({}, {}, candidates())
        with pytest.raises(DataError, match="only one of probabilities and truth: b"):
            choose({"a": probabilities["a"]}, truths, candidates())
        with pytest.raises(DataError, match=r"b: the truth is bool \(3, 32, 32\), expected bool \(4"):
            choose(probabilities, {**truths, "b": truths["b"][:3]}, candidates())


class TestParams:
    def test_yaml_lists_are_accepted(self):
        params = candidates(thresholds=[0.4, 0.5], min_component_px=[0, 10], fill_holes=[True])
        assert params.thresholds == (0.4, 0.5)
        assert params.min_component_px == (0, 10)
        assert params.fill_holes == (True,)

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            ({"thresholds": []}, "postprocess.thresholds is .*at least 1 item"),
            ({"thresholds": [0.5, 0.4]}, r"thresholds is .0.5, 0.4.: expected values that rise"),
            ({"thresholds": [0.5, 0.5]}, "each given once"),
            ({"thresholds": [0, 0.5]}, r"postprocess.thresholds.0 is 0: .*greater than 0"),
            ({"thresholds": [0.5, 1]}, r"postprocess.thresholds.1 is 1: .*less than 1"),
            ({"thresholds": ["0.5"]}, r"postprocess.thresholds.0 is '0.5': .*valid number"),
            ({"thresholds": 0.5}, r"postprocess.thresholds is 0.5: .*tuple"),
            ({"min_component_px": [-1]}, r"min_component_px.0 is -1: .*greater than or equal to 0"),
            ({"min_component_px": [1.5]}, "valid integer"),
            ({"fill_holes": ["yes"]}, "valid boolean"),
            ({"fill_holes": [True, False]}, "false before true"),
            ({"tta": 1}, "valid boolean"),
            ({"treshold": [0.5]}, "unknown key .*treshold, did you mean 'thresholds'"),
        ],
    )
    def test_bad_ones_are_named(self, raw, message):
        with pytest.raises(ParamsError, match=message):
            validate(candidates().model_dump() | raw, PostprocessParams, "params.yaml: postprocess")

    def test_choice_survives_json(self):
        choice = Choice(threshold=0.4, min_component_px=20, fill_holes=True)
        assert validate(json.loads(choice.model_dump_json()), Choice, "unet.json: postprocess") == choice
        with pytest.raises(ParamsError, match=r"unet.json: postprocess.threshold is 2"):
            validate({"threshold": 2.0}, Choice, "unet.json: postprocess")
