"""How well expected Dice tells good masks from bad ones, and whether bounds hold what they promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from brainseg.data.slices import Bool, Float64
from brainseg.errors import DataError

CONFIDENCE = 0.95
MOST_TRUSTED = 0.8
RESAMPLES = 2000
Statistic = Callable[..., float]


def pearson(expected: Float64, real: Float64) -> float:
    """Pearson's r; NaN where one of them is constant."""
    x, y = expected - expected.mean(), real - real.mean()
    norm = float(np.sqrt(x @ x) * np.sqrt(y @ y))
    return float(x @ y) / norm if norm > 1e-12 else float("nan")


def mean_absolute_error(expected: Float64, real: Float64) -> float:
    """Of expected and real Dice."""
    return float(np.abs(expected - real).mean())


def auroc(expected: Float64, failed: Bool) -> float:
    """Chance that a failed mask has a lower expected Dice than another one, ties counting half; NaN without both."""
    bad = int(np.count_nonzero(failed))
    if not 0 < bad < len(failed):
        return float("nan")
    ranks = rankdata(-expected)
    return float((ranks[failed].sum() - bad * (bad + 1) / 2) / (bad * (len(failed) - bad)))


def aurc(expected: Float64, real: Float64) -> float:
    """Area under risk and coverage (Geifman et al. 2019): 1 - Dice of the most trusted masks, averaged over how many.

    Masks of equal expected Dice stand in every order at once.
    """
    return float(np.mean(risk_by_coverage(expected, real)))


def risk_by_coverage(expected: Float64, real: Float64) -> Float64:
    """1 - mean Dice of the k most trusted masks, for k from 1 to all."""
    losses = _ordered(expected, 1 - real)
    return np.asarray(np.cumsum(losses) / np.arange(1, len(losses) + 1))


def augrc(expected: Float64, real: Float64) -> float:
    """Area under generalised risk and coverage (Traub et al. 2024): as `aurc`, but each sum is over all masks.

    It is the mean, over how many masks are trusted, of the loss that a mask brings unnoticed; (n + 1) / 2n of the mean
    loss by chance.
    """
    losses = _ordered(expected, 1 - real)
    return float(np.mean(np.cumsum(losses)) / len(losses))


def dice_of_most_trusted(expected: Float64, real: Float64) -> float:
    """Mean Dice of the 80% with the highest expected Dice."""
    count = max(1, round(MOST_TRUSTED * len(real)))
    return float(1 - _ordered(expected, 1 - real)[:count].mean())


def coverage(low: Float64, high: Float64, real: Float64) -> float:
    """Share of masks whose real value lies within both ends."""
    return float(((low <= real) & (real <= high)).mean())


def median_width(low: Float64, high: Float64) -> float:
    """Median of sqrt(high / low): the volume is known within this factor, up and down."""
    return float(np.median(np.sqrt(high / low)))


def interval(statistic: Statistic, *values: Float64 | Bool, seed: int, resamples: int = RESAMPLES) -> dict[str, float]:
    """A statistic of patients with its 95% percentile bootstrap interval.

    Args:
        statistic: of arrays [patients], NaN where it does not exist; such resamples are left out.
        values: those arrays; a patient is drawn with all its values.
        seed: of the resampling.
        resamples: how many.

    Returns:
        value, ci95_low, ci95_high.

    Raises:
        DataError: the statistic of all patients does not exist.
    """
    value = statistic(*values)
    if not np.isfinite(value):
        raise DataError(f"{getattr(statistic, '__name__', 'the statistic')} does not exist for these patients.")
    draws = np.random.default_rng(seed).integers(0, len(values[0]), (resamples, len(values[0])))
    found = np.array([statistic(*(array[draw] for array in values)) for draw in draws])
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(found[np.isfinite(found)], [tail, 100 - tail])
    return {"value": value, "ci95_low": float(low), "ci95_high": float(high)}


def figures(expected: Float64, real: Float64, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """How well an expected Dice does its work; with the oracle, which knows real Dice, and chance beside the areas.

    An area under the ROC curve is left out where all masks are on one side.
    """
    found: dict[str, Any] = {"n": len(real), "dice_mean": float(real.mean())}

    def add(name: str, statistic: Statistic, *values: Float64 | Bool) -> None:
        if np.isfinite(statistic(*values)):
            found[name] = interval(statistic, *values, seed=seed, resamples=resamples)

    add("pearson_r", pearson, expected, real)
    add("mean_absolute_error", mean_absolute_error, expected, real)
    for limit in (0.7, 0.8):
        name = f"dice_below_{round(100 * limit):03d}"
        add(f"auroc_{name}", auroc, expected, real < limit)
        found[f"n_{name}"] = int((real < limit).sum())
    for name, statistic in (("aurc", aurc), ("augrc", augrc), ("dice_of_80_percent", dice_of_most_trusted)):
        add(name, statistic, expected, real)
        found[f"{name}_oracle"] = statistic(real, real)
        found[f"{name}_chance"] = statistic(np.zeros(len(real)), real)
    return found


def _ordered(expected: Float64, losses: Float64) -> Float64:
    """Losses from the most trusted mask on; equals share their mean."""
    order = np.argsort(-expected, kind="stable")
    _, group = np.unique(-expected[order], return_inverse=True)
    return (np.bincount(group, losses[order]) / np.bincount(group))[group]
