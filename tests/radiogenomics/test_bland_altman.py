import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.radiogenomics.bland_altman import agreement, intraclass_correlation

# Shrout and Fleiss 1979, table 2: six targets, four judges
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_the_published_example():
    icc, low, high = intraclass_correlation(RATINGS)
    assert icc == pytest.approx(0.29, abs=0.005)  # ICC(2,1) of Shrout and Fleiss
    assert (low, high) == pytest.approx((0.02, 0.76), abs=0.01)  # as in their text


def test_perfect_agreement_and_a_shift():
    a = np.array([1.0, 2, 3, 4, 5])
    same = agreement(a, a)
    assert (same.bias, same.low, same.high, same.icc, same.icc_low) == (0, 0, 0, 1, 1)
    shifted = agreement(a, a + 2)
    assert (shifted.bias, shifted.low, shifted.high) == (2, 2, 2)
    assert shifted.icc == pytest.approx(2.5 / (2.5 + 2), abs=1e-9)  # between subjects 2.5, between raters 2


def test_limits_by_hand():
    a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 6])
    change = np.array([1, 0, -1, 2])
    found = agreement(a, b)
    assert found.bias == pytest.approx(0.5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * change.std(ddof=1))


def test_too_few_are_refused():
    with pytest.raises(DataError, match="2 and 2 measurements"):
        agreement(np.zeros(2), np.zeros(2))
    with pytest.raises(DataError, match="4 and 3 measurements"):
        agreement(np.zeros(4), np.zeros(3))
