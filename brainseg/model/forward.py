"""Probabilities of one volume from one network, with or without flips, whatever runs the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainseg.data.slices import Float, Stack
from brainseg.preprocess.inputs import InputParams, box_of, network_batches, to_slice_grid

Network = Callable[[Float], Float]
"""Of float32 [b, channels, s, s] the tumour probabilities, float32 [b, 1, s, s] in 0..1."""
Half = npt.NDArray[np.float16]
_NORMAL, _STEPS = np.float32(2**-14), np.float32(2**24)
"""Numbers in half precision from which on they have an exponent of their own; below, so many even steps make one."""


@dataclass(frozen=True)
class Views:
    """What one network says of a volume; all [n, height, width] in 0..1, 0 outside the network's window.

    Attributes:
        mean: float32, of both views where flips were asked for, else of the one.
        plain: float16, of the volume as it is.
        flipped: float16, of its mirror image, mirrored back; None where no flips were asked for.
    """

    mean: Float
    plain: Half
    flipped: Half | None


def volume_views(
    network: Network, stack: Stack, params: InputParams, *, tta: bool, batch_size: int = 8, apart: int = 1
) -> Views:
    """Tumour probability of every pixel of a preprocessed volume, and what it is the mean of.

    Args:
        network: see `Network`.
        stack: brain-extracted and equalised as the network was trained on.
        params: the network's input grid.
        tta: average over the slice and its left-right mirror image.
        batch_size: slices at a time; does not change the result beyond rounding.
        apart: from a slice to its neighbours, where the network sees them; see `slices_apart`.

    Slices without brain are not shown to the network; they have a probability of 0.
    """
    box = box_of(stack, params)
    height, width = stack.brain.shape[1:]
    mean = np.zeros(stack.brain.shape, np.float32)
    single = [np.zeros(stack.brain.shape, np.float16) for _ in range(1 + tta)]
    chosen = np.flatnonzero(stack.brain.any((1, 2)))
    for numbers, inputs in network_batches(stack, params, chosen, batch_size, apart):
        grids = _grids(network, inputs, tta=tta)
        mean[numbers] = to_slice_grid(_mean(grids), box, height, width)
        for view, grid in zip(single, grids, strict=True):
            view[numbers] = half(to_slice_grid(grid, box, height, width))
    return Views(mean, single[0], single[1] if tta else None)


def grid_probability(network: Network, inputs: Float, *, tta: bool, batch_size: int = 8) -> Float:
    """Probabilities on the network's own grid: float32 [n, s, s] of float32 [n, channels, s, s]."""
    out = np.empty((len(inputs), *inputs.shape[2:]), np.float32)
    for start in range(0, len(inputs), batch_size):
        batch = inputs[start : start + batch_size]
        probability = network(batch)
        if tta:
            mirrored = network(np.ascontiguousarray(batch[..., ::-1]))
            probability = (probability + mirrored[..., ::-1]) / np.float32(2)
        out[start : start + len(batch)] = probability[:, 0]
    return out


def half(probability: Float) -> Half:
    """As `astype(np.float16)` to the bit; that takes 25 times as long below `_NORMAL`, where most probabilities lie."""
    usual = np.maximum(probability, _NORMAL).astype(np.float16).view(np.uint16)
    faint = np.rint(np.minimum(probability, _NORMAL) * _STEPS).astype(np.uint16)
    return np.where(probability < _NORMAL, faint, usual).view(np.float16)


def _grids(network: Network, batch: Float, *, tta: bool) -> list[Float]:
    """What the network says of a batch, and of its mirror image where asked: float32 [b, s, s] each."""
    plain = network(batch)[:, 0]
    if not tta:
        return [plain]
    mirrored = network(np.ascontiguousarray(batch[..., ::-1]))[:, 0]
    return [plain, np.ascontiguousarray(mirrored[..., ::-1])]


def _mean(grids: list[Float]) -> Float:
    return (grids[0] + grids[1]) / np.float32(2) if len(grids) > 1 else grids[0]
