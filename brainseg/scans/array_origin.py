"""The way back of a scan that came from memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool
from brainseg.scans.scan import Image, Origin


@dataclass(frozen=True)
class ArrayOrigin(Origin):
    """An array has no files: its mask is an array, too."""

    def write(self, out: Path, name: str, maps: Mapping[str, Image], model: str, person: str = "") -> list[str]:
        """`<name>_mask.npy`, and the like; see `Origin.write`."""
        for end, stack in maps.items():
            np.save(out / f"{name}{end}.npy", stack, allow_pickle=False)
        return []

    def read_mask(self, out: Path, name: str, end: str = MASK_SUFFIX) -> Bool:
        return np.asarray(np.load(out / f"{name}{end}.npy", allow_pickle=False), bool)
