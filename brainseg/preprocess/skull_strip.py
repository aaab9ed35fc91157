"""Brain extraction behind one interface, with a gate that no implausible mask passes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from brainseg.data.slices import U8, AnyStack, Bool, SliceSet
from brainseg.errors import DataError
from brainseg.params import Choices, Params
from brainseg.preprocess.agreement import BySequence, Guess, Method, Stripper
from brainseg.preprocess.morphology import morphology


class SkullStripParams(Params):
    """Section `skull_strip` of params.yaml.

    Attributes:
        method: how to find the brain; "none" keeps everything.
        sequences: "flair" shows the method FLAIR alone; "most" shows it all that are there, and cuts FLAIR's mask
            back where most disagree (preprocess/agreement.py). "student" sees all of them in any case: the key is for
            deepbet, which it asks where it is unsure, and for the fallback.
        dilate_px: margin around the mask in pixels, in-plane, whatever the method (0: as the method gave it).
        min_fraction: smallest plausible share of the volume that the mask covers before dilation.
        max_fraction: largest plausible share.
        fallback: the method for a volume whose mask is implausible; if that fails too, everything is kept.
        weights: for "mazurowski" alone, left out otherwise: the path of weights_128.h5, or "download" for the authors'
            file.
        weights_sha256: the digest that the weights must have; may be left out, but not for a download, since the
            authors publish none.
    """

    method: Method
    sequences: Literal["flair", "most"]
    dilate_px: int = Field(ge=0, le=20)
    min_fraction: float = Field(ge=0, lt=1)
    max_fraction: float = Field(gt=0, le=1)
    fallback: Literal["classical", "none"]
    # The digest stands before the weights, whose check looks at it.
    weights_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    weights: str | None = Field(default=None, validate_default=True)

    @field_validator("max_fraction")
    @classmethod
    def _above_minimum(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("min_fraction", 0):
            raise ValueError(f"expected more than min_fraction, which is {info.data['min_fraction']}")
        return value

    @field_validator("weights")
    @classmethod
    def _weights_given(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value and info.data.get("method") == "mazurowski":
            raise ValueError('method "mazurowski" needs the path of weights_128.h5, or "download"')
        if value == "download" and info.data.get("weights_sha256") is None:
            raise ValueError("a download needs weights_sha256, the digest that the file must have")
        return value


def make_stripper(params: SkullStripParams, method: Method | None = None) -> Stripper | None:
    """Build the method that `params` (or `method`) names, loading its weights; None for "none".

    Raises:
        DataError: the weights of "mazurowski" are missing or not theirs.
    """
    name = method or params.method
    return None if name == "none" else STRIPPERS[name](params)


def _student(params: SkullStripParams) -> Stripper:
    from brainseg.preprocess.brain_student import StudentStripper

    return StudentStripper(lambda: _deepbet(params), params.min_fraction, params.max_fraction)


def _deepbet(params: SkullStripParams) -> Stripper:
    from brainseg.preprocess.brain_deepbet import DeepbetStripper

    return BySequence("deepbet", DeepbetStripper(), params.sequences)


def _mazurowski(params: SkullStripParams) -> Stripper:
    from brainseg.preprocess.mazurowski import MazurowskiStripper

    return BySequence("mazurowski", MazurowskiStripper(params.weights or "", params.weights_sha256), params.sequences)


def _classical(params: SkullStripParams) -> Stripper:
    from brainseg.preprocess.classical import ClassicalStripper

    return BySequence("classical", ClassicalStripper(), params.sequences)


# Each imports its method when it is asked for it: some take seconds.
STRIPPERS: Choices[Callable[[SkullStripParams], Stripper]] = Choices(
    {"student": _student, "deepbet": _deepbet, "mazurowski": _mazurowski, "classical": _classical},
    by=("skull_strip.method", "skull_strip.fallback"),
)


@dataclass(frozen=True)
class Brain:
    """Where the brain is.

    Attributes:
        mask: bool [n, height, width], dilated; True everywhere if `method` is "none".
        method: the method that the mask is from, after any fallback.
        fraction: share of the volume that the mask covered before dilation, 0 to 1; 1 for "none".
        warnings: one sentence per method whose mask was refused, beginning with the warning's name
            (`empty-mask`, `mask-too-small` or `mask-too-large`) and a colon.
        stripped: the brain had been extracted before.
    """

    mask: Bool
    method: Method
    fraction: float
    warnings: tuple[str, ...]
    stripped: bool = False


def find_brain(
    images: U8, params: SkullStripParams, stripper: Stripper | None = None, *, first: Guess | None = None
) -> Brain:
    """Find the brain; no truth is needed, so training and prediction share it.

    A mask that is empty or covers an implausible share of the volume is replaced by the fallback's, and that,
    if implausible, by everything: no volume turns black. Every method's mask is connected in 3-D, so no slice
    between two brain slices turns black either; slices beyond the brain's ends do, as they hold none.

    Args:
        images: uint8 [n, height, width, 3], feet first, anterior at the top.
        params: see `SkullStripParams`.
        stripper: what `make_stripper(params)` built; built here if None.
        first: what it found, where it was asked before.

    Raises:
        DataError: `images` are not uint8 [n, height, width, 3] with n > 0, or weights are missing.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise DataError(f"the stack is {images.dtype} {images.shape}, expected uint8 [n, height, width, 3].")
    warnings: list[str] = []
    chain: list[Method] = list(dict.fromkeys((params.method, params.fallback, "none")))
    for method, successor in pairwise(chain[: chain.index("none") + 1]):
        guess = first if method == params.method else None
        if guess is None:
            current = (stripper if method == params.method else None) or make_stripper(params, method)
            assert current is not None
            guess = current.find(images)
        fraction = float(guess.mask.mean())
        warning = _implausible(fraction, images.shape[:3], params)
        if warning is None:
            return Brain(morphology(guess.mask, "dilate", params.dilate_px), guess.method, fraction, tuple(warnings))
        outcome = "everything was kept" if successor == "none" else f"{successor} was used"
        warnings.append(f"{warning} by {guess.method}; {outcome} instead.")
    return Brain(np.ones(images.shape[:3], bool), "none", 1.0, tuple(warnings))


def _implausible(fraction: float, shape: tuple[int, ...], params: SkullStripParams) -> str | None:
    if params.min_fraction <= fraction <= params.max_fraction and fraction > 0:
        return None
    too_small = fraction < params.min_fraction
    name = "empty-mask" if fraction == 0 else "mask-too-small" if too_small else "mask-too-large"
    return (
        f"{name}: {fraction:.1%} of {shape[0]} slices of {shape[1]} x {shape[2]} pixels called brain "
        f"(expected {params.min_fraction:.0%} to {params.max_fraction:.0%})"
    )


@dataclass(frozen=True)
class StripRecord:
    """What stripping one patient came to; small, so that all patients' can be kept.

    Attributes:
        method, brain_fraction, warnings: as in `Brain`.
        slices: number of slices.
        slices_without_brain: those outside the mask altogether, black after stripping.
        labeled_slices_without_brain: those of them that have tumour pixels.
        tumour_px: tumour pixels of the truth.
        tumour_px_cut: those outside the mask. The truth keeps them: this is a measure, not a repair.
    """

    method: Method
    brain_fraction: float
    warnings: tuple[str, ...]
    slices: int
    slices_without_brain: int
    labeled_slices_without_brain: int
    tumour_px: int
    tumour_px_cut: int


@dataclass(frozen=True)
class Stripped:
    """A stripped slice set (images 0 outside `brain`, truth untouched) and its record."""

    slice_set: SliceSet
    record: StripRecord


def strip(slice_set: SliceSet, params: SkullStripParams, stripper: Stripper | None = None) -> Stripped:
    """Find the brain and set all channels outside it to 0; arguments and errors: `find_brain`."""
    brain = find_brain(slice_set.images, params, stripper)
    black = ~brain.mask.any((1, 2))
    record = StripRecord(
        method=brain.method,
        brain_fraction=brain.fraction,
        warnings=brain.warnings,
        slices=len(slice_set),
        slices_without_brain=int(black.sum()),
        labeled_slices_without_brain=int(slice_set.masks[black].any((1, 2)).sum()),
        tumour_px=int(slice_set.masks.sum()),
        tumour_px_cut=int((slice_set.masks & ~brain.mask).sum()),
    )
    return Stripped(cut_out(slice_set, brain.mask), record)


def cut_out(stack: AnyStack, brain: Bool) -> AnyStack:
    """Set all channels outside bool [n, height, width] to 0, and keep it as the stack's brain."""
    return dataclasses.replace(stack, images=stack.images * brain[..., None], brain=brain)


def strip_metrics(records: Mapping[str, StripRecord]) -> dict[str, Any]:
    """Sum up all patients' records as nested JSON of finite numbers.

    `tumour_cut.fraction` pools the pixels of all patients; `patient_mean` and `patient_max` are over the
    `n` patients that have tumour, and `worst_patient` (only if some pixel was cut) is the one of the maximum.

    Args:
        records: by patient, at least one.
    """
    every = list(records.values())
    if not every:
        raise ValueError("no records, expected at least one patient")
    fractions = [record.brain_fraction for record in every]
    return {
        "patients": len(every),
        "methods": dict(sorted(Counter(record.method for record in every).items())),
        "fallbacks": sum(bool(record.warnings) for record in every),
        "warnings": dict(sorted(Counter(text.split(":")[0] for r in every for text in r.warnings).items())),
        "brain_fraction": {"mean": float(np.mean(fractions)), "min": min(fractions), "max": max(fractions)},
        "slices": sum(record.slices for record in every),
        "slices_without_brain": sum(record.slices_without_brain for record in every),
        "labeled_slices_without_brain": sum(record.labeled_slices_without_brain for record in every),
        "tumour_cut": _tumour_cut(records),
    }


def _tumour_cut(records: Mapping[str, StripRecord]) -> dict[str, Any]:
    cut = {name: r.tumour_px_cut / r.tumour_px for name, r in sorted(records.items()) if r.tumour_px}
    pixels = sum(record.tumour_px_cut for record in records.values())
    total = sum(record.tumour_px for record in records.values())
    summary = {
        "px": pixels,
        "tumour_px": total,
        "fraction": pixels / max(total, 1),
        "patient_mean": float(np.mean(list(cut.values()))) if cut else 0.0,
        "patient_max": max(cut.values(), default=0.0),
        "n": len(cut),
    }
    return summary | ({"worst_patient": max(cut, key=cut.__getitem__)} if pixels else {})
