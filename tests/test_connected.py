"""Connected parts against scipy.ndimage, number for number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from brainseg.connected import from_the_edge, label

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=9))


def assert_as_scipy(mask: np.ndarray, corners: bool) -> None:
    neighbours = ndimage.generate_binary_structure(mask.ndim, mask.ndim if corners else 1)
    expected, parts = ndimage.label(mask, neighbours)
    found, count = label(mask, corners=corners)
    np.testing.assert_array_equal(found, expected, strict=True)
    assert count == parts


@settings(deadline=None)
@given(masks, st.booleans())
def test_parts_have_scipys_numbers(mask: np.ndarray, corners: bool) -> None:
    assert_as_scipy(mask, corners)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("corners", [True, False])
def test_noise_whose_parts_wind_has_scipys_numbers(share: float, corners: bool) -> None:
    assert_as_scipy(np.random.default_rng(0).random((9, 60, 70)) < share, corners)


def test_a_spiral_is_one_part_and_its_path_another() -> None:
    spiral = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 0, 1],
            [1, 0, 0, 1, 0, 1],
            [1, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1, 1],
        ],
        bool,
    )
    assert label(spiral)[1] == label(~spiral, corners=False)[1] == 1


@settings(deadline=None)
@given(masks)
def test_what_does_not_hang_together_with_the_edge_is_a_hole(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(~from_the_edge(~mask), ndimage.binary_fill_holes(mask))
