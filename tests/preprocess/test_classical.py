"""Otsu's threshold against scikit-image, which need not be there to predict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu

from brainseg.preprocess.classical import otsu


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=2, max_side=9)))
def test_the_threshold_is_scikit_images(values: np.ndarray) -> None:
    assert otsu(values) == threshold_otsu(values)


@pytest.mark.parametrize("slices", [1, 30])
def test_also_of_a_whole_volume(slices: int) -> None:
    """Where counts are so large that float32 rounds them."""
    values = np.random.default_rng(slices).gamma(2, 20, (slices, 800, 800)).clip(0, 255).astype(np.uint8)
    assert otsu(values) == threshold_otsu(values)


@given(st.integers(0, 255))
def test_of_one_value_nothing_is_bright(grey: int) -> None:
    assert otsu(np.full((2, 3), grey, np.uint8)) == grey
