"""Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994) inside the brain."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from brainseg.data.slices import U8, AnyStack, Bool, Int
from brainseg.params import Params

if TYPE_CHECKING:
    import cv2


class ClaheParams(Params):
    """Section `clahe` of params.yaml.

    Attributes:
        enabled: False passes every slice through as it is.
        clip_limit: how many times the mean a histogram bin may hold; 1 barely changes contrast.
        tile_grid: tiles along each side of the brain's bounding box.
    """

    enabled: bool
    clip_limit: float = Field(gt=0, le=100)
    tile_grid: int = Field(ge=1, le=64)


def apply_clahe(stack: AnyStack, params: ClaheParams) -> AnyStack:
    """Equalise each channel of each slice within the bounding box of its brain.

    Background inside the box would fill the tiles' histograms with one value and steal contrast from
    the brain's edge, so it takes the value of the nearest brain pixel first and is 0 again afterwards.
    A slice whose brain is absent, or whose box has fewer pixels than tiles along a side, stays as it is.

    Args:
        stack: stripped slices; `brain` says where to work.
        params: see `ClaheParams`.

    Returns:
        The stack with new images; the same object if `params.enabled` is False.
    """
    import cv2

    if not params.enabled:
        return stack
    clahe = cv2.createCLAHE(params.clip_limit, (params.tile_grid, params.tile_grid))
    images = stack.images.copy()
    for image, brain in zip(images, stack.brain, strict=True):
        _equalise(image, brain, clahe, params.tile_grid)
    return dataclasses.replace(stack, images=images)


def _equalise(image: U8, brain: Bool, clahe: cv2.CLAHE, tile_grid: int) -> None:
    """Equalise uint8 [height, width, 3] in place."""
    rows, columns = np.flatnonzero(brain.any(1)), np.flatnonzero(brain.any(0))
    if not rows.size or min(np.ptp(rows), np.ptp(columns)) + 1 < tile_grid:
        return
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    inside = brain[box]
    nearest = _nearest_inside(inside)
    for channel in range(image.shape[2]):
        filled = image[box][..., channel].ravel()[nearest]
        image[..., channel] = 0
        image[box][..., channel] = np.where(inside, clahe.apply(filled), 0)


def _nearest_inside(inside: Bool) -> Int:
    """For each pixel of bool [height, width] the flat index of the nearest True pixel; its own if True."""
    import cv2

    outside = (~inside).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    index = np.empty(labels.max() + 1, np.int64)
    index[labels[inside]] = np.flatnonzero(inside)
    return index[labels]
