"""Tables for metrics/ and for `dvc plots`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brainseg.evaluation.metrics import PATIENT_COLUMNS, Evaluation


def per_patient(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """A row per model and patient: models in the order given, patients sorted.

    Returns:
        model and `PATIENT_COLUMNS`.
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


def per_slice(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """A row per model and slice: model, patient, slice, case, dice, tumour_px, predicted_px."""
    rows = [evaluation.per_slice.assign(model=model) for model, evaluation in evaluations.items()]
    table = pd.concat(rows, ignore_index=True)
    table["tumour_px"], table["predicted_px"] = table["tp"] + table["fn"], table["tp"] + table["fp"]
    return table[["model", "patient", "slice", "case", "dice", "tumour_px", "predicted_px"]]


def confusion(evaluation: Evaluation) -> pd.DataFrame:
    """A row per slice for DVC's confusion template: `actual` and `predicted`, each `tumour` or `none`."""
    table = evaluation.per_slice
    there = {"actual": table["tp"] + table["fn"] > 0, "predicted": table["tp"] + table["fp"] > 0}
    return pd.DataFrame({name: np.where(pixels, "tumour", "none") for name, pixels in there.items()})


def by_model(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of one layout under each other, the model's name in front."""
    return pd.concat([table.assign(model=model) for model, table in tables.items()], ignore_index=True)[
        ["model", *next(iter(tables.values())).columns]
    ]
