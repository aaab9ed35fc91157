"""Learn the constants of `model.py` from rows with known truth.

Rows of one fold were predicted by networks that had seen none of them. Whatever is chosen here is chosen without the
rows that it is tried on: `out_of_fold` leaves one fold out, and `fit`, for its bounds, leaves out each of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from brainseg.data.slices import Float64
from brainseg.errors import DataError
from brainseg.trust.features import FEATURES
from brainseg.trust.model import AT_MOST, Calibration, Levels, Term, dice_spread, distance
from brainseg.trust.rows import Rows

LEVEL = 0.9
"""Share of masks that keep their bound or their interval."""
RIDGE = 0.1
"""Penalty of squared weights, as a share of the number of rows; distances have a spread of about 1."""
GOOD = 95.0
"""The percentile of a feature, from worst to best, from which on it is good."""
BEYOND = 2.0
"""A distance counts for at most so many times the largest one of the rows."""
FLOOR = 0.05
"""`Calibration.dice_floor`."""
LEAST_SPREAD = 0.02
"""No volume is known better than to 2%."""
RIGHT, WRONG = 0.8, 0.7
"""A good mask has a Dice of the first at least, in `SURELY` of all cases; a Dice below the second is of little use."""
SURELY, OFTEN = 0.95, 0.5


@dataclass(frozen=True)
class Told:
    """What is said of masks without a look at their truth; all [n].

    Attributes:
        dice, dice_low: see `Calibration`.
        volume_low, volume_high: as factors of the predicted volume.
    """

    dice: Float64
    dice_low: Float64
    volume_low: Float64
    volume_high: Float64


def tell(calibration: Calibration, rows: Rows) -> Told:
    """What a calibration says of masks; of an empty one it expects nothing."""
    there = rows.predicted_volume > 0
    dice = np.where(there, calibration.expected_dice(rows.features), 0)
    low, high = calibration.volume_factors(rows.features)
    return Told(dice, np.where(there, calibration.dice_low(dice), 0), low, high)


def out_of_fold(rows: Rows, names: Sequence[str] = tuple(FEATURES)) -> Told:
    """What is said of each fold's masks by what the others taught.

    Args:
        rows: of three folds at least.
        names: candidate features.
    """
    parts = np.full((4, len(rows)), np.nan)
    for fold in _folds(rows):
        left = rows.fold == fold
        told = tell(fit(rows.of(~left), names, "0" * 64), rows.of(left))
        parts[:, left] = told.dice, told.dice_low, told.volume_low, told.volume_high
    return Told(*parts)


def fit(rows: Rows, names: Sequence[str], digest: str) -> Calibration:
    """Learn all constants.

    Args:
        rows: of two folds at least.
        names: candidate features, of which at most `AT_MOST` are taken.
        digest: SHA-256 of the rows' file.

    Raises:
        DataError: fewer than two folds.
    """
    folds = _folds(rows)
    if len(folds) < 2:
        raise DataError(f"the rows are of {len(folds)} fold, expected two or more: bounds are learnt out of fold.")
    rows = rows.of(rows.predicted_volume > 0)
    expected, spread, bias = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    for fold in _folds(rows):
        left = rows.fold == fold
        learnt = _constants(rows.of(~left), names, digest)
        expected[left] = learnt.expected_dice(rows.features)[left]
        spread[left] = _volume_spread(learnt, rows)[left]
        bias[left] = learnt.volume_bias
    below = (expected - rows.dice) / dice_spread(expected, FLOOR)
    off = np.abs(_log_ratio(rows) - bias) / spread
    update = {
        "dice_bound": conformal_quantile(below),
        "volume_bound": max(conformal_quantile(off), 0.0),
        "levels": levels(expected, rows.dice),
    }
    return _constants(rows, names, digest).model_copy(update=update)


def conformal_quantile(scores: Float64, level: float = LEVEL) -> float:
    """The score that a new mask's exceeds with a probability of 1 - level at most (Vovk et al. 2005).

    It is the k-th smallest of n, k = ceil(level (n + 1)); where n is too small for that, the largest.
    """
    k = int(np.ceil(np.round(level * (len(scores) + 1), 9)))
    return float(np.sort(scores)[min(k, len(scores)) - 1])


def levels(expected: Float64, real: Float64) -> Levels:
    """Where masks are good and where unreliable, by masks whose expected Dice was learnt from others.

    Good from the lowest expected Dice on above which at least `SURELY` reach a Dice of `RIGHT`; unreliable below the
    highest one under which at least `OFTEN` stay below `WRONG`.
    """
    order = np.argsort(-expected, kind="stable")
    reached = np.cumsum(real[order] >= RIGHT) / np.arange(1, len(real) + 1)
    keeps = np.flatnonzero(reached >= SURELY)
    good = float(expected[order[keeps[-1]]]) if len(keeps) else 1.0
    rising = order[::-1]
    failed = np.cumsum(real[rising] < WRONG) / np.arange(1, len(real) + 1)
    fails = np.flatnonzero(failed >= OFTEN)
    unreliable = float(np.nextafter(expected[rising[fails[-1]]], 1)) if len(fails) else 0.0
    return Levels(good=good, unreliable=min(unreliable, good))


def _constants(rows: Rows, names: Sequence[str], digest: str) -> Calibration:
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
    rest = float(np.mean(np.abs(ratio - bias)) - z.mean(0) @ by_volume) if len(terms) else float(np.mean(np.abs(ratio)))
    weighed = {
        name: term.model_copy(update={"dice": float(by_dice[i]), "volume": float(by_volume[i])})
        for i, (name, term) in enumerate(terms.items())
    }
    return Calibration(
        rows=len(rows),
        rows_sha256=digest,
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
    """Weights of 0 or more with which distances [n, k] tell what rises with them [n], but for a constant: ridge."""
    if not z.shape[1]:
        return np.zeros(0)
    penalty = np.sqrt(RIDGE * len(z)) * np.eye(z.shape[1])
    weights, _ = nnls(
        np.concatenate([z - z.mean(0), penalty]), np.concatenate([rising - rising.mean(), np.zeros(len(penalty))])
    )
    return np.asarray(weights)


def _volume_spread(calibration: Calibration, rows: Rows) -> Float64:
    weights = np.array([term.volume for term in calibration.terms.values()])
    return calibration.volume_spread + calibration.distances(rows.features) @ weights


def _log_ratio(rows: Rows) -> Float64:
    return np.log((rows.true_volume + 1) / (rows.predicted_volume + 1))


def _folds(rows: Rows) -> list[str]:
    return sorted(set(rows.fold.tolist()))
