"""The best, the median and the worst test patient as small pictures for the head of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainseg.data.slices import FLAIR, SliceSet
from brainseg.inference.predictor import Prediction
from brainseg.model.catalogue import ENSEMBLE
from brainseg.report.overlays import rank_patients
from brainseg.report.pictures import data_url, outline, white_of, window_of


@dataclass(frozen=True)
class Ranked:
    """A patient on the slice with the largest tumour.

    Attributes:
        rank: "best", "median" or "worst", or several of them.
        patient: its name.
        dice: of the ensemble, whole volume.
        number: of the slice.
        image: FLAIR as a data URL.
        outlines: "truth" and the ensemble -> SVG path.
        width, height: of the picture, in pixels.
    """

    rank: str
    patient: str
    dice: float
    number: int
    image: str
    outlines: Mapping[str, str]
    width: int
    height: int


def ranked(
    truths: Mapping[str, SliceSet], predictions: Mapping[str, Prediction], per_patient: pd.DataFrame
) -> list[Ranked]:
    """Best, median and worst by the ensemble's Dice; of fewer than three patients, each once.

    Args:
        truths: patient -> slice set.
        predictions: patient -> what the ensemble says.
        per_patient: columns model, patient, dice at least.
    """
    ensemble = per_patient[per_patient["model"] == ENSEMBLE]
    dice = ensemble.set_index("patient")["dice"]
    ranks: dict[str, str] = {}
    for rank, patient in rank_patients(ensemble).items():
        ranks[patient] = f"{ranks[patient]} and {rank}" if patient in ranks else rank
    return [_picture(rank, p, float(dice[p]), truths[p], predictions[p]) for p, rank in ranks.items()]


def _picture(rank: str, patient: str, dice: float, truth: SliceSet, found: Prediction) -> Ranked:
    at = int(np.argmax((truth.masks if truth.masks.any() else found.mask).sum((1, 2))))
    window = window_of(truth.brain)
    flair = truth.images[..., FLAIR][:, *window]
    masks = {"truth": truth.masks, ENSEMBLE: found.mask}
    return Ranked(
        rank=rank,
        patient=patient,
        dice=dice,
        number=int(truth.slices[at]),
        image=data_url(flair[at], white_of(flair)),
        outlines={name: outline(mask[at][window]) for name, mask in masks.items()},
        width=flair.shape[2],
        height=flair.shape[1],
    )
