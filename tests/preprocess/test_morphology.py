"""Slice-wise morphology and components against scipy, scikit-image and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.morphology import disk

from brainseg.preprocess.morphology import fill_holes, largest_component, morphology

volumes = hnp.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))


@given(volumes, st.integers(0, 3))
def test_dilation_equals_scipy_slice_by_slice(mask: np.ndarray, radius: int) -> None:
    expected = scipy.ndimage.binary_dilation(mask, disk(radius)[None])
    np.testing.assert_array_equal(morphology(mask, "dilate", radius), expected)


@given(volumes, st.integers(1, 3))
def test_opening_shrinks_and_closing_grows(mask: np.ndarray, radius: int) -> None:
    opened, closed = morphology(mask, "open", radius), morphology(mask, "close", radius)
    assert not (opened & ~mask).any()
    assert not (mask & ~closed).any()
    np.testing.assert_array_equal(morphology(opened, "open", radius), opened)


@given(volumes)
def test_largest_component_is_one_of_the_largest(mask: np.ndarray) -> None:
    kept = largest_component(mask)
    labels, count = scipy.ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    assert kept.sum() == max(sizes, default=0)
    assert not (kept & ~mask).any()
    assert len(np.unique(labels[kept])) == min(count, 1)


def test_components_touch_through_corners_of_neighbouring_slices() -> None:
    mask = np.zeros((3, 5, 5), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    mask[2, 4, 4] = True
    assert largest_component(mask).sum() == 2


def test_parts_of_a_slice_touch_through_corners_and_the_first_of_equals_is_kept() -> None:
    plane = np.zeros((6, 6), bool)
    plane[0, 0] = plane[1, 1] = True
    plane[4, 4] = plane[4, 5] = True
    np.testing.assert_array_equal(np.argwhere(largest_component(plane)), [[0, 0], [1, 1]])


def test_holes_are_filled_within_a_slice_only() -> None:
    mask = np.ones((3, 5, 5), bool)
    mask[1, 2, 2] = mask[0, 0, 3] = False
    filled = fill_holes(mask)
    assert filled[1].all()
    assert not filled[0, 0, 3]


@pytest.mark.parametrize("operation", ["dilate", "erode", "open", "close"])
def test_radius_zero_changes_nothing(operation) -> None:
    mask = np.random.default_rng(0).random((2, 6, 6)) > 0.5
    np.testing.assert_array_equal(morphology(mask, operation, 0), mask)
