from dataclasses import replace

import cv2
import numpy as np
import pandas as pd

from brainseg.data.slices import FLAIR, SliceSet
from brainseg.files import sha256
from brainseg.model.catalogue import CATALOGUE
from brainseg.report.overlays import (
    LEAKY_COLOUR,
    TRUTH_COLOUR,
    choose_slices,
    rank_patients,
    write_overlays,
)


def stack(areas, size=24, left=0):
    """A bool stack with a rectangle of one row and `area` columns in each slice."""
    masks = np.zeros((len(areas), size, size), bool)
    for mask, area in zip(masks, areas, strict=True):
        mask[4:8, left : left + area] = True
    return masks


def table(**dice):
    rows = [(m, p, d) for p, ds in dice.items() for m, d in zip(("unet", "unetpp"), ds, strict=False)]
    return pd.DataFrame(rows, columns=["model", "patient", "dice"])


def pixels(path, colour):
    """How many pixels of a picture have nearly this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]  # OpenCV's order
    return int((np.abs(cv2.imread(str(path)).astype(int) - wanted).max(axis=2) < 8).sum())


class TestRank:
    def test_by_the_mean_over_models(self):
        ranks = rank_patients(table(a=(0.9, 0.1), b=(0.6, 0.8), c=(0.2, 0.3), d=(0.6, 0.6)))
        assert ranks == {"best": "b", "median": "d", "worst": "c"}

    def test_equals_in_the_order_of_names(self):
        ranks = rank_patients(table(c=(0.5,), a=(0.5,), b=(0.5,)))
        assert ranks == {"best": "a", "median": "b", "worst": "c"}

    def test_few_patients_take_several_ranks(self):
        assert set(rank_patients(table(a=(0.5,))).values()) == {"a"}
        assert rank_patients(table(a=(0.5,), b=(0.7,))) == {"best": "b", "median": "b", "worst": "a"}


class TestChooseSlices:
    def test_largest_and_an_even_spread_of_the_others(self):
        truth = stack([0, 1, 2, 9, 2, 1, 0, 0])
        assert choose_slices(truth, {}, 1) == [3]
        assert choose_slices(truth, {}, 3) == [1, 3, 5]
        assert choose_slices(truth, {}, 12) == [1, 2, 3, 4, 5]

    def test_a_false_alarm_is_worth_seeing(self):
        assert choose_slices(stack([0, 3, 0, 0]), {"unet": stack([0, 0, 0, 9])}, 4) == [1, 3]
        assert choose_slices(stack([0, 0, 0]), {"unet": stack([0, 2, 5])}, 1) == [2]

    def test_nothing_anywhere_shows_the_middle(self):
        assert choose_slices(stack([0] * 5), {"unet": stack([0] * 5)}, 3) == [2]


class TestWrite:
    def data(self, rgb=0):
        masks = stack([0, 8, 6, 0])
        images = np.full((4, 24, 24, 3), rgb, np.uint8)
        images[..., FLAIR] = np.arange(24, dtype=np.uint8) * 10
        truth = SliceSet(images, masks, np.ones(masks.shape, bool), np.arange(4, 8))
        names = ("a", "b", "c")
        predictions = {
            "unet": {name: stack([0, 6, 3, 2], left=2) for name in names},
            "unetpp": {name: stack([0] * 4) for name in names},
        }
        return dict.fromkeys(names, truth), predictions, table(a=(0.9, 0), b=(0.5, 0), c=(0.1, 0))

    def test_three_pictures_same_bytes_and_nothing_else(self, tmp_path):
        (tmp_path / "one").mkdir()
        first = write_overlays(tmp_path / "one", *self.data(), slices=3)
        second = write_overlays(tmp_path / "two", *self.data(), slices=3)
        assert [path.name for path in first] == ["best.png", "median.png", "worst.png"]
        assert sorted((tmp_path / "one").iterdir()) == sorted(first)
        assert [sha256(path) for path in first] == [sha256(path) for path in second]
        assert b"Software" not in first[0].read_bytes()

    def test_the_users_matplotlib_style_changes_nothing(self, tmp_path):
        import matplotlib

        plain = write_overlays(tmp_path / "one", *self.data(), slices=2)
        with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
            styled = write_overlays(tmp_path / "two", *self.data(), slices=2)
        assert [sha256(path) for path in plain] == [sha256(path) for path in styled]

    def test_both_outlines_are_drawn(self, tmp_path):
        truths, predictions, scores = self.data()
        nothing = {model: {patient: stack([0] * 4) for patient in "abc"} for model in predictions}
        no_truth = dict.fromkeys("abc", replace(truths["a"], masks=stack([0] * 4)))
        drawn = {
            "both": write_overlays(tmp_path / "both", truths, predictions, scores, slices=2),
            "truth": write_overlays(tmp_path / "truth", truths, nothing, scores, slices=2),
            "prediction": write_overlays(tmp_path / "prediction", no_truth, predictions, scores, slices=2),
        }
        yellow = {name: pixels(paths[0], TRUTH_COLOUR) for name, paths in drawn.items()}
        green = {name: pixels(paths[0], CATALOGUE["unet"].colour) for name, paths in drawn.items()}
        assert yellow["truth"] > yellow["prediction"] + 100  # what is left is the legend's line
        assert green["prediction"] > green["truth"] + 50
        assert yellow["both"] > yellow["prediction"] + 50
        assert green["both"] > green["truth"] + 50

    def test_a_leaky_split_shows(self, tmp_path):
        honest = write_overlays(tmp_path / "a", *self.data(), slices=2)
        leaky = write_overlays(tmp_path / "b", *self.data(), slices=2, leaky=True)
        assert pixels(honest[0], LEAKY_COLOUR) == 0
        assert pixels(leaky[0], LEAKY_COLOUR) > 20

    def test_shows_the_brains_box_or_all_where_no_brain_is_known(self, tmp_path):
        truths, predictions, scores = self.data()
        brain = np.zeros((4, 24, 24), bool)
        paths = {"everywhere": write_overlays(tmp_path / "a", truths, predictions, scores, slices=2)}
        for name in ("nowhere", "boxed"):
            brain[:, 2:20, 3:20] = name == "boxed"
            cases = dict.fromkeys("abc", replace(truths["a"], brain=brain.copy()))
            paths[name] = write_overlays(tmp_path / name, cases, predictions, scores, slices=2)
        digests = {name: sha256(written[0]) for name, written in paths.items()}
        assert digests["nowhere"] == digests["everywhere"] != digests["boxed"]

    def test_other_channels_do_not_show(self, tmp_path):
        one = write_overlays(tmp_path / "a", *self.data(), slices=2)
        two = write_overlays(tmp_path / "b", *self.data(rgb=200), slices=2)
        assert sha256(one[0]) == sha256(two[0])
