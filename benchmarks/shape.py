"""Shape features of a large mask: the least ellipsoid from the hull's corners beside that from the whole surface."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmarks.timing import Comparison, time_pairs
from brainseg.data.slices import Bool
from brainseg.radiogenomics.ellipsoid import enclosing_ellipsoid
from brainseg.radiogenomics.shape import ShapeParams, shape_features


def compare(size: tuple[int, int, int], pairs: int) -> Comparison:
    """All features of one mask [n, height, width] against the usual way to its ellipsoid alone."""
    mask = lumpy(size)
    params = ShapeParams(thickness=5.0, bins=10, smoothing=0.1, outline_points=360)
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask)).astype(np.float64)
    timed = time_pairs(lambda: shape_features(mask, params), lambda: enclosing_ellipsoid(surface), 1, pairs)
    return Comparison(
        what=f"shape features, {' x '.join(map(str, size))}",
        ours="brainseg: all features, the ellipsoid around the corners of the convex hull",
        theirs="the ellipsoid alone, by the same solver on every voxel of the surface",
        unit="s/patient",
        pairs=timed,
    )


def lumpy(size: tuple[int, int, int]) -> Bool:
    """An ellipsoid with a wavy surface that fills most of the volume: bool [n, height, width]."""
    z, y, x = (np.linspace(-1, 1, side) for side in size)
    radius = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    waves = np.sin(9 * z)[:, None, None] + np.sin(11 * y)[:, None] + np.sin(7 * x)
    return radius < 0.8 + 0.05 * waves
