"""Binary volumes [n, height, width]: slice-wise morphology, and their connected parts."""

from __future__ import annotations

from typing import Literal

import numpy as np

from brainseg.connected import from_the_edge, label
from brainseg.data.slices import Bool


def morphology(mask: Bool, operation: Literal["dilate", "erode", "open", "close"], radius: int) -> Bool:
    """Apply a binary morphological operation to every slice with a disk.

    It works in-plane only: a slice of this data is several times as thick as a pixel is wide.

    Args:
        mask: bool [n, height, width].
        operation: dilation, erosion, opening or closing.
        radius: the disk's radius in pixels; 0 returns the mask as it is.
    """
    import cv2

    if radius == 0:
        return mask
    codes = {
        "dilate": cv2.MORPH_DILATE,
        "erode": cv2.MORPH_ERODE,
        "open": cv2.MORPH_OPEN,
        "close": cv2.MORPH_CLOSE,
    }
    squares = np.arange(-radius, radius + 1) ** 2
    kernel = (squares[:, None] + squares <= radius**2).astype(np.uint8)
    return np.stack([cv2.morphologyEx(plane.view(np.uint8), codes[operation], kernel) for plane in mask]) > 0


def largest_component(mask: Bool) -> Bool:
    """Keep the largest part of a bool array; of equals the first in scan order, so that chance has no say.

    Neighbours are those that share a corner, too: 26 in a volume, 8 in a slice.
    """
    labels, count = label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax())


def bounding_box(mask: Bool) -> tuple[slice, ...]:
    """The smallest box with all that is True; for a mask that is not empty."""
    axes = range(mask.ndim)
    found = [np.flatnonzero(mask.any(tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(slice(int(inside[0]), int(inside[-1]) + 1) for inside in found)


def fill_holes(mask: Bool) -> Bool:
    """Fill what each slice of bool [n, height, width] encloses."""
    filled = mask.copy()
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        filled[index] = ~from_the_edge(~mask[index])
    return filled
