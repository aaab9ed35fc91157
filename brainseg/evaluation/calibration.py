"""What probabilities are worth: reliability, ECE and precision-recall, from exact counts of 8-bit probabilities.

Pixels are those inside the brain, over all slices of all patients: outside it every probability is 0, and right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainseg.data.slices import U8, Bool
from brainseg.errors import DataError

LEVELS = 256
BINS = 15
Counts = npt.NDArray[np.int64]


def count_levels(probability: U8, truth: Bool, brain: Bool) -> Counts:
    """How often each probability occurs inside the brain, without and with tumour.

    Args:
        probability: uint8, 255 times the probability.
        truth: bool of the same shape.
        brain: bool of the same shape.

    Returns:
        int64 [2, 256]: row 0 pixels without tumour, row 1 with it. Counts of several patients add up.

    Raises:
        DataError: other dtypes, or the shapes differ.
    """
    if probability.dtype != np.uint8 or not probability.shape == truth.shape == brain.shape:
        raise DataError(
            f"probabilities are {probability.dtype} {probability.shape} beside truth {truth.shape} and brain"
            f" {brain.shape}, expected uint8 and one shape."
        )
    inside = brain | truth  # brain extraction may have cut tumour away: that counts as missed
    codes = probability[inside].astype(np.int64) + LEVELS * truth[inside]
    return np.bincount(codes, minlength=2 * LEVELS).reshape(2, LEVELS)


def reliability(counts: Counts) -> pd.DataFrame:
    """The reliability diagram (Guo et al. 2017, "On calibration of modern neural networks"), in `BINS` equal bins.

    Args:
        counts: int64 [2, 256], of `count_levels`.

    Returns:
        low, high, probability (mean in the bin), tumour (share of its pixels), pixels; empty bins left out.
    """
    level = np.arange(LEVELS)
    bins = np.minimum(level * BINS // (LEVELS - 1), BINS - 1)
    total = counts.sum(0)
    pixels, sums, tumour = (np.bincount(bins, w, BINS) for w in (total, total * level / (LEVELS - 1), counts[1]))
    full = pixels > 0
    edges = np.arange(BINS + 1) / BINS
    return pd.DataFrame(
        {
            "low": edges[:-1][full],
            "high": edges[1:][full],
            "probability": sums[full] / pixels[full],
            "tumour": tumour[full] / pixels[full],
            "pixels": pixels[full].astype(int),
        }
    )


def expected_calibration_error(counts: Counts) -> float:
    """ECE: the gap between probability and frequency, averaged over the bins' pixels; 0 without any."""
    table = reliability(counts)
    gaps = (table["probability"] - table["tumour"]).abs()
    return float((gaps * table["pixels"]).sum() / max(table["pixels"].sum(), 1))


def precision_recall(counts: Counts) -> pd.DataFrame:
    """Precision and recall of all pixels together at every threshold that occurs, rising.

    Args:
        counts: int64 [2, 256], of `count_levels`.

    Returns:
        threshold in 0..1 (a pixel is tumour from it on), precision, recall; a threshold at which nothing is marked, or
        data without tumour, has no row.
    """
    false, true = counts[:, ::-1].cumsum(1)[:, ::-1]
    kept = (counts.sum(0) > 0) & (true + false > 0) & (counts[1].sum() > 0)
    table = pd.DataFrame({"threshold": np.arange(LEVELS) / (LEVELS - 1)})
    table["precision"] = true / np.maximum(true + false, 1)
    table["recall"] = true / max(counts[1].sum(), 1)
    return table[kept].reset_index(drop=True)


def average_precision(counts: Counts) -> float:
    """Area under precision-recall as a step function (scikit-learn's average_precision_score); 0 without tumour."""
    table = precision_recall(counts)[::-1]
    steps = np.diff(table["recall"], prepend=0)
    return float((steps * table["precision"]).sum())
