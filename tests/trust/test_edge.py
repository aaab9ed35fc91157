"""The unsure edge by hand, and as text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainseg.errors import DataError
from brainseg.scans.canvas import canvas_for
from brainseg.trust.edge import as_text, from_text, unsure_edge


def test_it_lies_between_both_shares_of_the_peak():
    canvas = canvas_for(256, 256, None)
    probability = np.zeros((1, canvas.side, canvas.side), np.float32)
    probability[0, 10, 10:15] = [0.1, 0.25, 0.5, 0.6, 0.8]  # the peak is 0.8: from 0.24 to 0.56
    assert np.argwhere(unsure_edge(probability, canvas)).tolist() == [[0, 10, 11], [0, 10, 12]]
    assert not unsure_edge(probability * 0, canvas).any()


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 999))
def test_as_text_and_back(shape: tuple[int, int, int], seed: int):
    mask = np.random.default_rng(seed).random(shape) < 0.3
    np.testing.assert_array_equal(from_text(as_text(mask), shape), mask)


def test_damaged_or_of_another_scan_is_one_sentence():
    text = as_text(np.ones((4, 5, 6), bool))
    for shape in ((4, 5, 60), (4, 5, 3)):
        with pytest.raises(DataError, match=r"has not the .* voxels of the scan"):
            from_text(text, shape)
    for damaged in ("?", "AAAA", text[:-4]):
        with pytest.raises(DataError, match=r"unsure edge (is damaged|has not)"):
            from_text(damaged, (4, 5, 6))
