"""From a scan's slices to slices like those of the training data: square, 0.94 mm a pixel, 8-bit; and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from brainseg.connected import from_the_edge
from brainseg.data.slices import U8, Bool, Float
from brainseg.scans.scan import Image, Spacing

SIDE = 256
FIELD_OF_VIEW_MM = 240.0
"""The training data's usual one; where a scan has no spacing, its longer side is taken to be as long."""
PIXEL_MM = FIELD_OF_VIEW_MM / SIDE
WHITE_PERCENTILE = 99.95
BACKGROUND_SHARE = 0.2
"""The corner voxel's value counts as background if at least this share of all voxels has it."""


@dataclass(frozen=True)
class Canvas:
    """A scan's slices of `height` x `width`, resampled to `rows` x `columns` in the middle of a square of `side`."""

    height: int
    width: int
    rows: int
    columns: int
    side: int

    @property
    def top(self) -> int:
        """Empty rows above the slice."""
        return (self.side - self.rows) // 2

    @property
    def left(self) -> int:
        """Empty columns left of the slice."""
        return (self.side - self.columns) // 2

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """Where the slice lies, of [n, side, side]."""
        return np.s_[:, self.top : self.top + self.rows, self.left : self.left + self.columns]


def canvas_for(height: int, width: int, spacing: Spacing | None) -> Canvas:
    """The canvas of slices [height, width]; slices of 256 x 256 without spacing stay as they are."""
    row_mm, column_mm = spacing[1:] if spacing else (FIELD_OF_VIEW_MM / max(height, width),) * 2
    rows, columns = (max(1, round(size * mm / PIXEL_MM)) for size, mm in ((height, row_mm), (width, column_mm)))
    return Canvas(height, width, rows, columns, max(SIDE, rows, columns))


def to_canvas(images: Image, canvas: Canvas) -> U8:
    """Lay a scan's slices on the canvas, its darkest value as 0 and its brightest as 255, sequence by sequence.

    8-bit images keep their values: those of the training data passed this step before they were published. Of
    others, what lies above the tissue's 99.95th percentile is cut: a few voxels of flow or fat may be far brighter.

    Args:
        images: any real dtype [n, height, width, 3].
        canvas: of that height and width.

    Returns:
        uint8 [n, side, side, 3], 0 around the slices.
    """
    n, channels = len(images), images.shape[3]
    out = np.zeros((n, canvas.side, canvas.side, channels), np.uint8)
    window = out[canvas.window]
    for c in range(channels):
        if c and images.strides[3] == 0:  # FLAIR stands for all sequences
            window[..., c] = window[..., 0]
            continue
        sequence = images[..., c]
        low, gain, background = (0.0, 1.0, None) if images.dtype == np.uint8 else _tones(sequence)
        for plane, target in zip(sequence, window[..., c], strict=True):
            if images.dtype == np.uint8 and plane.shape == target.shape:
                target[...] = plane
                continue
            grey = (plane.astype(np.float32) - low) * gain
            if background is not None:
                grey[from_the_edge(plane == background)] = 0  # tissue may have the background's value
            target[...] = np.rint(_resample(grey, canvas.rows, canvas.columns).clip(0, 255))
    return out


def from_canvas(volume: Float, canvas: Canvas) -> Float:
    """The way back: float32 [n, side, side] as float32 [n, height, width]."""
    inside = volume[canvas.window]
    if inside.shape[1:] == (canvas.height, canvas.width):
        return np.ascontiguousarray(inside)
    out = np.empty((len(inside), canvas.height, canvas.width), np.float32)
    for plane, target in zip(inside, out, strict=True):
        target[...] = _resample(plane, canvas.height, canvas.width)
    return out


def mask_from_canvas(planes: Iterable[Float], canvas: Canvas, threshold: float | np.float32) -> Bool:
    """`from_canvas(volume, canvas) >= threshold`, slice by slice: a large scan has no room for its floats.

    Args:
        planes: n of float32 [side, side].
        canvas: of the scan.
        threshold: from which on a pixel is marked.

    Returns:
        bool [n, height, width].
    """
    window = canvas.window[1:]
    return np.stack([_resample(plane[window], canvas.height, canvas.width) >= threshold for plane in planes])


def mask_to_canvas(mask: Bool, canvas: Canvas) -> Bool:
    """A mask of the scan's slices on the canvas: what is covered by half or more.

    Args:
        mask: bool [n, height, width].
        canvas: of that height and width.

    Returns:
        bool [n, side, side].
    """
    out = np.zeros((len(mask), canvas.side, canvas.side), bool)
    for plane, target in zip(mask, out[canvas.window], strict=True):
        target[...] = _resample(plane.astype(np.float32), canvas.rows, canvas.columns) >= 0.5
    return out


def _tones(sequence: Image) -> tuple[float, float, float | None]:
    """The darkest value, the gain, and the background's value where that is not the darkest.

    A scan that was normalised after brain extraction has negative values inside and one value, 0, around.
    """
    low = float(sequence.min())
    corner = float(sequence[0, 0, 0])
    framed = corner > low and np.count_nonzero(sequence == corner) > BACKGROUND_SHARE * sequence.size
    tissue = sequence[(sequence != low) & (sequence != corner)] if framed else sequence[sequence != low]
    high = float(np.percentile(tissue, WHITE_PERCENTILE, overwrite_input=True))  # a copy already
    return low, 255 / (high - low), corner if framed else None


def _resample(plane: npt.NDArray[Any], rows: int, columns: int) -> Float:
    """Linear, antialiased along an axis that shrinks; the plane's edges stay where they are."""
    for size, axis in ((rows, 0), (columns, 1)):
        old = plane.shape[axis]
        if size != old:
            target = (plane.shape[1], size) if axis == 0 else (size, plane.shape[0])  # cv2: width, height
            plane = cv2.resize(plane, target, interpolation=cv2.INTER_AREA if size < old else cv2.INTER_LINEAR)
    return np.ascontiguousarray(plane, np.float32)
