"""The slice set: every slice of one patient as arrays, one file a patient."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from brainseg.errors import DataError
from brainseg.files import atomic_path

CHANNELS = ("pre-contrast", "FLAIR", "post-contrast")
FLAIR = 1

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def size_text(shape: Sequence[int]) -> str:
    """A shape for the reader: 16 x 128 x 128."""
    return " x ".join(map(str, shape))


class Stack:
    """What networks look at: a head in slices. `Volume` is one without truth, `SliceSet` one with it.

    Attributes:
        images: uint8 [n, height, width, 3], channels as in `CHANNELS`; 0 outside the brain once stripped.
        brain: bool [n, height, width], True inside the brain (everywhere before skull stripping).
        slices: int64 [n], strictly increasing slice numbers.
    """

    images: U8
    brain: Bool
    slices: Int

    def __post_init__(self) -> None:
        n = len(self.slices)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise DataError(
                f"images are {self.images.dtype} {self.images.shape}, expected uint8 [n, height, width, 3]."
            )
        for name, array in (("masks", getattr(self, "masks", self.brain)), ("brain", self.brain)):
            if array.dtype != np.bool_ or array.shape != self.images.shape[:3]:
                raise DataError(f"{name} are {array.dtype} {array.shape}, expected bool {self.images.shape[:3]}.")
        if len(self.images) != n or (np.diff(self.slices) <= 0).any():
            raise DataError(
                f"slice numbers {self.slices.tolist()} do not rise one by one over {len(self.images)} images."
            )

    def __len__(self) -> int:
        return len(self.slices)


@dataclass(frozen=True)
class Volume(Stack):
    """A head whose tumour nobody has marked; see `Stack`."""

    images: U8
    brain: Bool
    slices: Int


@dataclass(frozen=True)
class SliceSet(Stack):
    """All slices of one patient, in the order of their numbers: a `Stack` with its truth.

    Attributes:
        masks: bool [n, height, width], True where tumour.
    """

    images: U8
    masks: Bool
    brain: Bool
    slices: Int


AnyStack = TypeVar("AnyStack", Volume, SliceSet)


def save(path: Path, slice_set: SliceSet) -> None:
    """Write a slice set as compressed .npz; the same arrays give the same bytes."""
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            images=slice_set.images,
            masks=slice_set.masks,
            brain=slice_set.brain,
            slices=slice_set.slices.astype(np.int64),
        )


def load(path: Path) -> SliceSet:
    """Read what `save` wrote.

    Raises:
        DataError: the file is missing, truncated, or does not hold a slice set.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return SliceSet(*(stored[name] for name in ("images", "masks", "brain", "slices")))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `dvc repro` makes it.") from None
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a slice set ({why_no_arrays(error)}); remove it and run `dvc repro`.") from None


def patients(folder: Path) -> list[str]:
    """Patients that have a slice set in `folder`, sorted.

    Raises:
        DataError: there is none.
    """
    found = sorted(path.stem for path in folder.glob("*.npz") if not path.name.startswith("."))
    if not found:
        raise DataError(f"{folder} holds no slice set (*.npz); `dvc repro` makes them.")
    return found


def why_no_arrays(error: Exception) -> str:
    """What numpy's error of an .npz file means to a person."""
    return f"it has no {error.args[0].split()[0]}" if isinstance(error, KeyError) else "it is damaged, or was cut off"
