"""The simulated annotator, by which ways of answering clicks are compared.

It clicks into the largest error, at its inside centre, again and again (Xu et al., CVPR 2016; Sofiiuk et al., ICIP
2022): what the literature counts as NoC, the number of clicks to a Dice.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from brainseg.correct.answer import Answerer, Click, Prepared
from brainseg.data.slices import Bool
from brainseg.evaluation.overlap import overlap, require_pair
from brainseg.preprocess.morphology import bounding_box, largest_component


def next_click(truth: Bool, mask: Bool) -> Click | None:
    """Where the annotator clicks next; None where nothing is wrong.

    The largest error is the 3-D part of missed or of invented tumour with the most voxels (26 neighbours); of equals
    a missed one, then the first in scan order. Its inside centre is the pixel that is farthest from the part's outside
    in its slice; of equals the first.

    Args:
        truth: bool [n, height, width].
        mask: bool of the same shape.

    Raises:
        DataError: not bool, or the shapes differ.
    """
    require_pair(truth, mask)
    missed, invented = largest_component(truth & ~mask), largest_component(mask & ~truth)
    tumour = bool(np.count_nonzero(missed) >= np.count_nonzero(invented))
    error = missed if tumour else invented
    if not error.any():
        return None
    box = bounding_box(error)
    part = error[box]
    inside = [cv2.distanceTransform(np.pad(plane, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] for plane in part]
    at = np.unravel_index(int(np.argmax(inside)), part.shape)
    z, row, column = (int(place) + side.start for place, side in zip(at, box, strict=True))
    return Click(z, row, column, tumour)


def corrections(answerer: Answerer, case: Prepared, truth: Bool, mask: Bool, most: int) -> Iterator[Bool]:
    """The masks after 0, 1, 2, ... clicks: `most` + 1 of them, or fewer where nothing is wrong any more.

    Args:
        answerer: answers the clicks.
        case: the head.
        truth: bool [n, height, width].
        mask: bool of the same shape, the automatic one.
        most: clicks.
    """
    clicks: list[Click] = []
    yield mask
    while len(clicks) < most and (click := next_click(truth, mask)):
        clicks.append(click)
        mask = answerer.answer(case, mask, clicks)
        yield mask


def fewest_pixels(truth: Bool, mask: Bool, dice: float) -> int:
    """Pixels that a brush touches to reach a Dice: as few as can be, none of them wrongly.

    A missed pixel that is marked is worth more than an invented one that is removed, so these come first.

    Raises:
        DataError: see `overlap`.
    """
    found = overlap(truth, mask)
    touched = np.arange(found.fn + found.fp + 1)
    marked = np.minimum(touched, found.fn)
    above = 2.0 * (found.tp + marked)
    below = 2.0 * found.tp + found.fp + found.fn + marked - (touched - marked)
    reached = np.divide(above, below, out=np.ones_like(above), where=below > 0)
    return int(np.argmax(reached >= min(dice, 1.0) - 1e-9))
