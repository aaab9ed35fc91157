"""Dice + binary cross-entropy on logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def dice_bce(logits: Tensor, target: Tensor, dice_weight: float = 0.5) -> Tensor:
    """Weighted sum of soft Dice loss (Milletari et al. 2016) over the whole batch and mean cross-entropy.

    Dice is taken over all pixels of the batch together, so that slices without tumour add their false
    positives instead of an undefined ratio; 1 is added above and below (a batch without tumour).

    Args:
        logits: float [b, 1, h, w].
        target: float [b, 1, h, w] in 0..1.
        dice_weight: 0 (only cross-entropy) to 1 (only Dice).

    Returns:
        Scalar float32.
    """
    logits, target = logits.float(), target.float()
    probability = logits.sigmoid()
    dice = (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
    return dice_weight * (1 - dice) + (1 - dice_weight) * F.binary_cross_entropy_with_logits(logits, target)
