"""Smooth noise and soft solid shapes, sampled on axial planes: what the synthetic head is made of.

Axes, in mm from the centre of the head: x to the right of the picture, y downwards (anterior
is up, as in the dataset), z towards the vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        (knots,) = _between(np.array([z]), BOTTOM - MARGIN, self.scale, self.knots)
        edge = -FIELD_OF_VIEW / 2 - MARGIN
        rows = _between(axis, edge, self.scale, knots)
        return _between(axis, edge, self.scale, rows.T).T.astype(np.float32)


def _between(positions: Float | Float64, start: float, scale: float, knots: Float64) -> Float64:
    """A uniform cubic B-spline whose knots' values run along the first axis: float64 [len(positions), ...].

    By de Boor's recurrence, and summed from the lowest knot on: the bits are those of scipy's sparse design matrix.
    """
    places, count = np.asarray(positions, np.float64), len(knots)
    at = start + scale * np.arange(-3, count + 1)
    interval = np.clip(np.searchsorted(at, places, "right") - 1, 3, count - 1)
    weights = np.zeros((4, len(places)))
    weights[0] = 1
    for degree in (1, 2, 3):
        before = weights.copy()
        weights[0] = 0
        for n in range(1, degree + 1):
            low, high = at[interval + n - degree], at[interval + n]
            share = before[n - 1] / (high - low)
            weights[n - 1] += share * (high - places)
            weights[n] = share * (places - low)
    weights = weights.reshape(4, -1, *[1] * (knots.ndim - 1))
    total: Float64 = weights[0] * knots[interval - 3]
    for n in (1, 2, 3):
        total += weights[n] * knots[interval - 3 + n]
    return total


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
