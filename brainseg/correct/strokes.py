"""What brush, eraser and fill cover of one slice, and masks as runs of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from brainseg.connected import label
from brainseg.data.slices import Bool, Float, Float64
from brainseg.errors import DataError
from brainseg.preprocess.morphology import fill_holes


def stroke(points: Sequence[tuple[float, float]], radius: float, shape: tuple[int, int]) -> Bool:
    """Pixels whose centre is no further than `radius` from the line through `points`.

    Args:
        points: (row, column), in pixels; the middle of the first pixel is (0, 0). One point is a disc.
        radius: in pixels.
        shape: height and width of the slice.

    Returns:
        bool [height, width].
    """
    covered = np.zeros(shape, bool)
    ends = np.array(points, float)
    for start, stop in zip(ends[:-1] if len(ends) > 1 else ends, ends[1:] if len(ends) > 1 else ends, strict=True):
        low = np.maximum(np.floor(np.minimum(start, stop) - radius).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(start, stop) + radius).astype(int) + 1, shape)
        if (high <= low).any():
            continue  # all of it lies outside of the slice
        rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
        along, length = stop - start, float(((stop - start) ** 2).sum())
        from_start = np.stack([rows - start[0], columns - start[1]], -1)
        share = np.clip(from_start @ along / length, 0, 1) if length else np.zeros(rows.shape)
        far = ((from_start - share[..., None] * along) ** 2).sum(-1)
        covered[low[0] : high[0], low[1] : high[1]] |= far <= radius**2
    return covered


def filled(plane: Bool, row: int, column: int) -> Bool:
    """The slice with the hole around a pixel filled; with all its holes where the pixel is tumour.

    Raises:
        DataError: the pixel's surroundings are open to the slice's edge.
    """
    if plane[row, column]:
        return fill_holes(plane[None])[0]
    labels, _ = label(~plane, corners=False)
    hole = labels == labels[row, column]
    if hole[[0, -1]].any() or hole[:, [0, -1]].any():
        raise DataError("the mask does not enclose this place; close its outline with the brush first.")
    return plane | hole


def between(low: Bool, high: Bool, share: float) -> Bool:
    """The outline between those of two slices: their signed distances averaged, their centres laid on each other.

    Shape-based interpolation (Raya and Udupa 1990, doi:10.1109/42.52980). Without the centres a tumour that lies
    askew would vanish between slices in which its outlines do not meet.

    Args:
        low: bool [height, width], not empty.
        high: the same of the other slice.
        share: of the way from `low` to `high`, in 0..1.
    """
    centres = [np.argwhere(plane).mean(0) for plane in (low, high)]
    here = (1 - share) * centres[0] + share * centres[1]
    distances = [
        _moved(_signed_distance(plane), here - centre) for plane, centre in zip((low, high), centres, strict=True)
    ]
    return np.asarray((1 - share) * distances[0] + share * distances[1] > 0, bool)


def _signed_distance(plane: Bool) -> Float:
    """Pixels to the outline, which runs between pixels: positive inside."""
    sides = (np.ascontiguousarray(side).view(np.uint8) for side in (plane, ~plane))
    inside, outside = (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in sides)
    return np.where(plane, inside - np.float32(0.5), np.float32(0.5) - outside)


def _moved(plane: Float, by: Float64) -> Float64:
    """A plane moved by rows and columns: linear between pixels, and beyond the edge as at the edge."""
    rows, columns = (np.arange(size) for size in plane.shape)
    down = np.stack([np.interp(rows - by[0], rows, line) for line in plane.T], 1)
    return np.stack([np.interp(columns - by[1], columns, line) for line in down])


def as_runs(plane: Bool) -> list[int]:
    """Where a slice is True, row after row: start, length, start, length, ..."""
    edges = np.flatnonzero(np.diff(plane.ravel().astype(np.int8), prepend=0, append=0))
    edges[1::2] -= edges[::2]
    return [int(edge) for edge in edges]


def from_runs(runs: Sequence[int], shape: tuple[int, int]) -> Bool:
    """What `as_runs` gave of a slice of this shape.

    Raises:
        ValueError: no such runs.
    """
    numbers = np.array(runs, np.int64).reshape(-1, 2)
    starts, stops = numbers[:, 0], numbers.sum(1)
    if (numbers < [0, 1]).any() or (starts[1:] <= stops[:-1]).any() or (stops > np.prod(shape)).any():
        raise ValueError(f"these are no runs of a slice of {shape[0]} x {shape[1]}")
    steps = np.zeros(int(np.prod(shape)) + 1, np.int8)
    steps[starts], steps[stops] = 1, -1
    return steps[:-1].cumsum().astype(bool).reshape(shape)
