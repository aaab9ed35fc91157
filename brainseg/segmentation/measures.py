"""Sizes and place of a tumour as radiologists give them: two diameters, parts, side."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from brainseg.connected import label
from brainseg.data.slices import Bool, Float64, Int
from brainseg.preprocess.morphology import largest_component
from brainseg.scans.scan import Spacing

ONE_SIDE = 0.9
"""A tumour with this share of its voxels left or right of the brain's middle is on that side; else on both."""
_THIRDS = {0: ("posterior", "middle", "anterior"), 1: ("lower", "middle", "upper")}


def rano(mask: Bool, spacing: Spacing | None, numbers: Int) -> dict[str, Any] | None:
    """The two diameters of the largest slice (Wen et al., J. Clin. Oncol. 28:1963, 2010; 41:5187, 2023).

    Of the slice with the most tumour, and of its largest part (pixels that touch by corners are one): the longest line
    between two corners of its pixels, and the longest line of its convex hull at a right angle to that. Whatever lies
    between their ends counts.

    Args:
        mask: bool [n, height, width], axial.
        spacing: millimetres between slices, rows and columns; None where unknown.
        numbers: of the slices.

    Returns:
        `slice`, `diameter_mm`, `perpendicular_mm`, `product_mm2`; None without tumour or spacing.
    """
    if spacing is None or not mask.any():
        return None
    at = int(np.count_nonzero(mask, (1, 2)).argmax())
    longest, across = _diameters(largest_component(mask[at]), spacing[1:])
    product = longest * across
    return {"slice": int(numbers[at]), "diameter_mm": longest, "perpendicular_mm": across, "product_mm2": product}


def largest_diameter(mask: Bool, spacing: tuple[float, float]) -> float:
    """The longest line within one slice between two corners of marked pixels, in the unit of `spacing`.

    It is the first diameter of `rano`, of whichever slice has the longest, and whatever lies between its ends.

    Args:
        mask: bool [n, height, width].
        spacing: of rows and columns.
    """
    return max((float(_lengths(_hull(plane, spacing)).max()) for plane in mask[mask.any((1, 2))]), default=0.0)


def _hull(plane: Bool, spacing: tuple[float, float]) -> Float64:
    """The corners of the convex hull of the marked pixels, [k, 2]."""
    rows, columns = np.nonzero(plane)
    corners = np.concatenate([np.stack([rows + r, columns + c], 1) for r in (0, 1) for c in (0, 1)])
    hull: Float64 = cv2.convexHull(corners.astype(np.int32))[:, 0].astype(float) * spacing
    return hull


def _lengths(hull: Float64) -> Float64:
    lengths: Float64 = np.sqrt(((hull[:, None] - hull) ** 2).sum(-1))
    return lengths


def _diameters(plane: Bool, spacing: tuple[float, float]) -> tuple[float, float]:
    hull = _hull(plane, spacing)
    lengths = _lengths(hull)
    first, second = np.unravel_index(lengths.argmax(), lengths.shape)
    along = (hull[second] - hull[first]) / lengths.max()
    return float(lengths.max()), _widest(hull @ along, hull @ np.array([-along[1], along[0]]))


def _widest(along: Float64, across: Float64) -> float:
    """The longest chord of a convex polygon at a right angle to an axis; one of its corners ends it."""
    ends = []
    for sign in (1, -1):
        # of each place along the axis the outermost corner; between them the polygon's edge, of those that bulge
        order = np.lexsort((-sign * across, along))
        places, first = np.unique(along[order], return_index=True)
        ends.append(_outline(places, sign * across[order][first]))
    chords = [sum(float(np.interp(place, *outline)) for outline in ends) for place in along]
    return max(chords)


def _outline(places: Float64, heights: Float64) -> tuple[Float64, Float64]:
    """The upper outline over the axis: corners below the line between their neighbours belong to the other one."""
    kept: list[int] = []
    for i in range(len(places)):
        while len(kept) > 1:
            a, b = kept[-2:]
            turn = (places[b] - places[a]) * (heights[i] - heights[a]) - (heights[b] - heights[a]) * (
                places[i] - places[a]
            )
            if turn < 0:
                break
            kept.pop()
        kept.append(i)
    return places[kept], heights[kept]


def parts(mask: Bool) -> int:
    """How many pieces the tumour has; voxels that touch by faces, edges or corners are one."""
    return label(mask)[1]


def place(mask: Bool, brain: Bool) -> dict[str, str | None]:
    """Where the tumour lies, from the brain's own extent: no atlas, no lobes.

    Args:
        mask: bool [n, height, width], feet first, anterior at the top, the patient's right on the left.
        brain: like `mask`.

    Returns:
        `side`: `left`, `right` or `both` of the patient, parted in each slice at the middle of the brain's columns;
        `place`: the thirds of the brain's length and height that hold the tumour's centre. Both None without tumour or
        brain.
    """
    if not mask.any() or not brain.any():
        return {"side": None, "place": None}
    left = total = 0
    middle = _extent(brain.any((0, 1)))
    for plane, head in zip(mask, brain, strict=True):
        if plane.any():
            low, high = _extent(head.any(0)) if head.any() else middle
            columns = np.nonzero(plane)[1]
            left, total = left + int(np.count_nonzero(columns > (low + high) / 2)), total + len(columns)
    share = left / total
    side = "left" if share >= ONE_SIDE else "right" if share <= 1 - ONE_SIDE else "both"
    slices, rows, _ = (float(axis.mean()) for axis in np.nonzero(mask))
    (front, back), (low_slice, high_slice) = _extent(brain.any((0, 2))), _extent(brain.any((1, 2)))
    forward = 1 - _share(rows, front, back)
    names = [_THIRDS[0][_third(forward)], _THIRDS[1][_third(_share(slices, low_slice, high_slice))]]
    return {"side": side, "place": f"{names[0]} and {names[1]} third of the brain"}


def _extent(found: Any) -> tuple[int, int]:
    inside = np.flatnonzero(found)
    return int(inside[0]), int(inside[-1])


def _share(value: float, low: int, high: int) -> float:
    return (value - low) / max(high - low, 1)


def _third(share: float) -> int:
    return min(max(int(share * 3), 0), 2)
