"""What is said of one mask: expected Dice, bounds, a level, and sentences that name what made it so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brainseg.data.slices import Int
from brainseg.trust.features import DOUBTFUL
from brainseg.trust.features import features as features_of
from brainseg.trust.model import Calibration, Level
from brainseg.trust.opinions import Opinions, Seen
from brainseg.trust.reasons import reasons as reasons_for

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
        doubtful_slices: numbers of the slices in which two opinions on the tumour have a Dice below `DOUBTFUL`.
        voxel_ml: millilitres of a voxel; None where the scan has no spacing.
    """

    dice: float
    dice_low: float
    level: Level
    volume_low: int
    volume_high: int
    reasons: tuple[str, ...]
    voxel_ml: float | None = None
    doubtful_slices: tuple[int, ...] = ()

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
            "doubtful_slices": list(self.doubtful_slices),
        }


Cap = tuple[str, Level]
"""Something that the features do not see: a sentence without a full stop, and the level that no mask is above then."""
RISING: tuple[Level, ...] = ("unreliable", "check", "good")


def judge(
    opinions: Opinions,
    calibration: Calibration,
    slices: Int,
    *,
    volume: int,
    brain: int,
    voxel_ml: float | None,
    caps: Sequence[Cap] = (),
) -> Trust:
    """How far a mask can be trusted, and why.

    Args:
        opinions: what the networks say, on their grid.
        calibration: a setup's, of `load_calibrations()`.
        slices: int [n], the slices' numbers as the user knows them.
        volume: see `trust_in`.
        brain: see `trust_in`.
        voxel_ml: see `trust_in`.
        caps: what is known beside; of an unreliable one nothing is expected, as of what the calibration knows nothing.
    """
    seen = Seen(opinions)
    found = features_of(seen)
    plain = trust_in(found, calibration, volume=volume, brain=brain, voxel_ml=voxel_ml)
    level = min([plain.level, *(level for _, level in caps)], key=RISING.index)
    why = tuple(sentence for sentence, _ in caps) + reasons_for(
        seen, found, calibration, slices, good=plain.level == "good"
    )
    if any(level == RISING[0] for _, level in caps):
        plain = Trust(0.0, 0.0, level, 0, brain, (), voxel_ml)
    doubtful = slices[seen.box[0]][seen.slice_dice < DOUBTFUL]
    return dataclasses.replace(plain, level=level, reasons=why, doubtful_slices=tuple(doubtful.tolist()))


def trust_in(
    features: Mapping[str, float],
    calibration: Calibration,
    *,
    volume: int,
    brain: int,
    voxel_ml: float | None,
) -> Trust:
    """What the features of a mask say, without reasons.

    Args:
        features: of `features()`.
        calibration: a setup's, of `load_calibrations()`.
        volume: voxels of the mask on the scan's own grid.
        brain: voxels of the brain there; no tumour is larger.
        voxel_ml: millilitres of a voxel; None where unknown.

    Returns:
        Of an empty mask: nothing is expected of it, and the tumour may have any volume, since all patients behind
        the calibration had one.
    """
    if not volume:
        return Trust(0.0, 0.0, "unreliable", 0, brain, (), voxel_ml)
    dice = calibration.expected_dice(features)
    low, high = (float(factor) * volume for factor in calibration.volume_factors(features))
    return Trust(
        dice=float(dice),
        dice_low=float(calibration.dice_low(dice)),
        level=calibration.level(features),
        volume_low=int(low),
        volume_high=max(min(round(high), brain), volume),
        reasons=(),
        voxel_ml=voxel_ml,
    )
