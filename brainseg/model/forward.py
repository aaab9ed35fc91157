"""Probabilities of one volume from one network, with or without flips, whatever runs the network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from brainseg.data.slices import Float, Stack
from brainseg.preprocess.inputs import InputParams, box_of, network_batches, to_slice_grid

Network = Callable[[Float], Float]
"""Of float32 [b, channels, s, s] the tumour probabilities, float32 [b, 1, s, s] in 0..1."""


def volume_probability(network: Network, stack: Stack, params: InputParams, *, tta: bool, batch_size: int = 8) -> Float:
    """Tumour probability of every pixel of a preprocessed volume.

    Args:
        network: see `Network`.
        stack: brain-extracted and equalised as the network was trained on.
        params: the network's input grid.
        tta: average over the slice and its left-right mirror image.
        batch_size: slices at a time; does not change the result beyond rounding.

    Returns:
        float32 [n, height, width] in 0..1, 0 outside the network's window and on slices without brain, which the
        network is not shown.
    """
    box = box_of(stack, params)
    out = np.zeros(stack.brain.shape, np.float32)
    height, width = stack.brain.shape[1:]
    for numbers, inputs in network_batches(stack, params, np.flatnonzero(stack.brain.any((1, 2))), batch_size):
        grid = grid_probability(network, inputs, tta=tta, batch_size=batch_size)
        out[numbers] = to_slice_grid(grid, box, height, width)
    return out


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
