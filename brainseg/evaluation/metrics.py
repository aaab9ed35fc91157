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
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from brainseg.data.slices import Bool, Int, SliceSet
from brainseg.errors import DataError
from brainseg.evaluation.components import count_components
from brainseg.evaluation.overlap import EMPTY_CASES, Overlap, overlap, require_pair

Float = npt.NDArray[np.float64]

NSD_TOLERANCE_PX = 2.0
PATIENT_COLUMNS = (
    "patient", "dice", "iou", "precision", "recall", "hd95_px", "nsd_2px", "tumour_px", "predicted_px",
    "components", "missed_components", "predicted_components", "false_components",
)  # fmt: skip
SLICE_COLUMNS = (
    "slice", "case", "tp", "fp", "fn", "dice", "iou", "precision", "recall", "hd95_px", "nsd_2px",
)  # fmt: skip


def distances(truth: Bool, prediction: Bool) -> tuple[Float, Float]:
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


def patient_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The metrics of a patient from the table of its slices (see `slice_metrics`).

    Returns:
        dice, iou, precision, recall of all pixels of all slices together; hd95_px and nsd_2px
        averaged over the slices with truth or prediction; tumour_px and predicted_px.
    """
    whole = Overlap(*(int(table[name].sum()) for name in ("tp", "fp", "fn")))
    both_empty = EMPTY_CASES[True, True]
    drawn = table[table["case"] != both_empty.name]
    measured = drawn if len(drawn) else table  # all empty: the mean of the values decided for that case
    return {
        "dice": whole.dice,
        "iou": whole.iou,
        "precision": whole.precision,
        "recall": whole.recall,
        "hd95_px": float(measured["hd95_px"].mean()),
        "nsd_2px": float(measured["nsd_2px"].mean()),
        "tumour_px": whole.tp + whole.fn,
        "predicted_px": whole.tp + whole.fp,
    }


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
        counts = dict(zip(PATIENT_COLUMNS[-4:], (parts.truth, parts.missed, parts.predicted, parts.false), strict=True))
        patients.append({"patient": patient, **patient_metrics(table), **counts})
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
    box = ndimage.find_objects((truth | prediction).view(np.uint8))[0]
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
