"""Both networks and their average on one preprocessed volume, and predictions on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from brainseg.data.slices import U8, Bool, Float, Int, SliceSet
from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.model.catalogue import ENSEMBLE
from brainseg.model.forward import volume_probability
from brainseg.model.store import ModelInfo


@dataclass(frozen=True)
class Prediction:
    """What one model says of one patient.

    Attributes:
        mask: bool [n, height, width], after post-processing.
        probability: uint8 [n, height, width], 255 times the probability, rounded.
        slices: int64 [n], the slice numbers.
    """

    mask: Bool
    probability: U8
    slices: Int


def probabilities(
    models: Mapping[str, tuple[nn.Module, ModelInfo]], slice_set: SliceSet, *, tta: bool
) -> dict[str, Float]:
    """Tumour probability by each model and, under `ensemble`, their mean.

    Args:
        models: by name; network in eval mode and what its file says.
        slice_set: preprocessed as the models were trained on, the whole volume.
        tta: average over left-right flips.

    Returns:
        name -> float32 [n, height, width] in 0..1.
    """
    by_model = {
        name: volume_probability(network, slice_set, info.inputs, tta=tta) for name, (network, info) in models.items()
    }
    first, *others = by_model.values()
    mean = first.copy()
    for other in others:
        mean += other
    mean /= len(by_model)
    return by_model | {ENSEMBLE: mean}


def save_prediction(path: Path, mask: Bool, probability: Float, slices: Int) -> None:
    """Write one patient's mask and probability as compressed .npz."""
    with atomic_path(path) as temporary:
        quantised = np.rint(probability * 255).astype(np.uint8)
        np.savez_compressed(temporary, mask=mask, probability=quantised, slices=slices)


def load_prediction(path: Path) -> Prediction:
    """Read what `save_prediction` wrote.

    Raises:
        DataError: missing, damaged, or arrays that do not belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = Prediction(stored["mask"], stored["probability"], stored["slices"])
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `dvc repro postprocess` makes it.") from None
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a prediction ({error}); remove it and run `dvc repro`.") from None
    if found.mask.shape != found.probability.shape or len(found.mask) != len(found.slices):
        raise DataError(f"{path} holds a mask {found.mask.shape} for {len(found.slices)} slices; predict again.")
    return found
