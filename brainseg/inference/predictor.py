"""All networks, their average and post-processing on one prepared volume, and predictions on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainseg.data.slices import U8, Bool, Float, Int, Stack, why_no_arrays
from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.inference.postprocess import Choice, apply
from brainseg.model.catalogue import ENSEMBLE
from brainseg.model.forward import Half, Network, volume_views
from brainseg.model.store import ModelInfo

Networks = Mapping[str, tuple[Network, ModelInfo]]
"""By name: a network, and what its file says."""


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


@dataclass(frozen=True)
class VolumePrediction:
    """What the networks say of one volume.

    Attributes:
        probabilities: float32 [n, height, width] in 0..1 by what was asked for.
        masks: bool [n, height, width] by what has post-processing.
        plain: float16 [n, height, width] in 0..1 by network, of the volume as it is.
        flipped: the same of its mirror image, mirrored back; empty where no flips were asked for.
    """

    probabilities: dict[str, Float]
    masks: dict[str, Bool]
    plain: dict[str, Half]
    flipped: dict[str, Half]


def predict_volume(
    networks: Networks,
    volume: Stack,
    choices: Mapping[str, Choice | None],
    *,
    tta: bool,
    keep: Bool | None = None,
    apart: int = 1,
) -> VolumePrediction:
    """From a prepared volume to masks: the networks, their mean, post-processing.

    Args:
        networks: to ask.
        volume: what `prepare` gave, as the networks were trained on; the whole volume.
        choices: what is asked for, by name of a network or `ensemble` for the mean of all: its post-processing; None
            asks for the probability alone.
        tta: average over left-right flips.
        keep: bool [n], the slices that post-processing sees and that are returned; all where None.
        apart: from a slice to its neighbours, where networks see them; see `slices_apart`.
    """
    kept = slice(None) if keep is None else keep
    found, plain, flipped = {}, {}, {}
    for name, (network, info) in networks.items():
        if name in choices or ENSEMBLE in choices:
            views = volume_views(network, volume, info.inputs, tta=tta, apart=apart)
            found[name], plain[name] = views.mean, views.plain[kept]
            if views.flipped is not None:
                flipped[name] = views.flipped[kept]
    if ENSEMBLE in choices:
        found[ENSEMBLE] = mean(list(found.values()))
    found = {name: found[name][kept] for name in choices}
    masks = {name: apply(found[name], choice) for name, choice in choices.items() if choice is not None}
    return VolumePrediction(found, masks, plain, flipped)


def mean(probabilities: Sequence[Float]) -> Float:
    """Of several networks, at least one: float32 like each."""
    first, *others = probabilities
    total = first.copy()
    for other in others:
        total += other
    total /= len(probabilities)
    return total


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
        raise DataError(
            f"{path} is not a prediction ({why_no_arrays(error)}); remove it and run `dvc repro`."
        ) from None
    if found.mask.shape != found.probability.shape or len(found.mask) != len(found.slices):
        raise DataError(f"{path} holds a mask {found.mask.shape} for {len(found.slices)} slices; predict again.")
    return found
