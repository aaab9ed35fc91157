"""From probabilities to a mask: threshold, smallest component, hole filling, largest component only.

A tumour that the networks see but are unsure of shall not be lost: the threshold falls with the volume's peak.

As in nnU-Net, what to do is determined once, on validation patients, and then applied to
others: a `Choice` is data that travels in the model's JSON, not code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from brainseg.connected import label
from brainseg.data.slices import Bool
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.params import Params
from brainseg.preprocess.morphology import bounding_box, fill_holes, largest_component

Probability = npt.NDArray[np.floating[Any]]
Threshold = Annotated[float, Field(gt=0, lt=1)]
Size = Annotated[int, Field(ge=0)]

MIN_GAIN = 1e-4
"""A step that raises the mean Dice by no more than this is noise, and is left out."""

LEAST_THRESHOLD = 0.2
"""However faint the peak, no threshold falls below this: a volume without tumour stays empty."""


class PostprocessParams(Params):
    """What to try on the validation patients; the section `postprocess` of params.yaml.

    Attributes:
        tta: average the network's output over flips of the input (test-time augmentation).
        scale_to_peak: see `Choice`; given, not tried out, since few validation patients need it.
        thresholds: probabilities from which a pixel is tumour, rising, each in (0, 1).
        min_component_px: sizes in voxels below which a 3-D component is removed, rising.
        fill_holes: whether to try filling holes slice by slice.
        largest_only: whether to try keeping only the largest 3-D component.
    """

    tta: bool
    scale_to_peak: bool
    # strict=False lets a YAML list become a tuple; the elements stay strict
    thresholds: tuple[Threshold, ...] = Field(min_length=1, strict=False)
    min_component_px: tuple[Size, ...] = Field(min_length=1, strict=False)
    fill_holes: tuple[bool, ...] = Field(min_length=1, strict=False)
    largest_only: tuple[bool, ...] = Field(min_length=1, strict=False)

    @field_validator("*")
    @classmethod
    def _rising(cls, value: Any) -> Any:
        if isinstance(value, tuple) and any(b <= a for a, b in pairwise(value)):
            raise ValueError("expected values that rise, each given once (false before true)")
        return value


class Choice(Params):
    """The post-processing of one model; the default is a threshold and nothing else.

    Attributes:
        threshold: a pixel is tumour from this probability on.
        scale_to_peak: the threshold is a share of the volume's highest probability, not of 1, but is not
            lowered below `LEAST_THRESHOLD`.
        min_component_px: 3-D components of fewer voxels are removed; 0 removes none.
        fill_holes: background enclosed within a slice becomes tumour.
        largest_only: only the largest 3-D component is kept.
    """

    threshold: Threshold = 0.5
    scale_to_peak: bool = False
    min_component_px: Size = 0
    fill_holes: bool = False
    largest_only: bool = False


class Record(Params):
    """What a model's JSON says of its post-processing; written and read as this class alone.

    The steps have to be there: a file that lost one would give another mask (`brainseg.model.store.LATER` has what
    was not there from the beginning).

    Attributes:
        threshold, scale_to_peak, min_component_px, fill_holes, largest_only: see `Choice`.
        tta: the choice was made with flips.
        trail: see `choose`.
    """

    threshold: Threshold
    scale_to_peak: bool
    min_component_px: Size
    fill_holes: bool
    largest_only: bool
    tta: bool
    trail: list[dict[str, Any]] = Field(default_factory=list)

    @classmethod
    def of(cls, choice: Choice, *, tta: bool, trail: list[dict[str, Any]]) -> Record:
        """The record of what `choose` found."""
        return cls(**choice.model_dump(), tta=tta, trail=trail)

    @property
    def choice(self) -> Choice:
        """The steps alone."""
        return Choice(**{key: getattr(self, key) for key in Choice.model_fields})


def apply(probability: Probability, choice: Choice) -> Bool:
    """Make a mask of one patient's probabilities.

    The steps in their order: threshold, smallest component, hole filling, largest component.
    Components are 3-D with 26 neighbours; holes are 2-D, background that does not reach the
    slice's border over 4 neighbours.

    Args:
        probability: float [n, height, width] in 0..1.
        choice: what to do.

    Returns:
        bool [n, height, width].

    Raises:
        DataError: not three axes, not floating point, or a value outside 0..1 or NaN.
    """
    _check(probability)
    mask: Bool = probability >= threshold_for(probability, choice)
    if mask.any():
        box = bounding_box(mask)
        mask[box] = _tidy(mask[box], choice)  # the same as on the whole volume, and several times faster
    return mask


def threshold_for(probability: Probability, choice: Choice) -> np.float32:
    """The threshold that `apply` uses on this volume.

    Args:
        probability: float [n, height, width] in 0..1.
        choice: what to do.
    """
    if not choice.scale_to_peak:
        return np.float32(choice.threshold)
    scaled = choice.threshold * float(probability.max(initial=0.0))
    return np.float32(min(choice.threshold, max(scaled, LEAST_THRESHOLD)))


def choose(
    probabilities: Mapping[str, Probability], truths: Mapping[str, Bool], params: PostprocessParams
) -> tuple[Choice, list[dict[str, Any]]]:
    """Determine the post-processing on validation patients, one step after another.

    Starts from a threshold of 0.5, scaled to the peak if so given, and nothing else. Each step
    (threshold, smallest component, hole filling, largest only) takes its best candidate, given the
    steps before, and is kept only if it raises the mean whole-volume Dice by more than `MIN_GAIN`.

    Args:
        probabilities: patient -> float [n, height, width] in 0..1.
        truths: patient -> bool [n, height, width]; the same patients and shapes.
        params: the candidates.

    Returns:
        The choice, and the trail: one dict per candidate with `step`, `candidate`, `dice`
        (mean over patients) and `kept`, the first being the start. Ready for JSON.

    Raises:
        DataError: no patients, or the two mappings do not match.
    """
    _check_pairs(probabilities, truths)
    steps: dict[str, Iterable[Any]] = {
        "threshold": params.thresholds,
        "min_component_px": params.min_component_px,
        "fill_holes": params.fill_holes,
        "largest_only": params.largest_only,
    }
    choice = Choice(scale_to_peak=params.scale_to_peak)
    best = _mean_dice(probabilities, truths, choice)
    trail = [_row("start", choice.threshold, best, kept=True)]
    for step, candidates in steps.items():
        tried = []
        for candidate in candidates:
            if candidate != getattr(choice, step):  # else it is what `best` is of
                changed = choice.model_copy(update={step: candidate})
                tried.append(_row(step, candidate, _mean_dice(probabilities, truths, changed)))
        winner = max(tried, key=itemgetter("dice"), default=None)
        if winner and winner["dice"] > best + MIN_GAIN:
            winner["kept"] = True
            best = winner["dice"]
            choice = choice.model_copy(update={step: winner["candidate"]})
        trail += tried
    return choice, trail


def _row(step: str, candidate: Any, dice: float, kept: bool = False) -> dict[str, Any]:
    return {"step": step, "candidate": candidate, "dice": dice, "kept": kept}


def _tidy(mask: Bool, choice: Choice) -> Bool:
    if choice.min_component_px > 1:
        mask = _without_small_parts(mask, choice.min_component_px)
    if choice.fill_holes:
        mask = fill_holes(mask)
    if choice.largest_only:
        mask = largest_component(mask)
    return mask


def _without_small_parts(mask: Bool, least: int) -> Bool:
    """The 3-D components of `least` voxels or more."""
    labels, _ = label(mask)
    keep = np.bincount(labels.ravel(), minlength=1) >= least
    keep[0] = False
    return keep[labels]


def _mean_dice(probabilities: Mapping[str, Probability], truths: Mapping[str, Bool], choice: Choice) -> float:
    # sorted: the sum of floats, hence the choice, must not depend on the mapping's order
    return float(np.mean([overlap(truths[p], apply(probabilities[p], choice)).dice for p in sorted(truths)]))


def _check(probability: Probability) -> None:
    if probability.ndim != 3 or not np.issubdtype(probability.dtype, np.floating):
        raise DataError(
            f"probabilities are {probability.dtype} {probability.shape}, expected float [n, height, width]."
        )
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1):  # False for NaN, too
        raise DataError(
            f"probabilities range from {probability.min()} to {probability.max()}, expected 0 to 1;"
            " pass the network's output through a sigmoid."
        )


def _check_pairs(probabilities: Mapping[str, Probability], truths: Mapping[str, Bool]) -> None:
    if not truths:
        raise DataError("there is no validation patient to choose post-processing on; give the split some.")
    unmatched = sorted(probabilities.keys() ^ truths.keys())
    if unmatched:
        raise DataError(
            f"validation patients with only one of probabilities and truth: {', '.join(unmatched)};"
            " predict exactly the split's validation patients."
        )
    for patient, truth in truths.items():
        if truth.dtype != np.bool_ or truth.shape != probabilities[patient].shape:
            raise DataError(
                f"{patient}: the truth is {truth.dtype} {truth.shape},"
                f" expected bool {probabilities[patient].shape} as the probabilities."
            )
