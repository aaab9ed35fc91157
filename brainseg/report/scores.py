"""From predictions to every figure of the run: what `evaluate` writes into metrics/."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from brainseg.data.on_disk import each
from brainseg.data.slices import SliceSet
from brainseg.data.splits import SplitParams
from brainseg.evaluation import calibration, tables
from brainseg.evaluation.metrics import Evaluation, evaluate
from brainseg.evaluation.statistics import EvaluateParams, paired, summarise
from brainseg.inference.predictor import Prediction
from brainseg.model.catalogue import ENSEMBLE, NETWORKS


@dataclass(frozen=True)
class Results:
    """Figures of one run.

    Attributes:
        tables: the CSV files, by name.
        test: content of test.json.
        paired: content of paired.json: the second network held against the first, patient by patient, and under
            `more` each further one, where there are any.
    """

    tables: Mapping[str, pd.DataFrame]
    test: Mapping[str, Any]
    paired: Mapping[str, Any]


def measure(
    truths: Mapping[str, SliceSet],
    predictions: Mapping[str, Mapping[str, Prediction]],
    split: SplitParams,
    settings: EvaluateParams,
    seed: int,
) -> Results:
    """Measure all models on the test patients.

    Args:
        truths: patient -> slice set of the slices to be scored.
        predictions: model -> patient -> what it says.
        split: how patients were divided; a leaking split is named in the results.
        settings: number of resamples.
        seed: of the bootstrap.

    Raises:
        DataError: a prediction is missing, extra, or does not fit its patient.
    """
    scores, counts, summaries = {}, {}, {}
    for model, of_model in predictions.items():
        scores[model] = evaluate(truths, each(of_model, lambda found: found.mask))
        counts[model] = _count(truths, of_model)
        error = calibration.expected_calibration_error(counts[model])
        worth = {"ece": error, "average_precision": calibration.average_precision(counts[model])}
        summaries[model] = summarise(scores[model], settings, seed) | {"calibration": worth}
    return Results(
        tables={
            "per_patient": tables.per_patient(scores),
            "per_slice": tables.per_slice(scores),
            "dice_by_patient": tables.dice_by_patient(scores),
            "confusion": tables.confusion(scores[ENSEMBLE]),
            "calibration": tables.by_model({model: calibration.reliability(c) for model, c in counts.items()}),
            "precision_recall": tables.by_model({m: calibration.precision_recall(c) for m, c in counts.items()}),
        },
        test={"leaky": split.leaky, "split_by": split.by} | summaries,
        paired=_paired(scores, settings, seed),
    )


def _count(truths: Mapping[str, SliceSet], found: Mapping[str, Prediction]) -> calibration.Counts:
    counts = (calibration.count_levels(found[p].probability, truth.masks, truth.brain) for p, truth in truths.items())
    return functools.reduce(operator.add, counts)


def _paired(scores: Mapping[str, Evaluation], settings: EvaluateParams, seed: int) -> dict[str, Any]:
    """Every network against the first; `evaluate` sorts the patients of all alike."""
    first, *others = NETWORKS
    dice = {name: scores[name].per_patient["dice"].tolist() for name in NETWORKS}
    compared = {name: paired(dice[first], dice[name], settings.bootstrap, seed) for name in others}
    rows = [{"a": first, "b": name, **found._asdict(), "verdict": found.verdict} for name, found in compared.items()]
    return {} if not rows else rows[0] | ({"more": rows[1:]} if rows[1:] else {})
