"""Shape features of a tumour mask: the three of Buda et al. 2019, and size and place beside them.

Angular standard deviation (ASD), bounding ellipsoid volume ratio (BEVR) and margin fluctuation (MF) as described by
Mazurowski et al. 2017 (J. Neuro-Oncol. 133) and Buda et al. 2019 (Comput. Biol. Med. 109). What the papers leave open
is a parameter of `ShapeParams`; docs/radiogenomics.md says why each has its default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import find_contours

from brainseg.connected import label
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.params import Params
from brainseg.preprocess.morphology import largest_component
from brainseg.radiogenomics.ellipsoid import Points, enclosing_ellipsoid

Spacing = tuple[float, float, float]


class ShapeParams(Params):
    """What the papers leave open.

    Attributes:
        thickness: distance between slices, in pixels of the slice; surface and diameters depend on it, the bounding
            ellipsoid volume ratio (BEVR) does not.
        bins: equal angular bins of the angular standard deviation (ASD).
        smoothing: length of the moving average behind margin fluctuation (MF), as a share of the outline.
        outline_points: points, equally far apart, that the outline is resampled to.
    """

    thickness: float = Field(gt=0)
    bins: int = Field(ge=1, le=360)
    smoothing: float = Field(gt=0, lt=1)
    outline_points: int = Field(ge=16, le=10_000)


@dataclass(frozen=True)
class Shape:
    """Features of one mask.

    Attributes:
        asd: angular standard deviation of the largest slice's outline, 0 for a circle.
        bevr: bounding ellipsoid volume ratio, 0 to 1, 1 for an ellipsoid.
        bevr_largest: the same of the largest 3-D part alone (26 neighbours), as ASD and MF are of one outline: a false
            island far away does not make the tumour's shape.
        mf: margin fluctuation of the largest slice's outline, 0 for a smooth one.
        volume: in pixels of the slice, cubed.
        components: 3-D parts with 26 neighbours.
        slices: with tumour.
        largest_slice: position of the slice with the largest area; `measure` gives its number.
        z, y, x: centre of mass, as a share of the volume's extent, 0 to 1.
    """

    asd: float
    bevr: float
    bevr_largest: float
    mf: float
    volume: float
    components: int
    slices: int
    largest_slice: int
    z: float
    y: float
    x: float


def shape_features(mask: Bool, params: ShapeParams, spacing: Spacing | None = None) -> Shape:
    """Measure a mask.

    Args:
        mask: bool [n, height, width] with some tumour.
        params: see `ShapeParams`.
        spacing: between slices, rows and columns, in any one unit, where known; otherwise `params.thickness` to 1.

    Raises:
        DataError: not bool, not three axes, or empty.
    """
    if mask.dtype != np.bool_ or mask.ndim != 3:
        raise DataError(f"the mask is {mask.dtype} {mask.shape}, expected bool [n, height, width].")
    if not mask.any():
        raise DataError("the mask is empty: there is no shape to measure.")
    step = spacing or (params.thickness, 1.0, 1.0)
    parts = label(mask)[1]
    area = mask.sum((1, 2))
    largest = int(area.argmax())
    radii, angles = radial_distances(mask[largest], params, (step[1], step[2]))
    centre = [_centre(mask.sum(other)) for other in ((1, 2), (0, 2), (0, 1))]
    return Shape(
        asd=angular_standard_deviation(radii, angles, params.bins),
        bevr=ellipsoid_volume_ratio(mask, step),
        bevr_largest=ellipsoid_volume_ratio(largest_component(mask) if parts > 1 else mask, step),
        mf=margin_fluctuation(radii, params.smoothing),
        volume=float(mask.sum() * math.prod(step)),
        components=parts,
        slices=int((area > 0).sum()),
        largest_slice=largest,
        z=centre[0],
        y=centre[1],
        x=centre[2],
    )


def radial_distances(plane: Bool, params: ShapeParams, step: tuple[float, float] = (1.0, 1.0)) -> tuple[Points, Points]:
    """Distances from the centre of mass to the outline, along it.

    The outline is that of the largest part (8 neighbours), its outer border, halfway between pixels. The centre of
    mass is that part's.

    Args:
        plane: bool [height, width] with some tumour.
        params: number of points.
        step: between rows and columns.

    Returns:
        Distances divided by their mean, and angles in radians, float64 [outline_points] each, equally far apart.
    """
    part = ndimage.binary_fill_holes(largest_component(plane))
    border = max(find_contours(np.pad(part, 1).astype(np.float32), 0.5, fully_connected="high"), key=len) - 1
    centre = np.array([where.mean() for where in part.nonzero()])
    offsets = _equally_spaced((border - centre) * step, params.outline_points)
    radii = np.hypot(offsets[:, 0], offsets[:, 1])
    return radii / radii.mean(), np.arctan2(offsets[:, 0], offsets[:, 1])


def angular_standard_deviation(radii: Points, angles: Points, bins: int) -> float:
    """ASD: the standard deviation of the distances within each of `bins` equal angles, averaged; empty bins left out.

    Args:
        radii: divided by their mean.
        angles: radians.
        bins: of the full circle, the first from -pi on.
    """
    which = np.minimum(((angles + np.pi) / (2 * np.pi) * bins).astype(int), bins - 1)
    return float(np.mean([radii[which == index].std() for index in range(bins) if (which == index).any()]))


def margin_fluctuation(radii: Points, smoothing: float) -> float:
    """MF: standard deviation of the distances less their moving average along the closed outline.

    Args:
        radii: divided by their mean, in the outline's order, equally far apart.
        smoothing: length of the moving average, as a share of the outline.
    """
    length = 2 * round(len(radii) * smoothing / 2) + 1  # odd, so that it is centred
    return float((radii - ndimage.uniform_filter1d(radii, length, mode="wrap")).std())


def ellipsoid_volume_ratio(mask: Bool, step: Spacing = (1.0, 1.0, 1.0)) -> float:
    """BEVR: the mask's volume over that of the least ellipsoid around all its voxels, corners included.

    The ratio does not change under any linear map, hence not with the slices' thickness.

    Args:
        mask: bool [n, height, width] with some tumour.
        step: between slices, rows and columns.
    """
    around = enclosing_ellipsoid(outer_corners(mask) * step)
    return float(mask.sum() * math.prod(step) / around.volume)


def outer_corners(mask: Bool) -> Points:
    """The corners of voxels on the mask's convex hull: float64 [m, 3], in voxels."""
    depth, row = np.nonzero(mask.any(2))
    lines = mask[depth, row]
    first, last = lines.argmax(1), lines.shape[1] - lines[:, ::-1].argmax(1)
    found = []
    for index in np.unique(depth):
        here = depth == index
        ends = [(row[here] + down, column[here]) for column in (first, last) for down in (0, 1)]
        hull = cv2.convexHull(np.concatenate([np.column_stack(end) for end in ends]).astype(np.int32))[:, 0]
        found += [np.column_stack([np.full(len(hull), index + up), hull]) for up in (0, 1)]
    corners = np.unique(np.concatenate(found), axis=0).astype(np.float64)
    return corners[ConvexHull(corners).vertices]


def _centre(sums: npt.NDArray[np.int64]) -> float:
    """Centre of mass along one axis of which `sums` counts the voxels, as a share of its extent."""
    return float((sums * (np.arange(len(sums)) + 0.5)).sum() / sums.sum() / len(sums))


def _equally_spaced(outline: Points, count: int) -> Points:
    """A closed outline [m, 2], last point as the first, at `count` points equally far apart along it."""
    along = np.append(0, np.hypot(*np.diff(outline, axis=0).T).cumsum())
    at = np.arange(count) / count * along[-1]
    return np.column_stack([np.interp(at, along, outline[:, axis]) for axis in (0, 1)])
