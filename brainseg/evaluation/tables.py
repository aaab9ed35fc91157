"""Tables for metrics/ and for `dvc plots`."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from brainseg.evaluation.metrics import PATIENT_COLUMNS, Evaluation


def per_patient(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """A row per model and patient: models in the order given, patients sorted.

    Returns:
        model, patient, dice, iou, precision, recall, hd95_px, nsd_2px, tumour_px, predicted_px.
    """
    rows = [evaluation.per_patient.assign(model=model) for model, evaluation in evaluations.items()]
    return pd.concat(rows, ignore_index=True)[["model", *PATIENT_COLUMNS]]


def dice_by_patient(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """A row per patient, by rising tumour size, with the whole-volume Dice of each model in its own column.

    One column a model, since DVC's templates tell several y columns of one file apart, but not
    several models within one column. `scatter` draws it with `tumour_px` as x.

    Returns:
        patient, tumour_px, then a column for each model.
    """
    wide = per_patient(evaluations).pivot(index=["patient", "tumour_px"], columns="model", values="dice")
    wide = wide[list(evaluations)].reset_index().rename_axis(columns=None)
    return wide.sort_values(["tumour_px", "patient"], ignore_index=True)
