"""What an ensemble says of patients whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from brainseg.data.slices import Bool, SliceSet
from brainseg.inference.models import LoadedModels
from brainseg.inference.predictor import predict_volume
from brainseg.model.dataset import select, split_volumes
from brainseg.progress import progress


def segmented(models: LoadedModels, data: Path, split: pd.DataFrame, name: str) -> Iterator[tuple[str, SliceSet, Bool]]:
    """Segment the patients of one split as the stage postprocess does.

    Args:
        models: what `load_models` gave.
        data: folder of slice sets, preprocessed as for training.
        split: what `read_split` gave.
        name: `train`, `val` or `test`.

    Yields:
        patient, its slices of that split, and the models' mask of them.
    """
    for patient, whole, keep in split_volumes(data, split, name, progress):
        found = predict_volume(models.networks, whole, {models.name: models.choice}, tta=models.tta, keep=keep)
        yield patient, select(whole, whole.slices[keep]), found.masks[models.name]
