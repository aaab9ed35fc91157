"""Figures of others on this data, each with its protocol: only the same protocol compares."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Whole-volume Dice as reported; None where a figure was not given."""

    who: str
    dice_mean: float | None
    dice_median: float | None
    protocol: str


PUBLISHED = (
    Published(
        "Buda, Saha and Mazurowski 2019",
        0.836,
        0.873,
        "U-Net, 22-fold cross-validation by patient over all 110 patients",
    ),
    Published("human readers, as cited there", 0.84, None, "agreement between readers"),
    Published(
        "best of the published repositories",
        0.91,
        0.92,
        "the model was picked on its own test patients: not a test",
    ),
)
