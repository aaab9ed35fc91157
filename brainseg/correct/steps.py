"""What a person can do to a mask: a class an action, and one table of all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from brainseg.correct.answer import Click
from brainseg.correct.strokes import between, filled, stroke
from brainseg.data.slices import Bool
from brainseg.errors import DataError

MOST_POINTS = 4096
"""Of one stroke; the page sends a longer one in parts."""
Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False, strict=True)]
Point = Annotated[tuple[Coordinate, Coordinate], Field(strict=False)]  # JSON has lists alone


@dataclass(frozen=True)
class Now:
    """What an action finds.

    Attributes:
        mask: bool [n, height, width], the mask so far; not to be written to.
        automatic: the mask that the correction began with.
        by_hand: slices that a person has corrected, accepted or cleared.
        answer: gives the whole mask after a new click; see `Answerer`.
    """

    mask: Bool
    automatic: Bool
    by_hand: frozenset[int]
    answer: Callable[[Click], Bool]


class Step(BaseModel, ABC):
    """One action, as the page sends it and the journal keeps it.

    Attributes:
        slice: where the person acted: its place in the stack, from 0.
        mark: what the slice is called afterwards; empty where the action says nothing of the slice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    mark: ClassVar[str] = "corrected"

    do: str
    slice: int = Field(ge=0)

    @abstractmethod
    def planes(self, now: Now) -> dict[int, Bool]:
        """Slices as they are afterwards; those that are not in it stay.

        Raises:
            DataError: the action has no meaning there.
        """

    def require_within(self, shape: tuple[int, ...]) -> None:
        """Refuse what lies outside of the scan.

        Raises:
            DataError: a slice, row or column that it does not have.
        """
        at = (self.slice, getattr(self, "row", 0), getattr(self, "column", 0))
        if any(place >= size for place, size in zip(at, shape, strict=True)):
            raise DataError(f"slice, row and column {at} lie outside of the scan's {shape}; load the page again.")


class ClickStep(Step):
    """Here is tumour, or here is none: the answer may reach over slices, but not those that were done by hand."""

    do: Literal["click"]
    row: int = Field(ge=0)
    column: int = Field(ge=0)
    tumour: bool

    @property
    def click(self) -> Click:
        """As answerers take it."""
        return Click(self.slice, self.row, self.column, self.tumour)

    def planes(self, now: Now) -> dict[int, Bool]:
        after = now.answer(self.click)
        touched = np.flatnonzero((after ^ now.mask).any((1, 2))).tolist()
        kept = now.by_hand - {self.slice}
        return {i: after[i] for i in touched if i not in kept}


class BrushStep(Step):
    """A stroke that makes tumour, or takes it away."""

    do: Literal["brush", "erase"]
    radius: float = Field(gt=0, le=64)
    points: list[Point] = Field(min_length=1, max_length=MOST_POINTS)

    def planes(self, now: Now) -> dict[int, Bool]:
        before = now.mask[self.slice]
        covered = stroke(self.points, self.radius, before.shape)
        return {self.slice: before | covered if self.do == "brush" else before & ~covered}


class FillStep(Step):
    """What an outline encloses becomes tumour."""

    do: Literal["fill"]
    row: int = Field(ge=0)
    column: int = Field(ge=0)

    def planes(self, now: Now) -> dict[int, Bool]:
        return {self.slice: filled(now.mask[self.slice], self.row, self.column)}


class AcceptStep(Step):
    """The slice is right as the networks had it."""

    mark = "accepted"
    do: Literal["accept"]

    def planes(self, now: Now) -> dict[int, Bool]:
        return {self.slice: now.automatic[self.slice]}


class ClearStep(Step):
    """There is no tumour in the slice."""

    mark = "cleared"
    do: Literal["clear"]

    def planes(self, now: Now) -> dict[int, Bool]:
        return {self.slice: now.mask[self.slice] & False}


class InterpolateStep(Step):
    """The slices around this one, as far as the next that were done by hand, become what lies between those two."""

    mark = ""
    do: Literal["interpolate"]

    def planes(self, now: Now) -> dict[int, Bool]:
        if self.slice in now.by_hand:
            raise DataError("this slice was done by hand; go to one between two slices that were.")
        low = max((i for i in now.by_hand if i < self.slice), default=None)
        high = min((i for i in now.by_hand if i > self.slice), default=None)
        if low is None or high is None:
            raise DataError("interpolating needs a corrected slice below this one and one above; correct those first.")
        ends = now.mask[low], now.mask[high]
        if not (ends[0].any() and ends[1].any()):
            raise DataError("one of the two corrected slices has no tumour, so there is nothing between; draw there.")
        return {i: between(*ends, (i - low) / (high - low)) for i in range(low + 1, high)}


STEPS: dict[str, type[Step]] = {
    "click": ClickStep,
    "brush": BrushStep,
    "erase": BrushStep,
    "fill": FillStep,
    "accept": AcceptStep,
    "clear": ClearStep,
    "interpolate": InterpolateStep,
}
"""By the name that page and journal call them."""
_NAMED = TypeAdapter(dict[str, object])


def read_step(content: object) -> Step:
    """The action that a page or a journal names.

    Raises:
        ValueError: none of the table, or not as it should be.
    """
    named = _NAMED.validate_python(content)
    kind = STEPS.get(str(named.get("do")))
    if kind is None:
        raise ValueError(f"{named.get('do')!r} is none of {', '.join(STEPS)}")
    return kind.model_validate(named)
