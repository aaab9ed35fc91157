"""Whether an array's first axis runs from the feet upwards, or from left to right as in nibabel's arrays."""

from __future__ import annotations

import numpy as np

from brainseg.data.slices import Float
from brainseg.scans.scan import Image

SIDE = 32
"""The head is looked at on a grid of so many points along each axis."""
SHIFTS = (-2, -1, 0, 1, 2)
"""In points: the head need not lie in the middle."""
FEWEST = 64
"""Of points along the first axis: from left to right a scan has more. A thin slab of axial slices, all alike, has
fewer."""
MARGIN = 0.05
"""A head is its own mirror image from left to right, and from no other side. So much more alike along the first axis
than along the last is said; measured in docs/decisions.md."""


def axis_doubts(flair: Image) -> list[str]:
    """A sentence where the mirror images say that the first axis is left to right.

    Args:
        flair: real numbers [n, height, width].
    """
    if len(flair) < FEWEST:
        return []
    head = _head(flair)
    first, last = _alike(head, 0), _alike(head, 2)
    if first < last + MARGIN:
        return []
    return [
        f"the volume {flair.shape} is alike on both sides along its first axis, so that this seems to be left to right "
        "as in an array of nibabel; expected axial slices [n, height, width]: give the image itself, not its array"
    ]


def _head(flair: Image) -> Float:
    """What is brighter than the mean, on `SIDE` points along each axis of its box."""
    near = [np.linspace(0, size - 1, min(size, 4 * SIDE)).round().astype(int) for size in flair.shape]
    values = np.asarray(flair[np.ix_(*near)], np.float32)
    bright = values > values.mean()
    points = []
    for axis in range(3):
        share = bright.mean(axis=tuple(other for other in range(3) if other != axis))
        found = np.flatnonzero(share > 0.02)
        low, high = (found[0], found[-1]) if len(found) else (0, len(share) - 1)
        points.append(np.linspace(low, high, SIDE).round().astype(int))
    return values[np.ix_(*points)]


def _alike(head: Float, axis: int) -> float:
    """The highest correlation with the mirror image along `axis`; 0 where all is one value."""
    if not head.std():
        return 0.0
    mirror = np.flip(head, axis)
    return max(float(np.corrcoef(head.ravel(), np.roll(mirror, by, axis).ravel())[0, 1]) for by in SHIFTS)
