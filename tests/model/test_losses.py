import math

import pytest
import torch

from brainseg.model.losses import dice_bce


def test_known_value() -> None:
    """Four pixels at logit 0 (probability 0.5), one of them tumour."""
    logits, target = torch.zeros(1, 1, 2, 2), torch.tensor([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    dice = (2 * 0.5 + 1) / (2 + 1 + 1)
    assert dice_bce(logits, target, 1.0).item() == pytest.approx(1 - dice)
    assert dice_bce(logits, target, 0.0).item() == pytest.approx(math.log(2))
    assert dice_bce(logits, target, 0.3).item() == pytest.approx(0.3 * (1 - dice) + 0.7 * math.log(2))


def test_limits() -> None:
    target = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    sure = (target * 2 - 1) * 30
    assert dice_bce(sure, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_bce(-sure, target).item() > 10
    nothing = torch.zeros_like(target)
    assert dice_bce(nothing - 30, nothing).item() == pytest.approx(0, abs=1e-6)


def test_half_precision_is_computed_in_full() -> None:
    logits = torch.full((1, 1, 4, 4), 20.0, dtype=torch.bfloat16, requires_grad=True)
    loss = dice_bce(logits, torch.zeros(1, 1, 4, 4))
    assert loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(logits.grad).all()
