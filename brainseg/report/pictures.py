"""Pictures inside the page: JPEG as data URLs, outlines as SVG paths."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt
from skimage.measure import find_contours

from brainseg.data.slices import U8, Bool
from brainseg.scans.grey import white_level

QUALITY = 82
MARGIN_PX = 6
Window = tuple[slice, slice]


def window_of(brain: Bool, margin: int = MARGIN_PX) -> Window:
    """The brain's bounding box over all slices with a margin; everything where there is no brain.

    Args:
        brain: bool [n, height, width].
        margin: in pixels.
    """
    if not brain.any():
        return slice(0, brain.shape[1]), slice(0, brain.shape[2])
    spans = []
    for axes, size in (((0, 2), brain.shape[1]), ((0, 1), brain.shape[2])):
        found = np.flatnonzero(brain.any(axis=axes))
        spans.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + 1 + margin, size)))
    return spans[0], spans[1]


def white_of(stack: U8) -> float:
    """The brightness to show as white: the 99.5th percentile of what is not black."""
    return white_level(stack[stack > 0])


def data_url(grey: npt.NDArray[np.generic], white: float = 255.0) -> str:
    """A grey picture as a JPEG data URL.

    Args:
        grey: real numbers [height, width].
        white: what is shown as white.
    """
    shown = (np.asarray(grey, np.float32) * (255 / white)).clip(0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def outline(mask: Bool) -> str:
    """The outlines of a mask as an SVG path in pixel units, pixel (0, 0) covering 0 to 1; empty without tumour.

    Args:
        mask: bool [height, width].
    """
    if not mask.any():
        return ""
    parts = []
    for line in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        points = " ".join(f"{column - 0.5:g},{row - 0.5:g}" for row, column in line[:-1])
        parts.append(f"M{points}Z")
    return "".join(parts)
