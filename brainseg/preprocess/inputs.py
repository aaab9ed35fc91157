"""From a slice set to what a network sees, and from its probabilities back to the slices' own grid.

Training, validation, test and `brainseg predict` all pass through here: there is no second copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from pydantic import Field, field_validator

from brainseg.data.slices import Bool, Float, Int, SliceSet, Stack
from brainseg.params import Params

CLIP = 5.0  # standard deviations; beyond it lie vessels, fat and artefacts
SLICE_MM = 5.0
"""From slice to slice in most of the training data, of which each slice's own is not known."""


class InputParams(Params):
    """Grid and intensities of the network's input.

    Attributes:
        input_size: side of the square input in pixels, a multiple of 32 (five halvings).
        crop_to_brain: cut the volume's brain bounding box out before resizing, so that no pixel is
            spent on background; without skull stripping the box is the whole slice.
        normalization: `zscore`: mean 0, standard deviation 1 over the volume's brain, per channel, clipped
            to 5 deviations; `percentile`: its 1st to 99th percentile mapped onto -1 to 1.
        neighbours: slices below and above that the network sees beside the one it segments (2.5-D); 0 is one
            slice alone.
        mirror: show the network also the slice's mirror image about the window's middle, so that it can hold one
            hemisphere against the other.
    """

    input_size: int = Field(ge=32, le=1024)
    crop_to_brain: bool
    normalization: Literal["zscore", "percentile"]
    neighbours: int = Field(ge=0, le=4)
    mirror: bool

    @property
    def channels(self) -> int:
        """Of the network's input: three sequences of each slice seen."""
        return 3 * (1 + 2 * self.neighbours + self.mirror)

    @field_validator("input_size")
    @classmethod
    def _divisible(cls, value: int) -> int:
        if value % 32:
            raise ValueError(f"expected a multiple of 32, for example {max(32, round(value / 32) * 32)}")
        return value


@dataclass(frozen=True)
class Box:
    """A square window on a slice; it may reach over the slice's edge, where zeros are read."""

    top: int
    left: int
    side: int


def brain_box(brain: Bool, margin: int = 4) -> Box:
    """The smallest square around the brain of all slices, plus a margin.

    Args:
        brain: bool [n, height, width]. All False counts as all True.
        margin: pixels added on each side.
    """
    height, width = brain.shape[1:]
    rows, columns = np.flatnonzero(brain.any((0, 2))), np.flatnonzero(brain.any((0, 1)))
    if len(rows) == 0:
        rows, columns = np.arange(height), np.arange(width)
    extent = int(max(np.ptp(rows), np.ptp(columns))) + 1
    side = min(extent + 2 * margin, max(height, width))
    middle = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    return Box(int(middle[0] - side / 2), int(middle[1] - side / 2), side)


def box_of(stack: Stack, params: InputParams) -> Box:
    """The window that the network sees: the brain's, or the whole slice."""
    if params.crop_to_brain:
        return brain_box(stack.brain)
    return brain_box(np.ones((1, *stack.brain.shape[1:]), bool))


def network_input(stack: Stack, params: InputParams, keep: Bool | None = None) -> Float:
    """Normalise by volume, cut the window out, resize.

    Args:
        stack: n slices of one patient; intensities are taken from all of them.
        params: the grid and the normalisation.
        keep: bool [n], which slices to return; all where None.

    Returns:
        float32 [k, channels, input_size, input_size], 0 outside the brain: the slice itself, then pairs of
        neighbours from near to far, below before above; 0 beyond the volume's ends; then the mirror image.
    """
    chosen = np.flatnonzero(keep) if keep is not None else np.arange(len(stack))
    return _inputs(stack, params, chosen, _frame(stack, params))


def network_batches(
    stack: Stack, params: InputParams, chosen: Int, size: int, apart: int = 1
) -> Iterator[tuple[Int, Float]]:
    """`network_input` of some slices, `size` at a time: a large volume's whole input takes a quarter of a gigabyte.

    Args:
        stack: see `network_input`.
        params: see `network_input`.
        chosen: int [k], places of slices in the stack.
        size: slices at a time.
        apart: from a slice to what counts as its neighbour, in slices; see `slices_apart`.

    Yields:
        Places, and what the network sees there.
    """
    frame = _frame(stack, params)
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        yield part, _inputs(stack, params, part, frame, apart)


def slices_apart(thickness: float | None) -> int:
    """How many slices lie between what the networks see as neighbours, at least 1.

    Args:
        thickness: from slice to slice in mm, above 0; None where it is not known.
    """
    return 1 if thickness is None else max(1, round(SLICE_MM / thickness))


@dataclass(frozen=True)
class _Frame:
    """What all slices of a volume share: the window, and offset and scale of each channel."""

    box: Box
    offset: Float
    scale: Float


def _frame(stack: Stack, params: InputParams) -> _Frame:
    return _Frame(box_of(stack, params), *_intensity(stack, params.normalization))


def _inputs(stack: Stack, params: InputParams, chosen: Int, frame: _Frame, apart: int = 1) -> Float:
    steps = [0, *(side * far * apart for far in range(1, params.neighbours + 1) for side in (-1, 1))]
    seen = sorted({i + step for i in chosen.tolist() for step in steps if 0 <= i + step < len(stack)})
    planes = dict(zip(seen, _planes(stack, params, seen, frame), strict=True))
    out = np.zeros((len(chosen), params.channels // 3, 3, params.input_size, params.input_size), np.float32)
    for row, i in enumerate(chosen.tolist()):
        for block, step in enumerate(steps):
            if i + step in planes:
                out[row, block] = planes[i + step]
        if params.mirror:
            out[row, -1] = planes[i][..., ::-1]
    return out.reshape(len(chosen), params.channels, params.input_size, params.input_size)


def _planes(stack: Stack, params: InputParams, chosen: list[int], frame: _Frame) -> Iterator[Float]:
    """The slices normalised and on the network's grid, each float32 [3, input_size, input_size]."""
    for i in chosen:
        inside = stack.brain[i][..., None]
        image = np.clip((stack.images[i] - frame.offset) * frame.scale, -CLIP, CLIP) * inside
        yield _resize(_cut(image.astype(np.float32), frame.box), params.input_size).transpose(2, 0, 1)


def network_target(slice_set: SliceSet, params: InputParams, keep: Bool) -> Float:
    """Truth on the network's grid: float32 [k, input_size, input_size], the share of a pixel that is tumour.

    Left soft: a threshold here would move edges by up to half a pixel of the coarser grid.
    """
    box = box_of(slice_set, params)
    return np.stack([_resize(_cut(mask.astype(np.float32), box), params.input_size) for mask in slice_set.masks[keep]])


def to_slice_grid(probability: Float, box: Box, height: int, width: int) -> Float:
    """Undo the window and the resize.

    Args:
        probability: float32 [n, input_size, input_size].
        box: the window that `network_input` cut.
        height: of the slices, pixels.
        width: of the slices, pixels.

    Returns:
        float32 [n, height, width], 0 outside the window.
    """
    out = np.zeros((len(probability), height, width), np.float32)
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.side, height), min(box.left + box.side, width)
    for i, plane in enumerate(probability):
        full = _resize(plane, box.side)
        out[i, top:bottom, left:right] = full[top - box.top : bottom - box.top, left - box.left : right - box.left]
    return out


def _intensity(stack: Stack, normalization: str) -> tuple[Float, Float]:
    """Offset and scale per channel, from the brain of the whole volume."""
    inside = stack.images[stack.brain] if stack.brain.any() else stack.images.reshape(-1, 3)
    if normalization == "zscore":
        offset, spread = inside.mean(0), inside.std(0)
    else:
        low, high = np.percentile(inside, [1, 99], axis=0)
        offset, spread = (low + high) / 2, (high - low) / 2
    return offset.astype(np.float32), (1 / np.maximum(spread, 1e-3)).astype(np.float32)


def _cut(image: Float, box: Box) -> Float:
    height, width = image.shape[:2]
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.side, height), min(box.left + box.side, width)
    part = image[top:bottom, left:right]
    if part.shape[:2] == (box.side, box.side):
        return part
    out = np.zeros((box.side, box.side, *image.shape[2:]), image.dtype)
    out[top - box.top : bottom - box.top, left - box.left : right - box.left] = part
    return out


def _resize(image: Float, side: int) -> Float:
    """Bilinear, antialiased when shrinking."""
    if image.shape[0] == side:
        return image
    shrinking = image.shape[0] > side
    resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return resized.astype(np.float32, copy=False)
