"""What was said of masks, held against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainseg.trust.fit import Told, tell
from brainseg.trust.metrics import RESAMPLES, coverage, figures, interval, median_width
from brainseg.trust.model import Calibrations
from brainseg.trust.rows import Rows
from brainseg.trust.setups import SETUPS


def judged(rows: Rows, calibrations: Calibrations, seed: int, resamples: int) -> dict[str, Any]:
    """What the calibrations say of the rows' masks, beside the truth.

    Args:
        rows: of one setup or more.
        calibrations: of `load_calibrations()`.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Returns:
        calibration: from which rows it was learnt, of how many patients, and how many of these are among `rows`: what
        is said of those is better than of others. setups: `worth` of each. masks: see `masks`, of the first setup of
        `SETUPS` that the rows have.
    """
    known = set(calibrations.patients)
    setups = [name for name in SETUPS if name in rows.setup]
    parts = {name: rows.of(rows.setup == name) for name in setups}
    told = {name: tell(calibrations.setups[name], part) for name, part in parts.items()}
    return {
        "calibration": {
            "made_from": calibrations.made_from,
            "rows_sha256": calibrations.rows_sha256,
            "patients": len(known),
            "patients_also_here": len(known & set(rows.patient.tolist())),
        },
        "setups": {name: worth(part, told[name], seed, resamples) for name, part in parts.items()},
        "masks": masks(parts[setups[0]], told[setups[0]]),
    }


def worth(rows: Rows, told: Told, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Figures of `told` beside what is true, with intervals by patient, and how good the masks of each level are.

    Those of the volume are of masks that are not empty; without any they are left out.
    """
    drawn = {"seed": seed, "resamples": resamples}
    found = figures(told.dice, rows.dice, **drawn) | {
        "dice_low_coverage": interval(coverage, told.dice_low, np.ones(len(rows)), rows.dice, **drawn),
        "dice_low_mean": float(told.dice_low.mean()),
        "levels": _levels(rows, told),
    }
    there = rows.predicted_volume > 0
    if not there.any():
        return found
    low, high = told.volume_low[there], told.volume_high[there]
    ratio = rows.true_volume[there] / rows.predicted_volume[there]
    return found | {
        "volume_coverage": interval(coverage, low, high, ratio, **drawn),
        "volume_width": interval(median_width, low, high, **drawn),
    }


def _levels(rows: Rows, told: Told) -> dict[str, Any]:
    """How good the masks of each level are."""
    found = {}
    for name in ("good", "check", "unreliable"):
        real = rows.dice[told.level == name]
        found[name] = {"n": len(real)} | (
            {"dice_mean": float(real.mean()), "dice_min": float(real.min())} if len(real) else {}
        )
    return found


def masks(rows: Rows, told: Told) -> list[dict[str, Any]]:
    """What was said of each mask, and the truth, by patient; volumes in voxels."""
    predicted = rows.predicted_volume
    return [
        {
            "patient": str(rows.patient[i]),
            "dice": float(rows.dice[i]),
            "expected": float(told.dice[i]),
            "dice_low": float(told.dice_low[i]),
            "level": str(told.level[i]),
            "true_volume": int(rows.true_volume[i]),
            "volume_low": float(told.volume_low[i] * predicted[i]),
            "volume_high": float(told.volume_high[i] * predicted[i]),
        }
        for i in np.argsort(rows.patient)
    ]
