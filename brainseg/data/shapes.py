"""Smooth noise and soft solid shapes, sampled on axial planes: what the synthetic head is made of.

Axes, in mm from the centre of the head: x to the right of the picture, y downwards (anterior
is up, as in the dataset), z towards the vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline

from brainseg.data.slices import Float, Float64

Vector = tuple[float, float, float]

FIELD_OF_VIEW = 240.0  # mm, in plane
BOTTOM, TOP = -72.0, 78.0  # mm: from below the cerebellum to the scalp at the vertex
MARGIN = 24.0  # mm of noise beyond it, so that no spline ends within the picture


class SmoothNoise:
    """Random cubic B-spline: Gaussian noise of mean 0 and standard deviation about 1, C2-smooth.

    Args:
        rng: source of the knots' values.
        scale: distance between knots in mm, about the size of the noise's blobs.
    """

    def __init__(self, rng: np.random.Generator, scale: float):
        self.scale = scale
        spans = (TOP - BOTTOM, FIELD_OF_VIEW, FIELD_OF_VIEW)
        shape = [int(np.ceil((span + 2 * MARGIN) / scale)) + 3 for span in spans]
        # The squared basis integrates to 0.479 along each axis; dividing by it restores unit variance.
        self.knots = rng.standard_normal(shape) / 0.479**1.5

    def plane(self, z: float, axis: Float) -> Float:
        """Values [len(axis), len(axis)] on the plane at height `z` over the in-plane positions `axis`."""
        along_z = _basis(np.array([z]), BOTTOM - MARGIN, self.scale, self.knots.shape[0])
        across = _basis(axis, -FIELD_OF_VIEW / 2 - MARGIN, self.scale, self.knots.shape[1])
        knots = (along_z @ self.knots.reshape(len(self.knots), -1)).reshape(self.knots.shape[1:])
        return (across @ (across @ knots).T).T.astype(np.float32)


def _basis(positions: Float | Float64, start: float, scale: float, count: int) -> sparse.csr_array:
    """Sparse cubic B-spline weights [len(positions), count] of uniform knots from `start`."""
    knots = start + scale * np.arange(-3, count + 1)
    return BSpline.design_matrix(np.asarray(positions, np.float64), knots, 3)


@dataclass(frozen=True)
class Points:
    """Positions of one plane in the head's own axes: x, y, z float32 [height, width], in mm."""

    x: Float
    y: Float
    z: Float

    def mirrored(self) -> Points:
        """The same points with the left half folded onto the right one."""
        return Points(np.abs(self.x), self.y, self.z)

    def ellipsoid(self, centre: Vector, radii: Vector) -> Float:
        """Approximate signed distance to an ellipsoid (first order: exact near the surface)."""
        here = (self.x, self.y, self.z)
        x, y, z = (((p - c) / r) ** 2 for p, c, r in zip(here, centre, radii, strict=True))
        x = x + np.float32(1e-9)  # at the very centre the distance would be 0 / 0
        level = np.sqrt(x + y + z)
        slope = np.sqrt(x / radii[0] ** 2 + y / radii[1] ** 2 + z / radii[2] ** 2)
        return level * (level - 1) / slope


def union(a: Float, b: Float, blend: float) -> Float:
    """Signed distance to the union of two shapes, the crease between them filled over `blend` mm."""
    overlap = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - overlap * overlap * blend / 4


def inside(distance: Float, width: float) -> Float:
    """Share of a voxel that lies inside, a ramp of `width` mm about the surface (partial volume)."""
    return np.clip(0.5 - distance / width, 0, 1)
