"""Overlap of two masks from pixel counts, and the one table that decides about empty masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainseg.data.slices import Bool
from brainseg.errors import DataError


@dataclass(frozen=True)
class EmptyCase:
    """What to report where a ratio or a distance does not exist.

    Attributes:
        name: the key under which the case is counted.
        overlap: value of Dice, IoU, precision and recall; None where they are computed.
        hd95_diagonals: HD95 in diagonals of the image; None where it is computed.
        nsd: value of the normalised surface Dice; None where it is computed.
    """

    name: str
    overlap: float | None
    hd95_diagonals: float | None
    nsd: float | None


EMPTY_CASES: dict[tuple[bool, bool], EmptyCase] = {
    # (truth is empty, prediction is empty)
    (False, False): EmptyCase("both_present", None, None, None),
    (False, True): EmptyCase("missed", 0.0, 1.0, 0.0),
    (True, False): EmptyCase("false_alarm", 0.0, 1.0, 0.0),
    (True, True): EmptyCase("both_empty", 1.0, 0.0, 1.0),
}
"""The one place that decides about empty masks. Where exactly one side is empty every metric takes
its worst finite value, also those that are 0/0 (recall without tumour, precision without prediction):
nothing is gained by a mask that should not, or should, be there. Slices that are empty on both sides
do not enter a patient's mean distances; a patient with no others reports 0 px and NSD 1."""


@dataclass(frozen=True)
class Overlap:
    """Pixel counts of a truth and a prediction, and the ratios of them, each in 0..1.

    Attributes:
        tp: pixels in both. fp: pixels in the prediction only. fn: pixels in the truth only.
    """

    tp: int
    fp: int
    fn: int

    @property
    def case(self) -> EmptyCase:
        """The row of `EMPTY_CASES` that applies."""
        return EMPTY_CASES[self.tp + self.fn == 0, self.tp + self.fp == 0]

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN), also called Jaccard index."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), also called positive predictive value."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), also called sensitivity."""
        return self._ratio(self.tp, self.tp + self.fn)

    def _ratio(self, part: int, whole: int) -> float:
        decided = self.case.overlap
        return part / whole if decided is None else decided


def overlap(truth: Bool, prediction: Bool) -> Overlap:
    """Count pixels of two masks of equal shape, of any number of axes.

    Raises:
        DataError: not bool, or the shapes differ.
    """
    require_pair(truth, prediction)
    tp = int(np.count_nonzero(truth & prediction))
    return Overlap(tp, int(np.count_nonzero(prediction)) - tp, int(np.count_nonzero(truth)) - tp)


def require_pair(truth: Bool, prediction: Bool) -> None:
    if truth.dtype != np.bool_ or prediction.dtype != np.bool_ or truth.shape != prediction.shape:
        raise DataError(
            f"the truth is {truth.dtype} {truth.shape} and the prediction {prediction.dtype}"
            f" {prediction.shape}, expected two bool arrays of one shape."
        )
