"""Are two ways of measuring the same? Bland-Altman limits and the intraclass correlation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from brainseg.data.slices import Float64
from brainseg.errors import DataError


class Agreement(NamedTuple):
    """How far measurements b agree with measurements a of the same patients.

    Attributes:
        n: patients.
        bias: mean of b - a. low, high: 95% limits of agreement (Bland and Altman 1986).
        icc: ICC(A,1), two-way random, single measurement, absolute agreement (McGraw and Wong 1996; ICC(2,1) of
            Shrout and Fleiss 1979). icc_low, icc_high: its 95% interval.
    """

    n: int
    bias: float
    low: float
    high: float
    icc: float
    icc_low: float
    icc_high: float


def agreement(a: Float64, b: Float64) -> Agreement:
    """Compare two measurements of each patient.

    Args:
        a: float [patients], at least three.
        b: of the same patients in the same order.

    Raises:
        DataError: fewer than three patients, or not as many in both.
    """
    if len(a) != len(b) or len(a) < 3:
        raise DataError(f"{len(a)} and {len(b)} measurements, expected as many in both and at least three.")
    change = b - a
    bias, spread = float(change.mean()), float(1.96 * change.std(ddof=1))
    icc, low, high = intraclass_correlation(np.column_stack([a, b]))
    return Agreement(len(a), bias, bias - spread, bias + spread, icc, low, high)


def intraclass_correlation(ratings: Float64) -> tuple[float, float, float]:
    """ICC(A,1) and its 95% interval, from the mean squares of a two-way analysis of variance.

    Args:
        ratings: float [subjects, raters], at least two of each.

    Returns:
        The coefficient, and the ends of its interval (McGraw and Wong 1996, table 7); 1, 1, 1 where all agree.
    """
    n, k = ratings.shape
    whole = ratings.mean()
    rows = k * ((ratings.mean(1) - whole) ** 2).sum() / (n - 1)
    columns = n * ((ratings.mean(0) - whole) ** 2).sum() / (k - 1)
    rest = ((ratings - ratings.mean(1, keepdims=True) - ratings.mean(0) + whole) ** 2).sum() / ((n - 1) * (k - 1))
    if max(rest, columns) <= 1e-12 * rows:  # but for rounding, all agree
        return 1.0, 1.0, 1.0
    icc = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
    x, y = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (x * columns + y * rest) ** 2 / ((x * columns) ** 2 / (k - 1) + (y * rest) ** 2 / ((n - 1) * (k - 1)))
    above, below = stats.f.ppf(0.975, n - 1, freedom), stats.f.ppf(0.975, freedom, n - 1)
    mixed = k * columns + (k * n - k - n) * rest
    low = n * (rows - above * rest) / (above * mixed + n * rows)
    high = n * (below * rows - rest) / (mixed + n * below * rows)
    return float(icc), float(low), float(high)
