"""How well a predicted mask fits the truth: overlap from pixel counts, distances between outlines.

Overlap (Dice, IoU, precision, recall) is of pixel counts, so it may be taken of a slice or of
all slices of a patient together. Distances are 2-D, in pixels, one slice at a time:

- HD95, the 95th percentile Hausdorff distance: the larger of the two directed 95th percentiles
  of the distances from each edge pixel of one mask to the nearest edge pixel of the other.
- NSD, normalised surface Dice (Nikolov et al. 2021, arXiv:1809.04430): the fraction of both
  masks' edge pixels that lie within 2 px of the other's edge.

Edges are mask pixels with a 4-neighbour outside the mask; beyond the image is outside.
Both are computed by MONAI.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from brainseg.data.slices import Bool, Float64, Int, SliceSet
from brainseg.errors import DataError
from brainseg.evaluation.components import Components, count_components
from brainseg.evaluation.overlap import EMPTY_CASES, Overlap, overlap, require_pair
from brainseg.preprocess.morphology import bounding_box

NSD_TOLERANCE_PX = 2.0
SLICE_COLUMNS = (
    "slice", "case", "tp", "fp", "fn", "dice", "iou", "precision", "recall", "hd95_px", "nsd_2px",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """All that the metrics of a patient are computed from.

    Attributes:
        slices: what `slice_metrics` gave.
        parts: 3-D components of truth and prediction.
    """

    slices: pd.DataFrame
    parts: Components

    @property
    def whole(self) -> Overlap:
        """Of all pixels of all slices together."""
        return Overlap(*(int(self.slices[name].sum()) for name in ("tp", "fp", "fn")))

    def mean(self, name: str) -> float:
        """Of a column, over the slices with truth or prediction; without any, of what is decided for that case."""
        drawn = self.slices[self.slices["case"] != EMPTY_CASES[True, True].name]
        return float((drawn if len(drawn) else self.slices)[name].mean())


@dataclass(frozen=True)
class Metric:
    """One measurement of a patient.

    Attributes:
        label: its name for people.
        of: how it is computed.
        better: which way is better; None where neither is.
        page: format of the ensemble's value in the page's table of patients; not there where empty.
        count: a number of things; of everything else metrics/test.json has the mean over patients.
    """

    label: str
    of: Callable[[Measured], float]
    better: Literal["higher", "lower"] | None = None
    page: str = ""
    count: bool = False


METRICS: Mapping[str, Metric] = {
    "dice": Metric("Dice", lambda patient: patient.whole.dice, "higher"),  # on the page there is one of each model
    "iou": Metric("IoU", lambda patient: patient.whole.iou, "higher"),
    "precision": Metric("precision", lambda patient: patient.whole.precision, "higher", ".3f"),
    "recall": Metric("recall", lambda patient: patient.whole.recall, "higher", ".3f"),
    "hd95_px": Metric("HD95", lambda patient: patient.mean("hd95_px"), "lower", ".1f"),
    "nsd_2px": Metric("NSD", lambda patient: patient.mean("nsd_2px"), "higher"),
    "tumour_px": Metric("tumour px", lambda patient: patient.whole.tp + patient.whole.fn, count=True),
    "predicted_px": Metric("predicted px", lambda patient: patient.whole.tp + patient.whole.fp, count=True),
    "components": Metric("parts", lambda patient: patient.parts.truth, count=True),
    "missed_components": Metric("missed parts", lambda patient: patient.parts.missed, "lower", ".0f", count=True),
    "predicted_components": Metric("predicted parts", lambda patient: patient.parts.predicted, count=True),
    "false_components": Metric("false parts", lambda patient: patient.parts.false, "lower", ".0f", count=True),
}
"""Every metric of a patient, in the order of the columns of metrics/per_patient.csv. To add one is to add its entry."""
PATIENT_COLUMNS = ("patient", *METRICS)


def distances(truth: Bool, prediction: Bool) -> tuple[Float64, Float64]:
    """HD95 in pixels and NSD at 2 px of each slice; empty masks as `EMPTY_CASES` has it.

    Args:
        truth: bool [n, height, width].
        prediction: bool [n, height, width].

    Returns:
        HD95 float64 [n], 0 to the image's diagonal, and NSD float64 [n], 0 to 1.

    Raises:
        DataError: not bool, not three axes, or the shapes differ.
    """
    require_pair(truth, prediction)
    if truth.ndim != 3:
        raise DataError(f"masks have the shape {truth.shape}, expected [n, height, width].")
    diagonal = float(np.hypot(*truth.shape[1:]))
    hd95, nsd = np.zeros(len(truth)), np.zeros(len(truth))
    for index, (t, p) in enumerate(zip(truth, prediction, strict=True)):
        case = EMPTY_CASES[not t.any(), not p.any()]
        if case.hd95_diagonals is None or case.nsd is None:
            hd95[index], nsd[index] = _monai_distances(t, p)
        else:
            hd95[index], nsd[index] = case.hd95_diagonals * diagonal, case.nsd
    return hd95, nsd


def slice_metrics(truth: Bool, prediction: Bool, slices: Int | None = None) -> pd.DataFrame:
    """Every metric of every slice of one patient.

    Args:
        truth: bool [n, height, width].
        prediction: bool [n, height, width].
        slices: int [n], the slices' numbers; by default 0 to n - 1.

    Returns:
        A row per slice with `SLICE_COLUMNS`; `case` is a name of `EMPTY_CASES`.

    Raises:
        DataError: not bool, not three axes, or the shapes differ.
    """
    hd95, nsd = distances(truth, prediction)
    numbers = range(len(truth)) if slices is None else slices
    rows = []
    for number, t, p, h, s in zip(numbers, truth, prediction, hd95, nsd, strict=True):
        o = overlap(t, p)
        rows.append((int(number), o.case.name, o.tp, o.fp, o.fn, o.dice, o.iou, o.precision, o.recall, h, s))
    return pd.DataFrame(rows, columns=list(SLICE_COLUMNS))


def patient_metrics(table: pd.DataFrame, parts: Components) -> dict[str, float]:
    """The metrics of a patient: `METRICS`, by name.

    Args:
        table: of its slices, from `slice_metrics`.
        parts: of its masks, from `count_components`.
    """
    measured = Measured(table, parts)
    return {name: metric.of(measured) for name, metric in METRICS.items()}


@dataclass(frozen=True)
class Evaluation:
    """All measurements of one model.

    Attributes:
        per_patient: a row per patient, sorted, with `PATIENT_COLUMNS`.
        per_slice: a row per slice: patient and `SLICE_COLUMNS`.
    """

    per_patient: pd.DataFrame
    per_slice: pd.DataFrame


def evaluate(truths: Mapping[str, SliceSet], predictions: Mapping[str, Bool]) -> Evaluation:
    """Measure the predictions of one model against the truth, patient by patient.

    Args:
        truths: patient -> slice set, which holds the slices to be scored: the whole volume, or
            for the split by slice those that are on test.
        predictions: patient -> bool [n, height, width], one mask for each of these slices.

    Raises:
        DataError: there is no patient, a prediction is missing or extra, or has other slices,
            another size or another dtype than the truth; the patients are named.
    """
    _check_complete(truths, predictions)
    patients, tables = [], []
    for patient in sorted(truths):
        truth = truths[patient]
        table = slice_metrics(truth.masks, predictions[patient], truth.slices)
        parts = count_components(truth.masks, predictions[patient])
        patients.append({"patient": patient, **patient_metrics(table, parts)})
        table.insert(0, "patient", patient)
        tables.append(table)
    per_patient = pd.DataFrame(patients, columns=list(PATIENT_COLUMNS))
    return Evaluation(per_patient, pd.concat(tables, ignore_index=True))


def _monai_distances(truth: Bool, prediction: Bool) -> tuple[float, float]:
    """HD95 and NSD of two masks [height, width] that are not empty."""
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    # Their common box is all that matters, and so small that torch starts no threads for it
    box = bounding_box(truth | prediction)
    y, y_pred = (torch.from_numpy(mask[box].copy())[None, None] for mask in (truth, prediction))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calling its own deprecated argument
        hd95 = compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95)
        nsd = compute_surface_dice(y_pred, y, class_thresholds=[NSD_TOLERANCE_PX], include_background=True)
    return float(hd95), float(nsd)


def _check_complete(truths: Mapping[str, SliceSet], predictions: Mapping[str, Bool]) -> None:
    if not truths:
        raise DataError("there is no test patient to evaluate; give the split some.")
    problems = []
    if missing := sorted(truths.keys() - predictions.keys()):
        problems.append(f"missing for {', '.join(missing)}")
    if extra := sorted(predictions.keys() - truths.keys()):
        problems.append(f"extra for {', '.join(extra)}")
    for patient in sorted(truths.keys() & predictions.keys()):
        found, expected = predictions[patient], truths[patient].masks
        if found.dtype != np.bool_ or found.shape != expected.shape:
            problems.append(f"{found.dtype} {found.shape} for {patient}, expected bool {expected.shape}")
    if problems:
        raise DataError(f"predictions do not fit the test slices: {'; '.join(problems)}; rerun postprocess.")
