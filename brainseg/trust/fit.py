"""Learn the constants of `model.py` from rows with known truth.

Rows of one fold were predicted by networks that had seen none of them. Whatever is chosen here is chosen without the
rows that it is tried on: `out_of_fold` leaves one fold out, and `fit`, for its bounds, leaves out each of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from brainseg.data.slices import Float64
from brainseg.errors import DataError
from brainseg.trust.features import FEATURES
from brainseg.trust.model import AT_MOST, Calibration, Levels, Term, dice_spread, distance
from brainseg.trust.rows import Rows

LEVEL = 0.9
"""Share of masks that keep their bound or their interval."""
RIDGE = 1.0
"""Penalty of squared weights, as a multiple of the number of rows; distances have a spread of 1. As strong as what the
features say: those that say much the same share a weight, and none is followed alone."""
GOOD = 95.0
"""The percentile of a feature, from worst to best, from which on it is good."""
BEYOND = 2.0
"""A distance counts for at most so many times the largest one of the rows."""
FLOOR = 0.05
"""`Calibration.dice_floor`."""
LEAST_SPREAD = 0.02
"""No volume is known better than to 2%."""
RIGHT, WRONG = 0.8, 0.7
"""90% of masks that are called good have the first Dice at least; a Dice below the second is of little use."""
OFTEN = 0.5


@dataclass(frozen=True)
class Told:
    """What is said of masks without a look at their truth; all [n].

    Attributes:
        dice, dice_low: see `Calibration`.
        volume_low, volume_high: as factors of the predicted volume.
        level: `good`, `check` or `unreliable`.
    """

    dice: Float64
    dice_low: Float64
    volume_low: Float64
    volume_high: Float64
    level: npt.NDArray[Any]


def tell(calibration: Calibration, rows: Rows) -> Told:
    """What a calibration says of masks; of an empty one it expects nothing."""
    there = rows.predicted_volume > 0
    dice = np.where(there, calibration.expected_dice(rows.features), 0)
    low, high = calibration.volume_factors(rows.features)
    each = [{name: values[i] for name, values in rows.features.items()} for i in range(len(rows))]
    level = [calibration.level(one) if full else "unreliable" for one, full in zip(each, there, strict=True)]
    return Told(dice, np.where(there, calibration.dice_low(dice), 0), low, high, np.array(level))


def out_of_fold(rows: Rows, names: Sequence[str] = tuple(FEATURES)) -> Told:
    """What is said of each fold's masks by what the others taught.

    Args:
        rows: of three folds at least.
        names: candidate features.
    """
    parts, level = np.full((4, len(rows)), np.nan), np.full(len(rows), "unreliable")
    for fold in _folds(rows):
        left = rows.fold == fold
        told = tell(fit(rows.of(~left), names), rows.of(left))
        parts[:, left] = told.dice, told.dice_low, told.volume_low, told.volume_high
        level[left] = told.level
    return Told(parts[0], parts[1], parts[2], parts[3], level)


def fit(rows: Rows, names: Sequence[str]) -> Calibration:
    """Learn all constants.

    Args:
        rows: of two folds at least.
        names: candidate features, of which at most `AT_MOST` are taken.

    Raises:
        DataError: fewer than two folds with masks that are not empty.
    """
    rows = rows.of(rows.predicted_volume > 0)
    folds = _folds(rows)
    if len(folds) < 2:
        raise DataError(f"the rows are of {len(folds)} fold, expected two or more: bounds are learnt out of fold.")
    left = _Left.of(rows, names)
    bound = max(conformal_quantile((left.expected - rows.dice) / dice_spread(left.expected, FLOOR)), 0.0)
    update = {
        "dice_bound": bound,
        "volume_bound": conformal_quantile(np.abs(_log_ratio(rows) - left.bias) / left.spread),
        "levels": levels(left.expected, rows.dice, bound),
    }
    return _constants(rows, names).model_copy(update=update)


@dataclass(frozen=True)
class _Left:
    """What is told of rows by the other folds' rows; all [n]."""

    expected: Float64
    spread: Float64
    bias: Float64

    @classmethod
    def of(cls, rows: Rows, names: Sequence[str]) -> _Left:
        expected, spread, bias = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
        for fold in _folds(rows):
            left = rows.fold == fold
            learnt = _constants(rows.of(~left), names)
            expected[left] = learnt.expected_dice(rows.features)[left]
            spread[left] = learnt.volume_spreads(rows.features)[left]
            bias[left] = learnt.volume_bias
        return cls(expected, spread, bias)


def conformal_quantile(scores: Float64, level: float = LEVEL) -> float:
    """The score that a new mask's exceeds with a probability of 1 - level at most (Vovk et al. 2005).

    It is the k-th smallest of n, k = ceil(level (n + 1)); where n is too small for that, the largest.
    """
    k = int(np.ceil(np.round(level * (len(scores) + 1), 9)))
    return float(np.sort(scores)[min(k, len(scores)) - 1])


def levels(expected: Float64, real: Float64, bound: float) -> Levels:
    """Where masks are good and where unreliable, by masks whose expected Dice was learnt from others.

    Args:
        expected: Dice, [n].
        real: Dice, [n].
        bound: `Calibration.dice_bound`.

    Returns:
        Good from the expected Dice on whose lower bound is `RIGHT`. Unreliable below an expected Dice of `WRONG`, or
        higher, below the highest one under which `OFTEN` or more of the masks stay below `WRONG`.
    """
    rising = np.argsort(expected, kind="stable")
    failed = np.cumsum(real[rising] < WRONG) / np.arange(1, len(real) + 1)
    fails = np.flatnonzero(failed >= OFTEN)
    unreliable = max(WRONG, float(expected[rising[fails[-1]]]) if len(fails) else 0.0)
    good = (RIGHT + bound * (1 + FLOOR)) / (1 + bound)  # solves good - bound * dice_spread(good, FLOOR) = RIGHT
    return Levels(good=float(np.clip(good, unreliable, 1)), unreliable=unreliable)


def _constants(rows: Rows, names: Sequence[str]) -> Calibration:
    """All that is learnt without leaving anything out; the bounds are not."""
    terms = {name: _term(name, rows.features[name]) for name in names}
    weights = _falling(_distances(rows, terms), -rows.dice)
    most = sorted(terms, key=lambda name: -weights[list(terms).index(name)])[:AT_MOST]
    terms = {name: term for i, (name, term) in enumerate(terms.items()) if name in most and weights[i] > 0}
    z = _distances(rows, terms)
    by_dice = _falling(z, -rows.dice)
    ratio = _log_ratio(rows)
    bias = float(np.median(ratio))
    by_volume = _falling(z, np.abs(ratio - bias))
    rest = float(np.abs(ratio - bias).mean() - z.mean(0) @ by_volume)
    weighed = {
        name: term.model_copy(update={"dice": float(by_dice[i]), "volume": float(by_volume[i])})
        for i, (name, term) in enumerate(terms.items())
    }
    return Calibration(
        rows=len(rows),
        terms=weighed,
        dice=float(np.clip(rows.dice.mean() + z.mean(0) @ by_dice, 0, 1)),
        dice_bound=0.0,
        dice_floor=FLOOR,
        volume_bias=bias,
        volume_spread=max(rest, LEAST_SPREAD),
        volume_bound=0.0,
        levels=Levels(good=1.0, unreliable=0.0),
    )


def _term(name: str, values: Float64) -> Term:
    """Where a feature is good, and its scale; without weights."""
    better = FEATURES[name].better
    good = float(better * np.percentile(better * values, GOOD))
    term = Term(good=good, scale=max(float(values.std()), 1e-6), most=1e6, seen=0, dice=0, volume=0)
    seen = float(distance(name, values, term).max())
    return term.model_copy(update={"most": BEYOND * seen, "seen": seen})


def _distances(rows: Rows, terms: dict[str, Term]) -> Float64:
    parts = [distance(name, rows.features[name], term) for name, term in terms.items()]
    return np.stack(parts, -1) if parts else np.zeros((len(rows), 0))


def _falling(z: Float64, rising: Float64) -> Float64:
    """Weights of 0 or more with which distances [n, k] tell what rises with them [n], but for a constant.

    A ridge shares weights out among distances that say the same, and makes all of them too small: one common factor,
    by least squares, undoes the second.
    """
    if not z.shape[1]:
        return np.zeros(0)
    centred, target = z - z.mean(0), rising - rising.mean()
    penalty = np.sqrt(RIDGE * len(z)) * np.eye(z.shape[1])
    weights = nnls(np.concatenate([centred, penalty]), np.concatenate([target, np.zeros(len(penalty))]))[0]
    told = centred @ weights
    factor = float(told @ target) / float(told @ told) if told.any() else 0.0
    return np.asarray(weights * factor)


def _log_ratio(rows: Rows) -> Float64:
    return np.log((rows.true_volume + 1) / (rows.predicted_volume + 1))


def _folds(rows: Rows) -> list[str]:
    return sorted(set(rows.fold.tolist()))
