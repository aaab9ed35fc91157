"""What an input is, and the stacks and folders that all kinds are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.scans.heads import as_nifti

RNG = np.random.default_rng(11)
FLAIR, T1, T1C, T2 = (RNG.integers(low, 250, (10, 60, 70), np.uint8) for low in (0, 1, 2, 3))
RGB = np.stack([T1, FLAIR, T1C], -1)
SPACING = (5.0, 1.0, 2.0)
Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        make: writes it below a folder; returns the path to be named, if it is not the folder.
        refused: a regular expression of the sentence; empty where each case gets the mask of `FLAIR`.
        cases: how many are in it.
        options: of `find_cases`; paths in it are below the folder.
        trust: the user insists.
    """

    make: Make
    refused: str = ""
    cases: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    trust: bool = False


class Inputs(dict[str, Input]):
    """By a name that is a sentence's beginning."""

    def add(self, name: str, make: Make, refused: str = "", **more: Any) -> None:
        assert name not in self
        self[name] = Input(make, refused, **more)


def nifti(stack: np.ndarray = FLAIR, name: str = "scan.nii.gz", change: Callable[[Any], Any] | None = None) -> Make:
    """One NIfTI file; `change` gets the image and may return another."""

    def make(folder: Path) -> Path:
        image = as_nifti(stack, SPACING)
        image = (change(image) if change else None) or image
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, folder / name)
        return folder / name

    return make


def tree(files: dict[str, np.ndarray]) -> Make:
    """A folder of NIfTI files."""

    def make(folder: Path) -> None:
        for name, stack in files.items():
            nifti(stack, name)(folder)

    return make


def named(before: str, ends: tuple[str, ...]) -> dict[str, np.ndarray]:
    """FLAIR, T1, T1 with agent, and T2 under a dataset's names."""
    return {f"{before}{end}.nii.gz": stack for end, stack in zip(ends, (FLAIR, T1, T1C, T2), strict=False)}


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
