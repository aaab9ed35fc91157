"""Whole tumour parts that were missed or invented: 3-D components, since Dice hardly sees small ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainseg.connected import label
from brainseg.data.slices import Bool
from brainseg.evaluation.overlap import require_pair


@dataclass(frozen=True)
class Components:
    """Counts of 3-D components with 26 neighbours.

    Attributes:
        truth: parts of the truth. missed: of these, without a single predicted voxel.
        predicted: parts of the prediction. false: of these, without a single voxel of the truth.
    """

    truth: int
    missed: int
    predicted: int
    false: int


def count_components(truth: Bool, prediction: Bool) -> Components:
    """Count the parts of two masks, and those that the other does not touch.

    Args:
        truth: bool [n, height, width].
        prediction: bool of the same shape.

    Raises:
        DataError: not bool, or the shapes differ.
    """
    require_pair(truth, prediction)
    parts, missed = _untouched(truth, prediction)
    drawn, false = _untouched(prediction, truth)
    return Components(parts, missed, drawn, false)


def _untouched(mask: Bool, other: Bool) -> tuple[int, int]:
    labels, count = label(mask)
    return count, count - len(np.unique(labels[mask & other]))
