"""How a sequence was moved against FLAIR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainseg.data.slices import Float64

HEAD_MM = 70.0
"""So far from the middle of FLAIR lies the brain's surface: what a rotation moves there counts."""
STILL_MM, STILL_VOXELS = 1.0, 0.5
"""A motion that moves the brain's surface by less, along each axis of FLAIR by the larger of the two, is not applied:
it cannot be told from none, and each interpolation blurs."""
FAR_MM, FAR_DEGREES = 20.0, 15.0
"""A patient in a head coil moves less; more is said."""


@dataclass(frozen=True)
class Motion:
    """How a sequence lies to FLAIR.

    Attributes:
        matrix: 4 x 4, from where its header puts a point to where that lies in FLAIR's space, in millimetres towards
            right, anterior and superior.
        centre: of FLAIR, in the same millimetres.
        still: too small to be told from none, so it is not applied.
    """

    matrix: Float64
    centre: Float64
    still: bool

    @property
    def degrees(self) -> float:
        """Of the rotation, about whatever axis."""
        return math.degrees(math.acos(float(np.clip((np.trace(self.matrix[:3, :3]) - 1) / 2, -1, 1))))

    @property
    def shift_mm(self) -> float:
        """By which the point in the middle of FLAIR was moved."""
        return float(np.linalg.norm(_apply(self.matrix, self.centre) - self.centre))

    def as_json(self) -> dict[str, Any]:
        return {
            "rotation_degrees": self.degrees,
            "shift_mm": self.shift_mm,
            "applied": not self.still,
            "matrix": self.matrix.tolist(),
        }

    def warnings(self, where: str) -> list[str]:
        """A sentence where the motion is so large that it may be none."""
        if self.shift_mm < FAR_MM and self.degrees < FAR_DEGREES:
            return []
        return [
            f"{where} was moved by {self.shift_mm:.0f} mm and {self.degrees:.0f} degrees to lie on FLAIR: more than a "
            "patient moves in a scanner; look whether it lies right"
        ]


def is_still(matrix: Float64, centre: Float64, affine: Float64) -> bool:
    """Whether a motion is too small to be told from none; `affine` is FLAIR's, the others as in `Motion`."""
    surface = centre + HEAD_MM * np.concatenate([np.eye(3), -np.eye(3)])
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    along = (_apply(matrix, surface) - surface) @ (affine[:3, :3] / sizes)
    return bool((np.abs(along).max(0) < np.maximum(STILL_MM, STILL_VOXELS * sizes)).all())


def _apply(matrix: Float64, points: Float64) -> Float64:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])
