"""Rows of which one feature tells Dice."""

from __future__ import annotations

import numpy as np

from brainseg.trust.features import FEATURES
from brainseg.trust.rows import Rows, rows_of
from brainseg.trust.setups import SETUPS


def made(n: int = 90, folds: int = 5, seed: int = 0, noise: float = 0.02, teller: str = "members_dice") -> Rows:
    """Rows of which one feature tells Dice and the volume's error, and the others are noise."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        gap = float(rng.gamma(1.2, 0.1))
        seen = {name: float(rng.normal()) for name in FEATURES} | {teller: 1 - gap}
        dice = float(np.clip(0.93 - 0.8 * gap + rng.normal(0, noise), 0, 1))
        true = 10_000 * float(np.exp(rng.normal(0, 0.03 + 0.3 * gap)))
        line = {"setup": SETUPS[0], "patient": f"p{i}", "fold": i % folds, "institution": "CS", "dice": dice}
        lines.append(line | {"true_volume": int(true), "predicted_volume": 10_000} | seen)
    return rows_of(lines)
