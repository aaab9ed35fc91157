"""From the measurements of one model to its numbers in metrics/test.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from brainseg.evaluation.metrics import Evaluation, Float
from brainseg.evaluation.overlap import EMPTY_CASES
from brainseg.params import Params

CONFIDENCE = 0.95


class EvaluateParams(Params):
    """The section `evaluate` of params.yaml.

    Attributes:
        bootstrap: resamples behind each confidence interval.
        overlays: slices shown in each picture.
    """

    bootstrap: int = Field(2000, ge=100, le=100_000)
    overlays: int = Field(4, ge=1, le=12)


def bootstrap_ci(values: Sequence[float] | Float, resamples: int, seed: int) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean, one value a patient (Efron 1979).

    Patients are resampled, not slices: slices of one patient are not independent.
    One patient alone has no spread to resample: both ends are then its value.

    Args:
        values: finite floats [patients], at least one.
        resamples: number of bootstrap samples.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        The lower and the upper end.
    """
    from scipy.stats import bootstrap

    sample = np.asarray(values, np.float64)
    if len(sample) == 1:
        return float(sample[0]), float(sample[0])
    interval = bootstrap(
        (sample,),
        np.mean,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def summarise(evaluation: Evaluation, params: EvaluateParams, seed: int) -> dict[str, Any]:
    """The numbers of one model, in the shape of an entry of metrics/test.json.

    A mean over nothing is 0.0, and the count `n` of 0 beside it says so: metrics are finite.

    Args:
        evaluation: what `evaluate` measured.
        params: the number of resamples.
        seed: of the bootstrap.

    Returns:
        slice: means over labelled slices (those with tumour); volume: over patients;
        empty_slices: the fraction of slices without tumour on which some was predicted;
        slice_cases: how often each row of `EMPTY_CASES` applied to a slice.
    """
    slices, patients = evaluation.per_slice, evaluation.per_patient
    labeled = slices[slices["tp"] + slices["fn"] > 0]
    empty = slices[slices["tp"] + slices["fn"] == 0]
    low, high = bootstrap_ci(patients["dice"].to_numpy(), params.bootstrap, seed)
    overlaps = ("dice", "iou", "precision", "recall")
    return {
        "slice": {**{name: _mean(labeled[name]) for name in overlaps}, "n": len(labeled)},
        "volume": {
            "dice_mean": _mean(patients["dice"]),
            "dice_median": float(patients["dice"].median()),
            "dice_min": float(patients["dice"].min()),
            "dice_ci95_low": low,
            "dice_ci95_high": high,
            **{f"{name}_mean": _mean(patients[name]) for name in (*overlaps[1:], "hd95_px", "nsd_2px")},
            "n": len(patients),
        },
        "empty_slices": {"false_positive_rate": _mean(empty["fp"] > 0), "n": len(empty)},
        "slice_cases": {case.name: int((slices["case"] == case.name).sum()) for case in EMPTY_CASES.values()},
    }


def _mean(values: pd.Series[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0
