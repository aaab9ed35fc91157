"""What the page needs of each test patient: slices, outlines, Dice by slice, the probability."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainseg.data.slices import FLAIR, SliceSet
from brainseg.inference.predictor import Prediction
from brainseg.model.catalogue import ENSEMBLE, MODELS
from brainseg.report.pictures import data_url, outline, white_of, window_of

BUDGET_BYTES = 16_000_000
"""Of all patients together, so that the page stays under 25 MB with its plotting library."""
FAINT = 8
"""A slice whose probability is nowhere above this (of 255) has none to show."""


def viewers(
    truths: Mapping[str, SliceSet],
    predictions: Mapping[str, Mapping[str, Prediction]],
    per_slice: pd.DataFrame,
    order: list[str],
    budget: int = BUDGET_BYTES,
) -> dict[str, str]:
    """Patients that can be looked at, in the order given, as many as the budget allows.

    Args:
        truths: patient -> slice set.
        predictions: model -> patient -> what it says.
        per_slice: model, patient, slice, dice.
        order: patients, those most worth seeing first.
        budget: of all of them, in bytes.

    Returns:
        patient -> JSON for the page.
    """
    found: dict[str, str] = {}
    for patient in order:
        rows = per_slice[per_slice["patient"] == patient]
        of_patient = {model: predictions[model][patient] for model in MODELS}
        content = json.dumps(viewer(truths[patient], of_patient, rows), separators=(",", ":"))
        budget -= len(content)
        if budget < 0:
            break
        found[patient] = content
    return found


def viewer(truth: SliceSet, predictions: Mapping[str, Prediction], rows: pd.DataFrame) -> dict[str, Any]:
    """One patient's content, ready for JSON.

    Returns:
        width, height; slices (numbers), images (data URLs), probability (data URLs of the ensemble, None where there
        is none); outlines: `truth` and models -> SVG paths; dice: models -> a value per slice, None where both truth
        and prediction are empty.
    """
    window = window_of(truth.brain)
    flair = truth.images[..., FLAIR][:, *window]
    white = white_of(flair)
    soft = predictions[ENSEMBLE].probability[:, *window]
    outlines = {"truth": truth.masks} | {model: found.mask for model, found in predictions.items()}
    return {
        "width": flair.shape[2],
        "height": flair.shape[1],
        "slices": truth.slices.tolist(),
        "images": [data_url(picture, white) for picture in flair],
        "probability": [data_url(level) if level.max() > FAINT else None for level in soft],
        "outlines": {name: [outline(mask) for mask in masks[:, *window]] for name, masks in outlines.items()},
        "dice": {model: _dice(rows[rows["model"] == model], truth.slices) for model in predictions},
        "start": int(np.argmax(truth.masks.sum((1, 2)))),
    }


def _dice(rows: pd.DataFrame, slices: Any) -> list[float | None]:
    drawn = rows[rows["case"] != "both_empty"]
    by_slice = dict(zip(drawn["slice"].tolist(), drawn["dice"].round(4).tolist(), strict=True))
    return [by_slice.get(int(number)) for number in slices]
