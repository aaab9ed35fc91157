"""What answers a click: one interface, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from brainseg.data.slices import Bool, Float, Stack
from brainseg.errors import DataError
from brainseg.scans.canvas import Canvas


@dataclass(frozen=True)
class Click:
    """Where a person says what a pixel is.

    Attributes:
        slice: its place in the stack, from 0.
        row: from 0 at the top.
        column: from 0 at the left.
        tumour: it is tumour; False: it is not.
    """

    slice: int
    row: int
    column: int
    tumour: bool


@dataclass(frozen=True)
class Prepared:
    """A head as the networks look at it, with what they said of it.

    Attributes:
        stack: what `brainseg.preprocess.prepare` gave.
        probability: float32 [n, height, width] in 0..1, of the same slices; None where it was not kept.
    """

    stack: Stack
    probability: Float | None = None


class Answerer(Protocol):
    """Makes a new mask of a click."""

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        """The mask after the last of the clicks.

        Args:
            case: the head.
            mask: bool [n, height, width], the mask so far, in which all clicks but the last are answered already.
            clicks: all of them, the last being new.

        Returns:
            bool [n, height, width], another array than `mask`. Every click's own pixel is as its click says.

        Raises:
            DataError: no click, one outside of the stack, or a mask of another shape.
        """
        ...


def require_fitting(case: Prepared, mask: Bool, clicks: Sequence[Click]) -> None:
    """Refuse what an `Answerer` cannot answer.

    Raises:
        DataError: no click, one outside of the stack, or a mask of another shape.
    """
    shape = case.stack.brain.shape
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise DataError(f"the mask is {mask.dtype} {mask.shape}, expected bool {shape} as the slices.")
    if not clicks:
        raise DataError("there is no click to answer.")
    for click in clicks:
        if not all(0 <= at < size for at, size in zip((click.slice, click.row, click.column), shape, strict=True)):
            raise DataError(f"{click} lies outside of the slices {shape}.")


@dataclass(frozen=True)
class OnScan:
    """Answers on a scan's own slices what another answers on the networks' canvas.

    Pixels that the answer does not change stay as they are: they are never resampled.

    Attributes:
        answerer: works on the canvas.
        canvas: where the scan's slices lie on it.
    """

    answerer: Answerer
    canvas: Canvas

    def answer(self, case: Prepared, mask: Bool, clicks: Sequence[Click]) -> Bool:
        """As `Answerer.answer`, with mask and clicks on the scan's slices, and `case` on the canvas."""
        before = np.zeros(case.stack.brain.shape, bool)
        before[self.canvas.window] = _resized(mask, self.canvas.rows, self.canvas.columns)
        after = self.answerer.answer(case, before, [self._on_canvas(click) for click in clicks])
        window = self.canvas.window
        changed = _resized((after ^ before)[window], self.canvas.height, self.canvas.width)
        out = np.where(changed, _resized(after[window], self.canvas.height, self.canvas.width), mask)
        for click in clicks:
            out[click.slice, click.row, click.column] = click.tumour
        return out

    def _on_canvas(self, click: Click) -> Click:
        row = int((click.row + 0.5) * self.canvas.rows / self.canvas.height)
        column = int((click.column + 0.5) * self.canvas.columns / self.canvas.width)
        return Click(click.slice, self.canvas.top + row, self.canvas.left + column, click.tumour)


def _resized(mask: Bool, rows: int, columns: int) -> Bool:
    """Nearest neighbour, slice by slice: bool [n, rows, columns]."""
    if mask.shape[1:] == (rows, columns):
        return mask
    planes = [cv2.resize(plane.view(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) for plane in mask]
    return np.stack(planes) > 0
