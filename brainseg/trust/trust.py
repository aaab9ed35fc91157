"""What is said of one mask: expected Dice, bounds, a level, and sentences that name what made it so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brainseg.trust.model import Calibration

Level = Literal["good", "check", "unreliable"]
DECIMALS = 3


@dataclass(frozen=True)
class Trust:
    """How far a mask can be trusted.

    Attributes:
        dice: expected Dice, 0..1.
        dice_low: 90% of such masks are at least this good.
        level: `good`, `check` or `unreliable`.
        volume_low, volume_high: 90% interval of the tumour's volume, voxels.
        reasons: sentences that name what made the level so, worst first.
        voxel_ml: millilitres of a voxel; None where the scan has no spacing.
    """

    dice: float
    dice_low: float
    level: Level
    volume_low: int
    volume_high: int
    reasons: tuple[str, ...]
    voxel_ml: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For `<case>.json`: `volume_low_ml` and `volume_high_ml` only where the scan has a spacing."""
        volumes: dict[str, float] = {"volume_low": self.volume_low, "volume_high": self.volume_high}
        if self.voxel_ml is not None:
            volumes |= {f"{name}_ml": round(count * self.voxel_ml, DECIMALS) for name, count in volumes.items()}
        return {
            "dice": round(self.dice, DECIMALS),
            "dice_low": round(self.dice_low, DECIMALS),
            "level": self.level,
            **volumes,
            "reasons": list(self.reasons),
        }


def trust_in(
    features: Mapping[str, float],
    calibration: Calibration,
    *,
    volume: int,
    brain: int,
    voxel_ml: float | None,
    reasons: Sequence[str] = (),
) -> Trust:
    """What the features of a mask say.

    Args:
        features: of `features()`.
        calibration: of `load_calibration()`.
        volume: voxels of the mask on the scan's own grid.
        brain: voxels of the brain there; no tumour is larger.
        voxel_ml: millilitres of a voxel; None where unknown.
        reasons: of `reasons()`.

    Returns:
        Of an empty mask: nothing is expected of it, and the tumour may have any volume, since all patients behind
        the calibration had one.
    """
    if not volume:
        return Trust(0.0, 0.0, "unreliable", 0, brain, tuple(reasons), voxel_ml)
    dice = calibration.expected_dice(features)
    low, high = (float(factor) * volume for factor in calibration.volume_factors(features))
    return Trust(
        dice=float(dice),
        dice_low=float(calibration.dice_low(dice)),
        level=level_of(float(dice), calibration),
        volume_low=int(low),
        volume_high=max(min(round(high), brain), volume),
        reasons=tuple(reasons),
        voxel_ml=voxel_ml,
    )


def level_of(dice: float, calibration: Calibration) -> Level:
    """The level of an expected Dice."""
    if dice < calibration.levels.unreliable:
        return "unreliable"
    return "good" if dice >= calibration.levels.good else "check"
