"""From features to an expected Dice, a lower bound of it and a range of volumes, by constants learnt out of fold.

Each feature becomes a distance from what is good: 0 at its best, growing as it gets worse, never less than 0. Expected
Dice falls with these distances and never rises, so that no scan unlike the training's is trusted because of a feature
that no one has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from brainseg.data.slices import Float64
from brainseg.params import Params
from brainseg.trust.constants import load_constants
from brainseg.trust.features import FEATURES
from brainseg.trust.setups import SETUPS

CALIBRATION = Path(__file__).with_name("calibration.json")
AT_MOST = 10
"""Features in the model: 88 rows do not carry more."""

ROUNDING = 1e-3
"""Constants are written with six decimals."""
Level = Literal["good", "check", "unreliable"]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Term(Params):
    """What one feature adds.

    Attributes:
        good: where its distance is 0.
        scale: feature units of a distance of 1.
        most: no distance counts for more.
        seen: the largest distance among the rows.
        dice: expected Dice lost by a distance of 1.
        volume: growth of the volume's spread, in logarithms, by a distance of 1.
    """

    good: float
    scale: Positive
    most: Weight
    seen: Weight
    dice: Weight
    volume: Weight


class Levels(Params):
    """Expected Dice from which a mask is `good`, and below which it is `unreliable`."""

    good: Share
    unreliable: Share


class Calibration(Params):
    """All constants; a JSON that lacks one is refused.

    Attributes:
        rows: how many masks they were learnt from.
        terms: by name of a feature.
        dice: expected Dice where all distances are 0.
        dice_bound: so many spreads below the expected Dice lies the bound that 90% keep.
        dice_floor: spread of Dice at an expected Dice of 1; below it grows as 1 - expected Dice does.
        volume_bias: median logarithm of true by predicted volume.
        volume_spread: spread of that logarithm where all distances are 0.
        volume_bound: so many spreads to either side lies the interval that holds for 90%.
        levels: see `Levels`.
    """

    rows: int = Field(ge=1)
    terms: dict[str, Term] = Field(max_length=AT_MOST)
    dice: Share
    dice_bound: Weight
    dice_floor: Positive
    volume_bias: float
    volume_spread: Positive
    volume_bound: Weight
    levels: Levels

    @field_validator("terms")
    @classmethod
    def _known(cls, terms: dict[str, Term]) -> dict[str, Term]:
        if strange := [name for name in terms if name not in FEATURES]:
            raise ValueError(f"there is no feature {strange[0]}, known are {', '.join(FEATURES)}")
        return terms

    def distances(self, features: Mapping[str, Any]) -> Float64:
        """Distances from good, [n, terms] of features [n] each, or [terms] of single ones; in the order of `terms`."""
        parts = [distance(name, features[name], term) for name, term in self.terms.items()]
        return np.stack(parts, -1) if parts else np.zeros((*np.shape(next(iter(features.values()), 0)), 0))

    def expected_dice(self, features: Mapping[str, Any]) -> Float64:
        """Expected Dice in 0..1 of each mask."""
        weights = np.array([term.dice for term in self.terms.values()])
        return np.clip(self.dice - self.distances(features) @ weights, 0, 1)

    def dice_low(self, expected: Float64) -> Float64:
        """90% of masks with this expected Dice are at least that good."""
        return np.clip(expected - self.dice_bound * dice_spread(expected, self.dice_floor), 0, 1)

    def unlike(self, features: Mapping[str, float]) -> list[str]:
        """Features of one mask that are worse than in any of the rows, by name."""
        far = {name: float(distance(name, features[name], term)) for name, term in self.terms.items()}
        return [name for name, term in self.terms.items() if far[name] > term.seen + ROUNDING]

    def level(self, features: Mapping[str, float]) -> Level:
        """The level of one mask; one that is unlike the rows is never good."""
        dice = float(self.expected_dice(features))
        if dice < self.levels.unreliable:
            return "unreliable"
        return "good" if dice >= self.levels.good and not self.unlike(features) else "check"

    def volume_spreads(self, features: Mapping[str, Any]) -> Float64:
        """How far the logarithm of true by predicted volume lies from its median, but for a factor."""
        weights = np.array([term.volume for term in self.terms.values()])
        return np.asarray(self.volume_spread + self.distances(features) @ weights)

    def volume_factors(self, features: Mapping[str, Any]) -> tuple[Float64, Float64]:
        """What the predicted volume is to be multiplied by for both ends of its 90% interval; 1 lies between them."""
        half = self.volume_bound * self.volume_spreads(features)
        low, high = np.exp(self.volume_bias - half), np.exp(self.volume_bias + half)
        return np.minimum(low, 1), np.maximum(high, 1)


class Calibrations(Params):
    """The constants of every setup, and which masks they were learnt from.

    Attributes:
        made_from: path of the CSV of rows.
        rows_sha256: of that CSV.
        patients: whose masks these are.
        setups: by name, all of `SETUPS`.
    """

    made_from: str
    rows_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    patients: list[str] = Field(min_length=1)
    setups: dict[str, Calibration]

    @field_validator("setups")
    @classmethod
    def _whole(cls, setups: dict[str, Calibration]) -> dict[str, Calibration]:
        if set(setups) != set(SETUPS):
            raise ValueError(f"it has {', '.join(setups) or 'no setup'}, expected {', '.join(SETUPS)}")
        return setups


def distance(name: str, values: Any, term: Term) -> Float64:
    """How far values of a feature are from good: 0 there and beyond, at most `term.most`."""
    worse = FEATURES[name].better * (term.good - np.asarray(values, np.float64)) / term.scale
    return np.clip(worse, 0, term.most)


def dice_spread(expected: Float64, floor: float) -> Float64:
    """How far real Dice lies from expected Dice, but for a factor: the worse the mask, the less is known of it."""
    return floor + 1 - expected


def load_calibrations(path: Path = CALIBRATION) -> Calibrations:
    """Read the constants.

    Raises:
        DataError: the file is missing, too large, or no JSON.
        ParamsError: a constant is missing, ill-typed or out of range.
    """
    return load_constants(path, Calibrations, "which says how far masks are trusted")
