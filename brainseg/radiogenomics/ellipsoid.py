"""The smallest ellipsoid around a set of points (Khachiyan 1996; with away steps, Todd and Yildirim 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gamma

from brainseg.errors import DataError

Points = npt.NDArray[np.float64]
TOLERANCE = 1e-4
"""How far beyond the ellipsoid a point may lie, in units of its (squared) radius; the volume is as good."""
MOST_STEPS = 20_000


@dataclass(frozen=True)
class Ellipsoid:
    """All x with (x - centre)' shape (x - centre) <= 1.

    Attributes:
        centre: float64 [d].
        shape: float64 [d, d], symmetric and positive definite.
    """

    centre: Points
    shape: Points

    @property
    def volume(self) -> float:
        """In the unit of the points, to the power of d."""
        d = len(self.centre)
        return float(np.pi ** (d / 2) / gamma(d / 2 + 1) / np.sqrt(np.linalg.det(self.shape)))


def enclosing_ellipsoid(points: Points, tolerance: float = TOLERANCE) -> Ellipsoid:
    """Find the ellipsoid of least volume around `points`.

    Args:
        points: float [n, d], not all in one plane.
        tolerance: relative.

    Returns:
        An ellipsoid that holds all points and whose volume exceeds the least by at most about d `tolerance` / 2.

    Raises:
        DataError: fewer than d + 1 points, or all in one plane.
    """
    points = np.asarray(points, np.float64)
    n, d = points.shape
    centre, scale = points.mean(0), points.std(0).max()
    if n <= d or np.linalg.matrix_rank((points - centre) / (scale or 1.0), tol=1e-9) < d:
        raise DataError(f"{n} points in {d} dimensions lie in one plane: no ellipsoid around them has a volume.")
    lifted = np.column_stack([(points - centre) / scale, np.ones(n)])  # about the origin, one dimension higher
    weights = _weights(lifted, tolerance)
    middle = weights @ lifted[:, :d]
    spread = (lifted[:, :d] * weights[:, None]).T @ lifted[:, :d] - np.outer(middle, middle)
    shape = np.linalg.inv(spread) / d
    offsets = lifted[:, :d] - middle
    farthest = float(np.einsum("ni,ij,nj->n", offsets, shape, offsets).max())
    return Ellipsoid(middle * scale + centre, shape / farthest / scale**2)  # grown to hold every point


def _weights(lifted: Points, tolerance: float) -> Points:
    """The dual's solution: how much of each point the ellipsoid is made of; float64 [n], sum 1."""
    dimension = lifted.shape[1]
    weights = _start(lifted[:, :-1])
    inverse = np.linalg.inv((lifted * weights[:, None]).T @ lifted)
    distances = np.einsum("ni,ij,nj->n", lifted, inverse, lifted)
    for step in range(1, MOST_STEPS + 1):
        far = int(distances.argmax())
        used = np.flatnonzero(weights > 0)
        near = int(used[distances[used].argmin()])
        beyond, within = distances[far] / dimension - 1, 1 - distances[near] / dimension
        if max(beyond, within) <= tolerance:
            break
        chosen = far if beyond >= within else near
        kappa = distances[chosen]
        length = (kappa - dimension) / (dimension * (kappa - 1))
        if chosen == near:
            length = max(length, -weights[near] / (1 - weights[near]))  # no further than out of the ellipsoid's making
        weights *= 1 - length
        weights[chosen] = max(weights[chosen] + length, 0.0)
        if step % 100 == 0:  # anew, against the rounding of many updates
            inverse = np.linalg.inv((lifted * weights[:, None]).T @ lifted)
            distances = np.einsum("ni,ij,nj->n", lifted, inverse, lifted)
            continue
        ahead = inverse @ lifted[chosen]
        factor = length / (1 - length + length * kappa)
        inverse = (inverse - factor * np.outer(ahead, ahead)) / (1 - length)
        distances = (distances - factor * (lifted @ ahead) ** 2) / (1 - length)
    return weights


def _start(points: Points) -> Points:
    """Weight on 2 d points that are far apart in as many directions (Kumar and Yildirim 2005), none on the others."""
    chosen: list[int] = []
    spanned = np.zeros((0, points.shape[1]))
    for _ in range(points.shape[1]):
        free = np.linalg.svd(np.vstack([spanned, np.zeros(points.shape[1])]))[2][-1]  # orthogonal to all so far
        along = points @ free
        ends = [int(along.argmin()), int(along.argmax())]
        chosen += ends
        spanned = np.vstack([spanned, points[ends[1]] - points[ends[0]]])
    weights = np.bincount(chosen, minlength=len(points)).astype(np.float64)
    return weights / weights.sum()
