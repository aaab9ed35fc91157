"""What the network of the clicks sees: the sequences, the mask so far, and a map of each kind of click."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from brainseg.correct.answer import Click
from brainseg.data.slices import Bool, Float, Int, Stack
from brainseg.preprocess.inputs import Box, InputParams, box_of, network_input

CHANNELS = 6
"""Pre-contrast, FLAIR, post-contrast, mask so far, clicks on tumour, clicks on what is none."""
REACH = 3
"""Slices above and below a click in which it is seen, and in which it is answered."""
SPREAD = 3.0
"""Standard deviation of a click's spot, pixels of the network's grid."""


def click_maps(clicks: Sequence[Click], chosen: Int, box: Box, side: int) -> Float:
    """Two maps of the clicks, of tumour and of none, on the network's grid.

    A click is a round spot, 1 in its middle; in the slice k above or below it is 1 / (1 + k), up to `REACH`. Where
    spots meet, the brighter counts.

    Args:
        clicks: on the slices' grid.
        chosen: int [k], places of slices in the stack.
        box: the window that the network sees.
        side: of the network's grid.

    Returns:
        float32 [k, 2, side, side] in 0..1.
    """
    out = np.zeros((len(chosen), 2, side, side), np.float32)
    axis = np.arange(side, dtype=np.float32)
    for click in clicks:
        row, column = (
            (at - start + 0.5) * side / box.side - 0.5 for at, start in ((click.row, box.top), (click.column, box.left))
        )
        spot = np.exp(-(((axis - row) / SPREAD) ** 2) / 2)[:, None] * np.exp(-(((axis - column) / SPREAD) ** 2) / 2)
        for place, z in enumerate(chosen.tolist()):
            far = abs(z - click.slice)
            if far <= REACH:
                layer = out[place, 0 if click.tumour else 1]
                np.maximum(layer, spot / np.float32(1 + far), out=layer)
    return out


def on_grid(mask: Bool, box: Box, side: int) -> Float:
    """A mask on the network's grid, 0 or 1: float32 [n, side, side] of bool [n, height, width]."""
    # outside of the slices nothing is marked; `warpAffine` reads zeros there
    scale = box.side / side
    way = np.array([[scale, 0, box.left + (scale - 1) / 2], [0, scale, box.top + (scale - 1) / 2]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = [cv2.warpAffine(plane.astype(np.float32), way, (side, side), flags=flags) >= 0.5 for plane in mask]
    return np.stack(planes).astype(np.float32)


class ClickInputs:
    """The inputs of one stack; what the sequences look like is computed once.

    Args:
        stack: what `prepare` gave.
        params: the grid of the segmentation network that this one started from.
    """

    def __init__(self, stack: Stack, params: InputParams):
        self.stack, self.params = stack, params
        self.box = box_of(stack, params)
        self._images = network_input(stack, params)

    def __call__(self, mask: Bool, clicks: Sequence[Click]) -> tuple[Int, Float]:
        """The slices in which the last click is answered, and what the network sees of them.

        Args:
            mask: bool [n, height, width], the mask so far.
            clicks: the last being the one to be answered.

        Returns:
            int64 [k], places in the stack, and float32 [k, CHANNELS, side, side].
        """
        last, side = clicks[-1].slice, self.params.input_size
        chosen = np.arange(max(0, last - REACH), min(len(self.stack), last + REACH + 1))
        marked = on_grid(mask[chosen], self.box, side)[:, None]
        maps = click_maps(clicks, chosen, self.box, side)
        return chosen, np.concatenate([self._images[chosen], marked, maps], 1)
