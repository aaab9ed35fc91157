"""Heads whose right answers are known: bright disks on a dark brain."""

from __future__ import annotations

import numpy as np

from brainseg.correct.answer import Prepared
from brainseg.data.slices import Bool, Volume

SIDE = 64


def disk(row: float, column: float, radius: float, side: int = SIDE) -> Bool:
    rows, columns = np.arange(side)[:, None] - row, np.arange(side)[None] - column
    return rows**2 + columns**2 <= radius**2


def stack_of(planes: dict[int, Bool], n: int = 7) -> Bool:
    out = np.zeros((n, *next(iter(planes.values())).shape), bool)
    for z, plane in planes.items():
        out[z] = plane
    return out


def head(bright: Bool, seed: int = 0) -> Prepared:
    """Tissue at 80, what is bright at 180, with the noise of a grey value."""
    rng = np.random.default_rng(seed)
    grey = np.where(bright, 180, 80) + rng.integers(-1, 2, bright.shape)
    images = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=3)
    return Prepared(Volume(images, np.ones(bright.shape, bool), np.arange(1, len(bright) + 1)))
