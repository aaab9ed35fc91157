"""From the measurements of one model to its numbers in metrics/test.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from brainseg.data.slices import Float64
from brainseg.errors import DataError
from brainseg.evaluation.metrics import METRICS, Evaluation
from brainseg.evaluation.overlap import EMPTY_CASES
from brainseg.params import Params

CONFIDENCE = 0.95


class EvaluateParams(Params):
    """The section `evaluate` of params.yaml.

    Attributes:
        bootstrap: resamples behind each confidence interval.
        overlays: slices shown in each picture.
    """

    bootstrap: int = Field(ge=100, le=100_000)
    overlays: int = Field(ge=1, le=12)


def bootstrap_ci(values: Sequence[float] | Float64, resamples: int, seed: int) -> tuple[float, float]:
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


class Paired(NamedTuple):
    """Two measurements of the same patients, b against a.

    Attributes:
        n: patients. difference: mean of b - a. low, high: its 95% bootstrap interval.
        better, worse: patients whose value rose, fell.
        p: Wilcoxon's signed-rank test, two-sided; 1 where nothing differs.
        effect: matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1: how much of the rank sum favours b.
    """

    n: int
    difference: float
    low: float
    high: float
    better: int
    worse: int
    p: float
    effect: float

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not told apart` where test or interval leaves it open."""
        if self.p >= 1 - CONFIDENCE or self.low <= 0 <= self.high:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"


def paired(a: Sequence[float] | Float64, b: Sequence[float] | Float64, resamples: int, seed: int) -> Paired:
    """Compare two models on the same patients.

    Args:
        a: finite floats [patients], at least one.
        b: of the same patients in the same order.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: no patients, or not as many in both.
    """
    from scipy.stats import rankdata, wilcoxon

    change = np.asarray(b, np.float64) - np.asarray(a, np.float64) if len(a) == len(b) else np.zeros(0)
    if not len(change):
        raise DataError(f"{len(a)} and {len(b)} patients cannot be paired, expected the same ones, at least one.")
    low, high = bootstrap_ci(change, resamples, seed)
    differs = change[change != 0]
    ranks = rankdata(np.abs(differs))
    return Paired(
        n=len(change),
        difference=float(change.mean()),
        low=low,
        high=high,
        better=int((change > 0).sum()),
        worse=int((change < 0).sum()),
        p=float(wilcoxon(differs).pvalue) if len(differs) else 1.0,
        effect=float((ranks * np.sign(differs)).sum() / ranks.sum()) if len(differs) else 0.0,
    )


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
    averaged = [name for name, metric in METRICS.items() if not metric.count and name != "dice"]
    return {
        "slice": {
            **{name: _mean(labeled[name]) for name in ("dice", "iou", "precision", "recall")},
            **dict(zip(("dice_ci95_low", "dice_ci95_high"), _slice_interval(labeled, params, seed), strict=True)),
            "n": len(labeled),
        },
        "volume": {
            "dice_mean": _mean(patients["dice"]),
            "dice_median": float(patients["dice"].median()),
            "dice_min": float(patients["dice"].min()),
            "dice_ci95_low": low,
            "dice_ci95_high": high,
            **{f"{name}_mean": _mean(patients[name]) for name in averaged},
            "n": len(patients),
        },
        "empty_slices": {"false_positive_rate": _mean(empty["fp"] > 0), "n": len(empty)},
        "slice_cases": {case.name: int((slices["case"] == case.name).sum()) for case in EMPTY_CASES.values()},
    }


def _slice_interval(labeled: pd.DataFrame, params: EvaluateParams, seed: int) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean over slices; whole patients are drawn, with all their slices."""
    from scipy.stats import bootstrap

    groups = labeled.groupby("patient")["dice"]
    if groups.ngroups < 2:
        return _mean(labeled["dice"]), _mean(labeled["dice"])
    interval = bootstrap(
        (groups.sum().to_numpy(), groups.size().to_numpy()),
        lambda total, n, axis: total.sum(axis) / n.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=params.bootstrap,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _mean(values: pd.Series[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0
