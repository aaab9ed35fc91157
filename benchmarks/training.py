"""Training steps on the CPU: convolutions laid out with the channel last beside torch's default layout."""

from __future__ import annotations

import torch

from benchmarks.settings import SEED
from benchmarks.timing import Comparison, time_pairs
from brainseg.model.losses import dice_bce
from brainseg.model.networks import LITE0, NetworkParams, build_network, channels_last

NETWORK = NetworkParams(encoder=LITE0, encoder_weights="none", decoder_channels=[256, 128, 64, 32, 16])


class Trainer:
    """One network, its optimiser and one batch of noise, in one of both layouts.

    Args:
        last: lay network and batch out with the channel last.
        size: side of the input in pixels.
        batch: slices per step.
    """

    def __init__(self, *, last: bool, size: int, batch: int):
        torch.manual_seed(SEED)
        network = build_network("unet", NETWORK).train()
        images = torch.randn(batch, 3, size, size)
        self.masks = (torch.rand(batch, 1, size, size) < 0.1).float()
        self.network = channels_last(network) if last else network
        self.images = images.contiguous(memory_format=torch.channels_last) if last else images
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step(self) -> float:
        """Forward, loss, backward, AdamW; returns the loss."""
        loss = dice_bce(self.network(self.images), self.masks)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def compare(size: int, batch: int, pairs: int) -> Comparison:
    """Time single steps of both layouts in turns, float32."""
    ours, theirs = (Trainer(last=last, size=size, batch=batch) for last in (True, False))
    timed = time_pairs(ours.step, theirs.step, batch, pairs)
    return Comparison(
        what="training step",
        ours=f"brainseg: channels-last; U-Net on {LITE0}, {size} px, batches of {batch}, AdamW, float32, CPU",
        theirs="the same network, loss and optimiser in torch's default (contiguous) layout",
        unit="ms/slice",
        pairs=timed,
    )
