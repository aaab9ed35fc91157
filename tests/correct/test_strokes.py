"""Brush, fill and interpolation against shapes that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainseg.correct.strokes import as_runs, between, filled, from_runs, stroke
from brainseg.errors import DataError

ROWS, COLUMNS = np.mgrid[:60, :60]


def disc(row, column, radius):
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2


def test_a_dab_is_a_disc_and_a_line_is_a_bar_with_round_ends():
    assert stroke([(2, 2)], 1, (5, 5)).astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(stroke([(30, 20), (30, 40)], 5, (60, 60)), np.any(
        [disc(30, 20, 5), disc(30, 40, 5), (abs(ROWS - 30) <= 5) & (COLUMNS >= 20) & (COLUMNS <= 40)], axis=0
    ))  # fmt: skip


def test_a_stroke_is_cut_at_the_slice_s_edge():
    assert stroke([(-3, 2), (-9, 2)], 2, (5, 5)).sum() == 0
    assert stroke([(-1, 0)], 1, (5, 5)).sum() == 1
    assert stroke([(2, 2), (2, 900)], 0.5, (5, 5)).astype(int).tolist()[2] == [0, 0, 1, 1, 1]


def test_a_small_brush_leaves_no_gap_on_a_slanting_line():
    covered = stroke([(3.2, 5.1), (47.9, 31.4)], 0.75, (60, 60))
    assert covered.any(1)[4:47].all()


def test_fill_takes_the_hole_that_is_meant():
    ring = disc(20, 20, 8) & ~disc(20, 20, 5)
    two = ring | (disc(42, 42, 8) & ~disc(42, 42, 5))
    np.testing.assert_array_equal(filled(two, 20, 20), two | disc(20, 20, 5))
    np.testing.assert_array_equal(filled(two, 20, 13), disc(20, 20, 8) | disc(42, 42, 8))  # a pixel of the ring: all
    with pytest.raises(DataError, match="does not enclose this place"):
        filled(two, 0, 0)
    open_ring = ring & ~((ROWS == 20) & (COLUMNS > 20))
    with pytest.raises(DataError, match="does not enclose this place"):
        filled(open_ring, 20, 20)


def test_half_way_between_two_discs_is_the_disc_half_way():
    middle = between(disc(20, 20, 6), disc(30, 40, 14), 0.5)
    far = np.sqrt((ROWS - 25) ** 2 + (COLUMNS - 30) ** 2)
    assert middle[far <= 9].all()
    assert not middle[far >= 11].any()
    for end, share in ((disc(20, 20, 6), 0), (disc(30, 40, 14), 1)):
        np.testing.assert_array_equal(between(disc(20, 20, 6), disc(30, 40, 14), share), end)


def test_outlines_that_do_not_meet_have_something_between_them():
    quarter = between(disc(15, 15, 4), disc(45, 45, 4), 0.25)
    np.testing.assert_array_equal(np.argwhere(quarter).mean(0).round(1), [22.5, 22.5])
    assert quarter.sum() == pytest.approx(disc(15, 15, 4).sum(), rel=0.25)


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_runs_go_there_and_back(plane):
    runs = as_runs(plane)
    np.testing.assert_array_equal(from_runs(runs, plane.shape), plane)
    assert sum(runs[1::2]) == plane.sum()


@pytest.mark.parametrize("runs", [[0], [0, 0], [-1, 2], [0, 26], [3, 2, 5, 1], [4, 1, 2, 1], [24, 2]])
def test_what_are_no_runs_is_refused(runs):
    with pytest.raises(ValueError, match=r"runs of a slice|reshape"):
        from_runs(runs, (5, 5))
