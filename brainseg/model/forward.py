"""Probabilities of one volume from one network, with or without flips."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from brainseg.data.slices import Float, Stack
from brainseg.preprocess.inputs import InputParams, box_of, network_batches, to_slice_grid


def volume_probability(
    network: nn.Module, stack: Stack, params: InputParams, *, tta: bool, batch_size: int = 8
) -> Float:
    """Tumour probability of every pixel of a preprocessed volume.

    Args:
        network: in eval mode, on any device.
        stack: brain-extracted and equalised as the network was trained on.
        params: the network's input grid.
        tta: average over the slice and its left-right mirror image.
        batch_size: slices at a time; does not change the result beyond rounding.

    Returns:
        float32 [n, height, width] in 0..1, 0 outside the network's window.
    """
    box = box_of(stack, params)
    out = np.empty(stack.brain.shape, np.float32)
    height, width = stack.brain.shape[1:]
    blank: dict[int, Float] = {}  # by slices in the batch: what the network says of nothing but black
    start = 0
    for inputs in network_batches(stack, params, batch_size):
        grid = None if inputs.any() else blank.get(len(inputs))
        if grid is None:
            grid = grid_probability(network, inputs, tta=tta, batch_size=batch_size)
            if not inputs.any():
                blank[len(inputs)] = grid
        out[start : start + len(inputs)] = to_slice_grid(grid, box, height, width)
        start += len(inputs)
    return out


@torch.inference_mode()
def grid_probability(network: nn.Module, inputs: Float, *, tta: bool, batch_size: int = 8) -> Float:
    """Probabilities on the network's own grid: float32 [n, s, s] of float32 [n, channels, s, s]."""
    device = next(network.parameters()).device
    out = np.empty((len(inputs), *inputs.shape[2:]), np.float32)
    for start in range(0, len(inputs), batch_size):
        batch = torch.from_numpy(inputs[start : start + batch_size]).to(device)
        batch = batch.contiguous(memory_format=torch.channels_last)
        probability = network(batch).float().sigmoid()
        if tta:
            probability = (probability + network(batch.flip(3)).float().sigmoid().flip(3)) / 2
        out[start : start + len(batch)] = probability[:, 0].cpu().numpy()
    return out
