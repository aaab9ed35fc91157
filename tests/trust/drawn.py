"""Masks drawn by hand, and what two networks say of them."""

from __future__ import annotations

import numpy as np

from brainseg.trust.opinions import Opinions

SHAPE = (8, 64, 64)
TUMOUR, TISSUE = 150, 80


def block(rows: slice, columns: slice, planes: slice = slice(2, 6), value: float = 0.9) -> np.ndarray:
    volume = np.zeros(SHAPE, np.float32)
    volume[planes, rows, columns] = value
    return volume


def opinions(first: np.ndarray, second: np.ndarray, flips: tuple[np.ndarray, ...] = (), missing: int = 0) -> Opinions:
    """Two networks; the tumour is bright where the first one sees it; the mask is that of their mean."""
    mask = (first + second) / 2 >= 0.5
    flair = np.where(first > 0.5, TUMOUR, TISSUE).astype(np.uint8)
    flair[:, ::2] += 10  # the brain's spread is known: see SPREAD
    brain = np.zeros(SHAPE, bool)
    brain[:, 4:60, 4:60] = True
    flipped = dict(zip(("a", "b"), flips, strict=False))
    return Opinions({"a": first, "b": second}, flipped, mask, 0.5, brain, flair, missing)


SAME = block(slice(20, 40), slice(20, 40))
WIDER = block(slice(20, 40), slice(20, 50))  # half as much again
