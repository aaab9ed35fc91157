"""deepbet (Fisch et al., Comput. Biol. Med. 179:108845, 2024) without its package: its two networks as shipped graphs.

The steps are those of deepbet 1.0.2 (MIT; weights/deepbet/LICENSE): a small cube finds the head's box, a large one of
the box the brain. With the same mask but for a voxel or two.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from brainseg.compiled import CompiledGraph, compile_graph
from brainseg.connected import from_the_edge
from brainseg.data.slices import U8, Bool, Float
from brainseg.preprocess.morphology import largest_component
from brainseg.shipped import read_listed

DEEPBET = Path(str(files("brainseg"))) / "weights" / "deepbet"
DEEPBET_SUMS = "deepbet.sha256"
"""Digests of the graphs in that folder."""
SIDES = {"box": 128, "brain": 256}
"""deepbet's two networks, and the side of the cube that each looks at."""
_THRESHOLD = 0.5
_BOX_THRESHOLD, _MARGIN = np.float32(0.02), np.float32(0.1)  # least share of a plane; of the box's size, on each side
_DARK, _BRIGHT = 0.005, 0.995  # quantiles that are mapped onto 0 and 1
_MEAN, _SPREAD = 0.449, 0.226  # of what the networks were trained on

Box = tuple[slice, slice, slice]
Index = npt.NDArray[np.intp]
Values = TypeVar("Values", U8, Float)


class DeepbetStripper:
    """deepbet's two 3-D networks, by OpenVINO on the CPU, where the same input gives the same mask."""

    def __init__(self, folder: Path = DEEPBET) -> None:
        sums = folder / DEEPBET_SUMS
        graphs = [tuple(read_listed(folder / f"{name}{end}", sums) for end in (".xml", ".bin")) for name in SIDES]
        with ThreadPoolExecutor() as threads:  # half a second each, on one core
            self._networks = dict(zip(SIDES, threads.map(compile_graph, graphs), strict=True))

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in a FLAIR stack, axial, from the feet upwards, anterior at the top.

        Slices of TIF carry no geometry, so this orientation is assumed, with the patient's right on the left. Each
        volume is resampled to a cube: orientation matters, spacing does not.

        Args:
            flair: uint8 [n, height, width].

        Returns:
            bool [n, height, width], one 26-connected component without holes; empty if deepbet found no head.
        """
        if len(flair) == 1:  # nothing is found in a cube without depth; two slices alike have some
            return self.brain_mask(np.repeat(flair, 2, 0))[:1]
        # deepbet's axes grow to the patient's right, to anterior and to superior
        turned = flair.transpose(2, 1, 0)[::-1, ::-1]
        found = self._find(turned)
        return np.ascontiguousarray(found[::-1, ::-1].transpose(2, 1, 0))

    def _find(self, volume: U8) -> Bool:
        mask = np.zeros(volume.shape, bool)
        small = _resample(volume, (SIDES["box"],) * 3)
        low, high = _quantiles(small)
        if low == high:
            return mask
        head = self._ask("box", _normalised(small, low, high), lambda probability: probability > _THRESHOLD)
        box = _box_of(largest_component(head), volume.shape)
        if box is None or not (part := volume[box]).size:
            return mask
        large = _resample(part, (SIDES["brain"],) * 3)
        inside = self._ask(
            "brain", _normalised(large, low, high), lambda probability: _resample(probability, part.shape) > _THRESHOLD
        )
        mask[box] = ~from_the_edge(~largest_component(inside))
        return mask

    def _ask(self, name: str, cube: Float, look: Callable[[Float], Bool]) -> Bool:
        """What `look` makes of a network's probability of brain; its memory, half a gigabyte, is given back."""
        network: CompiledGraph = self._networks[name]
        try:
            return look(network(cube[None, None])[0, 1])
        finally:
            network.release()


def _resample(values: Values, shape: tuple[int, ...]) -> Values:
    """The nearest values on another grid, as torch's `nearest-exact`; the axis that grows most comes last."""
    order = sorted(range(3), key=lambda axis: shape[axis] / values.shape[axis])
    for axis in order:
        values = np.take(values, _nearest(values.shape[axis], shape[axis]), axis)
    return values


def _nearest(source: int, target: int) -> Index:
    places = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * np.float32(np.float32(source) / target)
    return np.minimum(np.floor(places).astype(np.intp), source - 1)


def _quantiles(values: U8) -> tuple[float, float]:
    counts = np.cumsum(_histogram(values))
    found = []
    for share in (_DARK, _BRIGHT):
        rank = share * (counts[-1] - 1)
        below, above = np.searchsorted(counts, [np.floor(rank), np.ceil(rank)], side="right")
        found.append(float(below + (rank - np.floor(rank)) * (above - below)))
    return found[0], found[1]


def _histogram(values: U8) -> npt.NDArray[np.int64]:
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return cv2.calcHist([flat], [0], None, [256], [0, 256]).ravel().astype(np.int64)


def _normalised(values: U8, low: float, high: float) -> Float:
    """Scaled between the quantiles, then to the mean and spread that the networks know; there are 256 values alone."""
    counts = _histogram(values)
    table = ((np.arange(256) - low) / (high - low)).clip(0, 1)
    total = counts.sum()
    mean = (counts * table).sum() / total
    spread = np.sqrt((counts * (table - mean) ** 2).sum() / (total - 1))
    table = (table - mean) / max(spread, np.finfo(np.float32).tiny) * _SPREAD + _MEAN
    flat = cv2.LUT(np.ascontiguousarray(values).reshape(len(values), -1), table.astype(np.float32))
    return np.asarray(flat, np.float32).reshape(values.shape)


def _box_of(head: Bool, shape: tuple[int, ...]) -> Box | None:
    """Where the head lies in the volume, with a margin; None where it is in no plane to speak of."""
    spans = []
    for axis, size in enumerate(shape):
        share = head.mean(tuple({0, 1, 2} - {axis}), dtype=np.float32)
        planes = np.flatnonzero(share > _BOX_THRESHOLD)
        if not len(planes):
            return None
        scale = np.float32(size / head.shape[axis])
        first, end = planes[0], planes[-1] + 1
        middle = np.round(scale * np.float32((end + first) / 2))
        extent = np.round((1 + 2 * _MARGIN) * (scale * np.float32(end - first)))
        spans.append(slice(max(0, int(middle - extent / 2)), min(size, int(middle + extent / 2))))
    return spans[0], spans[1], spans[2]
