"""Data loading over some epochs: decoded once into memory beside decoding TIFs for every sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tifffile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.settings import INPUTS, SEED
from benchmarks.timing import Comparison, time_pairs
from brainseg.data import slices
from brainseg.data.slices import SliceSet
from brainseg.model.dataset import gather

BATCH = 8
Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Stored:
    """The same slices on disk in both forms.

    Attributes:
        sets: folder of slice sets, one .npz a patient.
        tifs: folder of TIFs, an image and a mask per training slice.
        index: as from the stage filter_labeled: patient, slice, kept.
        split: as from the stage split: patient, slice, split.
    """

    sets: Path
    tifs: Path
    index: pd.DataFrame
    split: pd.DataFrame


def compare(patients: list[SliceSet], folder: Path, epochs: int, pairs: int) -> Comparison:
    """Time both over all epochs, what is done once included.

    Args:
        patients: the data.
        folder: where to write both forms of the data.
        epochs: passes over the data.
        pairs: timed turns.
    """
    stored = store(patients, folder)
    timed = time_pairs(
        lambda: deque(ours(stored, epochs), maxlen=0),
        lambda: deque(theirs(stored, epochs), maxlen=0),
        epochs * int((stored.split["split"] == "train").sum()),
        pairs,
    )
    return Comparison(
        what=f"data loading, {epochs} epochs",
        ours="brainseg: slice sets (.npz) read, normalised and resized once; then shuffled batches by indexing",
        theirs="torch DataLoader, no workers: for each sample two TIFs are decoded, normalised, resized (OpenCV)",
        unit="slices/s",
        pairs=timed,
    )


def store(patients: list[SliceSet], folder: Path) -> Stored:
    """Write slice sets and uncompressed TIFs; all slices but the very last are for training."""
    sets, tifs = folder / "sets", folder / "tifs"
    tifs.mkdir(parents=True)
    names = [f"patient{number:03d}" for number in range(len(patients))]
    rows = [(name, number) for name, patient in zip(names, patients, strict=True) for number in patient.slices.tolist()]
    table = pd.DataFrame(rows, columns=["patient", "slice"]).assign(kept=True, split="train")
    table.loc[len(table) - 1, "split"] = "val"  # `gather` wants a slice to validate on
    for name, patient in zip(names, patients, strict=True):
        slices.save(sets / f"{name}.npz", patient)
        for number, image, mask in zip(patient.slices.tolist(), patient.images, patient.masks, strict=True):
            if (name, number) != rows[-1]:
                tifffile.imwrite(tifs / f"{name}_{number:03d}.tif", image, photometric="rgb")
                tifffile.imwrite(tifs / f"{name}_{number:03d}_mask.tif", mask.astype(np.uint8) * 255)
    return Stored(sets, tifs, table[["patient", "slice", "kept"]], table[["patient", "slice", "split"]])


def ours(stored: Stored, epochs: int) -> Batches:
    """Batches as `brainseg.model.training` takes them: float32 [b, 3, s, s] and [b, 1, s, s]."""
    data = gather(stored.sets, stored.index, stored.split, INPUTS)
    images, masks = torch.from_numpy(data.images), torch.from_numpy(data.masks)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            yield images[batch].float(), masks[batch, None].float()


class Tifs(Dataset[tuple[Tensor, Tensor]]):
    """A sample per pair of files, decoded when it is asked for."""

    def __init__(self, folder: Path):
        self.paths = sorted(path for path in folder.glob("*.tif") if not path.stem.endswith("_mask"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        path, size = self.paths[i], (INPUTS.input_size, INPUTS.input_size)
        image = tifffile.imread(path)
        mask = tifffile.imread(path.with_stem(f"{path.stem}_mask"))
        mean, std = (np.float32(moment[:, 0]) for moment in cv2.meanStdDev(image))  # 40 times as fast as NumPy's
        image = cv2.resize((image - mean) / (std + np.float32(1e-3)), size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0
        return torch.from_numpy(image.transpose(2, 0, 1)), torch.from_numpy(mask[None].astype(np.float32))


def theirs(stored: Stored, epochs: int) -> Batches:
    """The same batches from files, as tutorials load them."""
    loader = DataLoader(Tifs(stored.tifs), BATCH, shuffle=True, generator=torch.Generator().manual_seed(SEED))
    for _ in range(epochs):
        yield from loader
