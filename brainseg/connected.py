"""Connected parts of bool arrays, from runs of pixels.

scipy.ndimage has the same (tests hold them equal), but SciPy is a fifth of what an installation would weigh, and half a
second of each start.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Index = npt.NDArray[np.intp]


def label(mask: Bool, *, corners: bool = True) -> tuple[Labels, int]:
    """Number the connected parts, in the order of their first pixels.

    Args:
        mask: bool, of any number of axes.
        corners: pixels that share a corner or an edge are of one part (8 neighbours in a slice, 26 in a volume); else
            only those that share a face (4 and 6).

    Returns:
        int32 as `mask`, 0 where it is False, and how many parts there are.
    """
    padded = np.pad(mask, 1)
    flat = padded.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, stops = ends[::2], ends[1::2]
    root = np.arange(len(starts))
    for one, other in _touching(starts, stops, padded, corners):
        _join(root, one, other)
    first = root == np.arange(len(root))
    out = np.zeros(flat.shape, np.int32)
    out[flat] = np.repeat(np.cumsum(first, dtype=np.int32)[root], stops - starts)
    return out.reshape(padded.shape)[(slice(1, -1),) * mask.ndim], int(np.count_nonzero(first))


def from_the_edge(mask: Bool) -> Bool:
    """What of a mask hangs together with the array's edge by faces; what of the rest it does not enclose."""
    labels, _ = label(np.pad(mask, 1, constant_values=True), corners=False)
    outside: Bool = labels[(slice(1, -1),) * mask.ndim] == 1
    return outside


def _touching(starts: Index, stops: Index, padded: Bool, corners: bool) -> Iterator[tuple[Index, Index]]:
    """Pairs of runs in neighbouring rows: runs lie in the order of the flat array, and between rows is padding."""
    steps = np.array(padded.strides[:-1])
    for step in itertools.product((-1, 0, 1), repeat=len(steps)):
        apart = int(steps @ np.array(step, int))
        if apart <= 0 or (not corners and np.count_nonzero(step) > 1):
            continue
        begin = np.searchsorted(stops, starts + apart - corners, "right")
        count = np.maximum(np.searchsorted(starts, stops + apart + corners, "left") - begin, 0)
        one = np.repeat(np.arange(len(starts)), count)
        yield one, begin[one] + np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)


def _join(root: Index, one: Index, other: Index) -> None:
    """Give runs that touch the same root, the first of them all; `root` has each run's, and is changed in place."""
    while True:
        a, b = root[one], root[other]
        if (a == b).all():
            return
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (root[root] != root).any():
            root[:] = root[root]
