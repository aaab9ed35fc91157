"""What the checks of a scan look at: computed once, of at most 30 slices, in a quarter of a second."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from brainseg.data.slices import U8, Bool
from brainseg.preprocess.morphology import morphology
from brainseg.scans.canvas import Canvas
from brainseg.scans.scan import Spacing

SLICES = 30
"""Of a stack of more slices, every second, third ... is looked at, so that 15 to 30 remain."""
BLACK = 1
"""The percentile that counts as black: a level added to all values, as by a window, says nothing about a head."""
TISSUE = 0.12
"""A voxel that is brighter than this share of the scan's 99th percentile is no air, unless air is noisy."""
NOISE, BRIGHTEST_AIR = 5.0, 0.3
"""Noise and ghosts in air rarely exceed so many times its median; a share of the 99th percentile that is never air."""
WHOLE = 0.35
"""A brain whose two end slices have less than this share of its largest slice's area lies in the stack as a whole."""
LEAST_SLICES = 6
"""With fewer slices of brain nothing is said about the stack's direction."""


@dataclass(frozen=True)
class Evidence:
    """What the checks look at, each part computed when first asked for.

    Attributes:
        flair: uint8 [n, rows, columns] of `PIXEL_MM` a pixel, without the canvas's empty frame, from black upwards.
        slice_mm: between these slices; None where unknown.
        brain: bool like `flair`, as found; None before it was looked for.
        stripped: all around the brain was black before.
    """

    flair: U8
    slice_mm: float | None
    brain: Bool | None = None
    stripped: bool = False

    @cached_property
    def white(self) -> float:
        """The 99th percentile."""
        return max(1.0, percentile(self.flair, 99))

    @cached_property
    def tissue(self) -> Bool:
        """What is no air."""
        return self.flair > max(8.0, max(TISSUE, min(NOISE * self.edge, BRIGHTEST_AIR)) * self.white)

    @cached_property
    def edge(self) -> float:
        """The median along the slices' four sides, as a share of `white`: air, in a head's picture."""
        width = max(1, min(self.flair.shape[1:]) // 32)
        sides = (self.flair[:, :width], self.flair[:, -width:], self.flair[..., :width], self.flair[..., -width:])
        return percentile(np.concatenate([side.ravel() for side in sides]), 50) / self.white

    @cached_property
    def mask(self) -> Bool:
        """The brain, for checks that need one."""
        assert self.brain is not None
        return self.brain

    @cached_property
    def area(self) -> npt.NDArray[np.int64]:
        """Brain pixels of each slice."""
        return np.count_nonzero(self.mask, (1, 2))

    @cached_property
    def grey(self) -> float:
        """The brain's median."""
        return max(1.0, percentile(self.flair[self.mask], 50))

    @cached_property
    def inner(self) -> Bool:
        """The brain without its outermost 4 pixels."""
        return morphology(self.mask, "erode", 4)

    @cached_property
    def smooth(self) -> npt.NDArray[np.float32]:
        """The FLAIR, blurred by 2 pixels: what is left is structure, not noise."""
        return np.stack([cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 2) for plane in self.flair])

    @cached_property
    def thirds(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
        """The brain's slices from the feet upwards in three parts, if the stack holds the brain as a whole."""
        slices = np.flatnonzero(self.area)
        if len(slices) < LEAST_SLICES or self.area[slices[[0, -1]]].max() > WHOLE * self.area.max():
            return None
        low, middle, high = np.array_split(slices, 3)
        return low, middle, high


def evidence(
    flair: U8, canvas: Canvas, spacing: Spacing | None, brain: Bool | None = None, *, stripped: bool = False
) -> Evidence:
    """What a scan on its canvas shows.

    Args:
        flair: uint8 [n, side, side] of the canvas.
        canvas: of the scan.
        spacing: of the scan.
        brain: bool like `flair`, before any widening; None if it was not looked for yet.
        stripped: the scan's brain had been extracted before.
    """
    step = max(1, math.ceil(len(flair) / SLICES))
    rows, columns = canvas.window[1:]
    window = np.s_[::step, rows, columns]
    values = np.ascontiguousarray(flair[window])
    black = np.uint8(percentile(values, BLACK))
    return Evidence(
        np.where(values > black, values - black, np.uint8(0)),
        None if spacing is None else spacing[0] * step,
        None if brain is None else np.ascontiguousarray(brain[window]),
        stripped,
    )


def percentile(values: npt.NDArray[Any], percent: float) -> float:
    """Of uint8, by its histogram: a tenth of the time of sorting."""
    counts = np.cumsum(np.bincount(values.ravel(), minlength=256))
    return float(np.searchsorted(counts, percent / 100 * counts[-1]))


def correlation(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> float:
    """Of two lines of values; 0 where one of them is constant."""
    x, y = (values.astype(np.float32) - values.mean(dtype=np.float64) for values in (a, b))
    norm = float(np.sqrt(np.dot(x, x)) * np.sqrt(np.dot(y, y)))
    return float(np.dot(x, y)) / norm if norm > 0 else 0.0
