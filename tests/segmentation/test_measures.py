"""Sizes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.segmentation.measures import largest_diameter, parts, place, rano

SPACING = (5.0, 1.0, 1.0)


def test_a_rectangle_and_its_diagonal():
    """3 x 4 pixels: the diagonal of 5 mm; the longest chord at a right angle to it begins in a corner."""
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 5:8, 5:9] = True
    mask[0, 5, 5] = True
    found = rano(mask, SPACING, np.array([7, 8, 9]))
    assert found["slice"] == 8
    assert found["diameter_mm"] == pytest.approx(5)
    # at a right angle to the hypotenuse of a 3-4-5 triangle, from its corner to the side of length 4: 3 / (4 / 5)
    assert found["perpendicular_mm"] == pytest.approx(3.75)
    assert found["product_mm2"] == pytest.approx(18.75)


def test_diameter_by_hand():
    mask = np.zeros((2, 10, 10), bool)
    assert largest_diameter(mask, (1, 1)) == 0
    mask[0, 2:5, 3:7] = True  # 3 x 4 pixels
    assert largest_diameter(mask, (1, 1)) == 5
    assert largest_diameter(mask, (2, 1)) == pytest.approx(np.hypot(6, 4))
    mask[1, 0, :] = True  # in another slice
    assert largest_diameter(mask, (1, 1)) == pytest.approx(np.hypot(1, 10))


def test_an_ellipse_has_its_axes():
    y, x = np.mgrid[-60:61, -60:61]
    mask = ((x / 50) ** 2 + (y / 30) ** 2 <= 1)[None]
    found = rano(mask, (1.0, 0.5, 0.5), np.array([0]))
    assert found["diameter_mm"] == pytest.approx(50.5, abs=0.6)
    assert found["perpendicular_mm"] == pytest.approx(30.5, abs=0.6)


def test_a_line_of_pixels_is_as_wide_as_they_are():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 4] = True
    found = rano(mask, (1.0, 1.0, 2.0), np.array([0]))
    assert found["diameter_mm"] == pytest.approx(np.hypot(18, 1))
    assert found["perpendicular_mm"] == pytest.approx(np.hypot(18, 1) / 18)


def test_the_largest_part_of_the_largest_slice_counts():
    mask = np.zeros((2, 30, 30), bool)
    mask[0, 2:8, 2:8] = True
    mask[0, 28, 28] = True
    mask[1, 2:6, 2:6] = True
    assert rano(mask, SPACING, np.array([1, 2]))["diameter_mm"] == pytest.approx(6 * np.sqrt(2))
    assert parts(mask) == 2
    assert rano(mask, None, np.array([1, 2])) is None
    assert rano(mask & False, SPACING, np.array([1, 2])) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3), st.floats(0.5, 3))
def test_the_second_diameter_is_no_longer_than_the_first_and_at_a_right_angle_to_it(seed, row_mm, column_mm):
    plane = np.random.default_rng(seed).random((12, 12)) > 0.4
    found = rano(plane[None], (1.0, row_mm, column_mm), np.array([0]))
    longest = largest_diameter(plane[None], (row_mm, column_mm))
    assert 0 < found["perpendicular_mm"] <= found["diameter_mm"] * (1 + 1e-9) <= longest * (1 + 1e-8)


def brain() -> np.ndarray:
    found = np.zeros((9, 30, 30), bool)
    found[:, 3:27, 5:25] = True
    return found


@pytest.mark.parametrize(
    ("where", "side", "third"),
    [
        (np.s_[7:9, 4:8, 18:24], "left", "anterior and upper"),  # the patient's right is on the left of the picture
        (np.s_[0:2, 22:26, 6:12], "right", "posterior and lower"),
        (np.s_[4:5, 13:17, 12:18], "both", "middle and middle"),
    ],
)
def test_side_and_thirds_are_the_patient_s(where, side, third):
    mask = np.zeros((9, 30, 30), bool)
    mask[where] = True
    assert place(mask, brain()) == {"side": side, "place": f"{third} third of the brain"}


def test_no_tumour_is_nowhere():
    assert place(brain() & False, brain()) == {"side": None, "place": None}
    assert parts(brain() & False) == 0
