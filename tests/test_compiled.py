"""What becomes of a graph's output."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import expit

from brainseg.compiled import sigmoid


def test_probabilities_are_scipys_to_the_last_bit_or_two_and_nothing_overflows() -> None:
    logits = np.append(np.linspace(-200, 200, 40_001), [-np.inf, np.inf, -0.0]).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sigmoid(logits)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expit(logits), rtol=1e-6, atol=1e-37)
    np.testing.assert_array_equal(found >= 0.5, logits >= 0)
