"""Whether T1 lies on FLAIR: told from the voxels, since a header does not know that the patient moved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from brainseg.data.slices import CHANNELS, FLAIR, U8, Float64
from brainseg.scans.canvas import PIXEL_MM
from brainseg.scans.scan import SEQUENCES, Scan

OFF_MM = 3.0
"""A sequence that lies further off is said. Of 164 sequences of 88 patients of the training data none does; what is
found of sequences that were moved stands in docs/decisions.md."""
FEWEST = 6
"""Slices; fewer have too little in each eighth."""
_BINS = 24
_SLICES = 18
"""So many, evenly spaced, tell."""
_UNKNOWN_MM, _HEAD_MM = 5.0, 140.0
"""Between slices that do not say it, at most; many slices are taken to cover a head's height."""
_Z_MM = (-12.0, -9.0, -6.0, -3.0, 3.0, 6.0, 9.0, 12.0)
_Grey = npt.NDArray[np.int16]
_Box = Sequence[tuple[int, int]]
_Shift = tuple[int, int, int]


def alignment_warnings(images: U8, scan: Scan) -> list[str]:
    """A sentence for each sequence that seems to lie off FLAIR.

    Args:
        images: of the scan on the networks' canvas, uint8 [n, side, side, 3], 0.94 mm a pixel.
        scan: says which sequences there are, and the distance of slices.
    """
    if len(images) < FEWEST:
        return []
    flair = images[..., FLAIR]
    slice_mm = scan.spacing[0] if scan.spacing else min(_UNKNOWN_MM, _HEAD_MM / len(images))
    warnings = []
    for c, name in enumerate(SEQUENCES):
        if c == FLAIR or name not in scan.given or np.array_equal(images[..., c], flair):
            continue
        if (off := off_mm(flair, images[..., c], slice_mm)) >= OFF_MM:
            advice = "say --register" if scan.origin.affine is not None else "register it before"
            warnings.append(f"the {CHANNELS[c]} sequence seems to lie {off:.0f} mm off FLAIR: {advice}, or look at it")
    return warnings


def off_mm(flair: U8, other: U8, slice_mm: float) -> float:
    """How far `other` lies off `flair`: the rigid motion that brings eighths of the head to their best places.

    Each eighth of the head's box looks for the shift, of whole pixels and slices, at which its normalised mutual
    information (Studholme et al. 1999) with the other sequence is highest. A small rigid motion is fitted to the eight
    shifts; what it moves their centres by, the root of the mean square, is the measure.

    Args:
        flair: uint8 [n, side, side].
        other: of that shape.
        slice_mm: between slices.

    Returns:
        Millimetres; 0 where FLAIR shows nothing.
    """
    if (head := _head(flair)) is None:
        return 0.0
    pair, mm = _Pair(_grey(flair), _grey(other)), np.array([slice_mm, PIXEL_MM, PIXEL_MM])
    slices = sorted({round(z / slice_mm) for z in _Z_MM} - {0} | {-1, 1})
    stride = max(1, math.ceil((head[0][1] - head[0][0]) / _SLICES))
    whole = pair.best(head, (0, 0, 0), ((4, 3), (2, 1), (1, 1)), slices, (stride, 4, 4))
    halves = [((low, (low + high) // 2), ((low + high) // 2, high)) for low, high in head]
    eighths = list(itertools.product(*halves))
    steps, half = ((4, 2), (2, 1), (1, 1)), max(1, stride // 2)
    shifts = np.array([pair.best(box, whole, steps, (-1, 1), (half, 2, 2)) for box in eighths]) * mm
    moved = _rigid(np.array(eighths).mean(-1) * mm, shifts)
    return float(np.sqrt((moved**2).sum(1).mean()))


class _Pair:
    """Two volumes of grey values, compared at shifts."""

    def __init__(self, fixed: _Grey, moving: _Grey):
        self.fixed, self.moving = fixed, moving

    def best(
        self,
        box: _Box,
        start: _Shift,
        steps: Iterable[tuple[int, int]],
        slices: Iterable[int],
        stride: tuple[int, int, int],
    ) -> _Shift:
        """The shift at which `box` of the fixed volume is most alike.

        Args:
            box: first and behind the last, of each axis.
            start: shift to begin with.
            steps: pixels of a step, and how many of them either way; from coarse to fine.
            slices: shifts across slices that are tried after each step.
            stride: of the voxels that are compared.
        """
        seen: dict[_Shift, float] = {}

        def alike(shift: _Shift) -> float:
            if shift not in seen:
                seen[shift] = self._alike(box, shift, stride)
            return seen[shift]

        z, y, x = start
        for step, count in steps:
            around = [step * i for i in range(-count, count + 1)]
            # the shift so far comes first: of equals it stays
            z, y, x = max([(z, y, x), *((z, y + dy, x + dx) for dy in around for dx in around)], key=alike)
            z, y, x = max([(z, y, x), *((z + dz, y, x) for dz in slices)], key=alike)
        return z, y, x

    def _alike(self, box: _Box, shift: _Shift, stride: tuple[int, int, int]) -> float:
        here, there = [], []
        for (low, high), by, size, step in zip(box, shift, self.moving.shape, stride, strict=True):
            low, high = max(low, -by), min(high, size - by)
            if high <= low:
                return 0.0
            here.append(slice(low, high, step))
            there.append(slice(low + by, high + by, step))
        return _information(self.fixed[tuple(here)], self.moving[tuple(there)])


def _information(a: _Grey, b: _Grey) -> float:
    """Normalised mutual information, 1 to 2; 1 where both are of one value."""
    joint = np.bincount((a * _BINS + b).ravel(), minlength=_BINS**2).reshape(_BINS, _BINS) / a.size
    both = _entropy(joint)
    return (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / both if both else 1.0


def _entropy(share: Float64) -> float:
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _grey(values: U8) -> _Grey:
    low, high = np.percentile(values, [1, 99.5])
    high = max(high, low + 1)
    table = ((np.arange(256).clip(low, high) - low) * ((_BINS - 0.01) / (high - low))).astype(np.int16)
    return table[values]


def _head(flair: U8) -> list[tuple[int, int]] | None:
    """First and behind the last slice, row and column with something bright; None where there is none."""
    bright = flair > 0.15 * np.percentile(flair, 99.5)
    box = []
    for axis in range(3):
        found = np.flatnonzero(bright.mean(tuple({0, 1, 2} - {axis})) > 0.03)
        if len(found) < 2:
            return None
        box.append((int(found[0]), int(found[-1]) + 1))
    return box


def _rigid(centres: Float64, shifts: Float64) -> Float64:
    """What a small rigid motion, fitted by least squares, moves the centres by; both float64 [n, 3]."""
    arms = centres - centres.mean(0)
    turns = np.stack([np.cross(axis, arms) for axis in np.eye(3)], -1)  # by a unit of rotation about each axis
    design = np.concatenate([np.broadcast_to(np.eye(3), turns.shape), turns], -1).reshape(-1, 6)
    fitted, *_ = np.linalg.lstsq(design, shifts.ravel(), rcond=None)
    return np.asarray((design @ fitted).reshape(-1, 3))
