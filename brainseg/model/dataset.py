"""Everything training needs in memory, decoded, normalised and resized once: no waiting in the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainseg.data import slices
from brainseg.data.slices import Float, SliceSet
from brainseg.errors import DataError
from brainseg.preprocess.inputs import Box, InputParams, box_of, network_input, network_target


@dataclass(frozen=True)
class ValidationVolume:
    """One validation patient: what the network sees and what it is held against.

    Attributes:
        inputs: float32 [n, channels, s, s].
        box: the window that the inputs show.
        truth: bool [n, height, width].
    """

    inputs: Float
    box: Box
    truth: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingData:
    """Training slices as one block, validation patients whole.

    Attributes:
        images: float16 [k, channels, s, s], the kept slices of the training patients.
        masks: float16 [k, s, s], the share of each pixel that is tumour.
        validation: by patient.
        patients: names of the training patients, sorted.
    """

    images: npt.NDArray[np.float16]
    masks: npt.NDArray[np.float16]
    validation: dict[str, ValidationVolume]
    patients: list[str]


def select(slice_set: SliceSet, numbers: Iterable[int]) -> SliceSet:
    """The slices with these numbers, in order.

    Raises:
        DataError: a number is not there.
    """
    wanted = np.array(sorted(numbers), np.int64)
    if missing := sorted(set(wanted.tolist()) - set(slice_set.slices.tolist())):
        raise DataError(f"slice {missing[0]} is in the split but not in the slice set; run `dvc repro` from split on.")
    keep = np.isin(slice_set.slices, wanted)
    return SliceSet(slice_set.images[keep], slice_set.masks[keep], slice_set.brain[keep], slice_set.slices[keep])


def split_slices(split: pd.DataFrame, name: str) -> dict[str, list[int]]:
    """Slice numbers by patient of one split, patients sorted.

    Raises:
        DataError: the split is empty.
    """
    rows = split[split["split"] == name]
    if rows.empty:
        raise DataError(f"the split has no {name} slices; change split.val and split.test, or use more patients.")
    return {str(patient): group["slice"].tolist() for patient, group in rows.groupby("patient", sort=True)}


def split_volumes(
    folder: Path, split: pd.DataFrame, name: str, track: Callable[[list[Any], str], Iterable[Any]]
) -> Iterator[tuple[str, SliceSet, npt.NDArray[np.bool_]]]:
    """Patients of one split, with their whole volume.

    Args:
        folder: of slice sets, one .npz a patient.
        split: patient, slice, split.
        name: of the split.
        track: wraps the list of patients under a title, to show progress.

    Yields:
        patient, all its slices, and bool [n], which of them are in the split.

    Raises:
        DataError: the split is empty, or a slice set is missing or damaged.
    """
    for patient, numbers in track(list(split_slices(split, name).items()), name):
        whole = slices.load(folder / f"{patient}.npz")
        yield patient, whole, np.isin(whole.slices, numbers)


def gather(
    folder: Path,
    index: pd.DataFrame,
    split: pd.DataFrame,
    params: InputParams,
    track: Callable[[list[str]], Iterable[str]] = iter,
    *,
    validate: bool = True,
) -> TrainingData:
    """Read the slice sets of training and validation patients, one at a time.

    Intensities and the window come from the patient's whole volume, also where only some of its slices
    are used.

    Args:
        folder: of slice sets, one .npz a patient.
        index: patient, slice, kept.
        split: patient, slice, split.
        params: the network's grid.
        track: wraps the list of patients, to show progress.
        validate: False for a model trained on every patient, when nobody is left to validate on.

    Raises:
        DataError: a slice set is missing, damaged or lacks a slice, or a split that is needed is empty.
    """
    kept = index[index["kept"]].merge(split, on=["patient", "slice"], validate="one_to_one")
    train = split_slices(kept, "train")
    val = split_slices(split, "val") if validate else {}
    images, masks, validation = [], [], {}
    for patient in track(sorted(train.keys() | val.keys())):
        whole = slices.load(folder / f"{patient}.npz")
        if patient in train:
            keep = np.isin(whole.slices, select(whole, train[patient]).slices)
            images.append(network_input(whole, params, keep).astype(np.float16))
            masks.append(network_target(whole, params, keep).astype(np.float16))
        if patient in val:
            keep = np.isin(whole.slices, select(whole, val[patient]).slices)
            validation[patient] = ValidationVolume(
                network_input(whole, params, keep), box_of(whole, params), whole.masks[keep]
            )
    return TrainingData(np.concatenate(images), np.concatenate(masks), validation, sorted(train))
