from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from brainseg.correct.annotator import corrections, fewest_pixels, next_click
from brainseg.correct.answer import Click, Prepared
from brainseg.data.slices import Bool
from brainseg.evaluation.overlap import overlap
from tests.correct.drawn import SIDE, disk, head, stack_of


def square(top: int, left: int, side: int) -> Bool:
    plane = np.zeros((SIDE, SIDE), bool)
    plane[top : top + side, left : left + side] = True
    return plane


def test_clicks_the_middle_of_the_largest_error() -> None:
    truth = stack_of({2: square(10, 10, 5), 4: square(40, 40, 9)})
    empty = np.zeros_like(truth)
    assert next_click(truth, empty) == Click(4, 44, 44, True)
    assert next_click(empty, truth) == Click(4, 44, 44, False)
    assert next_click(truth, stack_of({4: square(40, 40, 9)})) == Click(2, 12, 12, True)


def test_an_error_is_as_large_as_all_its_slices() -> None:
    truth = stack_of({1: square(10, 10, 7), 2: square(10, 10, 7), 5: square(40, 40, 9)})
    assert next_click(truth, np.zeros_like(truth)) == Click(1, 13, 13, True)


def test_nothing_wrong_nothing_clicked() -> None:
    truth = stack_of({2: disk(20, 20, 6)})
    assert next_click(truth, truth) is None
    assert len(list(corrections(Right(truth), head(truth), truth, truth, 5))) == 1


class Right:
    """Sets right the slice that is clicked."""

    def __init__(self, truth: Bool):
        self.truth = truth

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        out = mask.copy()
        out[clicks[-1].slice] = self.truth[clicks[-1].slice]
        return out


def test_corrections_go_on_until_all_is_right_or_the_clicks_are_used_up() -> None:
    truth = stack_of({1: disk(20, 20, 4), 3: disk(20, 20, 6), 5: disk(20, 20, 5)})
    masks = list(corrections(Right(truth), head(truth), truth, np.zeros_like(truth), 9))
    assert [mask.any((1, 2)).nonzero()[0].tolist() for mask in masks] == [[], [3], [3, 5], [1, 3, 5]]
    assert len(list(corrections(Right(truth), head(truth), truth, np.zeros_like(truth), 2))) == 3


@pytest.mark.parametrize("goal", [0.3, 0.7, 0.9, 1.0])
def test_fewest_pixels_by_trying_all(goal: float) -> None:
    truth = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0], bool)
    mask = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0], bool)
    wrong = np.flatnonzero(truth != mask)

    def after(chosen: tuple[int, ...]) -> float:
        out = mask.copy()
        out[list(chosen)] ^= True
        return overlap(truth, out).dice

    tried = next(k for k in range(len(wrong) + 1) if max(map(after, combinations(wrong, k))) >= goal - 1e-9)
    assert fewest_pixels(truth, mask, goal) == tried
    assert fewest_pixels(truth, truth, goal) == 0
    assert fewest_pixels(~truth & False, ~mask & False, goal) == 0
