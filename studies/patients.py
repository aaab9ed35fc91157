"""What an ensemble says of patients whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from brainseg.data import slices
from brainseg.data.slices import Bool, SliceSet
from brainseg.inference.models import LoadedModels
from brainseg.inference.postprocess import apply
from brainseg.inference.predictor import probabilities
from brainseg.model.catalogue import ENSEMBLE
from brainseg.model.dataset import select
from brainseg.progress import progress


def segmented(
    models: LoadedModels, data: Path, patients: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, SliceSet, Bool]]:
    """Segment patients as the stage postprocess does.

    Args:
        models: what `load_models` gave.
        data: folder of slice sets, preprocessed as for training.
        patients: name -> slice numbers, from `split_slices`.

    Yields:
        patient, its slices of those numbers, and the ensemble's mask of them.
    """
    for patient, numbers in progress(list(patients.items()), "patients"):
        whole = slices.load(data / f"{patient}.npz")
        volume = probabilities(models.networks, whole, tta=models.tta)[ENSEMBLE]
        mask = apply(volume[np.isin(whole.slices, numbers)], models.choice)
        yield patient, select(whole, numbers), mask
