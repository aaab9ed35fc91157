"""Brain extraction of a person's own scan: is it a head, and has it been done already?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from brainseg.data.slices import FLAIR, U8, Bool
from brainseg.errors import DataError
from brainseg.preprocess.agreement import Stripper
from brainseg.preprocess.morphology import fill_holes, largest_component
from brainseg.preprocess.skull_strip import Brain, SkullStripParams, find_brain
from brainseg.scans.canvas import PIXEL_MM, Canvas
from brainseg.scans.scan import Spacing
from brainseg.segmentation.evidence import evidence
from brainseg.segmentation.plausibility import AFTER, BEFORE, require_plausible

SMALLEST_ML, LARGEST_ML = 300.0, 2300.0
"""Plausible brain within a scan, also one that covers half of the head; adults have 1000 to 1700 ml."""
STRIPPED_EXCESS = 1.3
"""Scans whose non-zero voxels are at most this many times the brain found are stripped; whole heads have 2 or more."""
MOST_FILLED = 0.95
"""Where more than this share of the picture is not black, nothing was cut away around a brain."""
NO_HEAD = 0.25
"""Less than this share of the smallest plausible brain is not a bad mask but another part of the body."""


def find_scan_brain(
    images: U8,
    canvas: Canvas,
    spacing: Spacing | None,
    params: SkullStripParams,
    stripper: Stripper | None,
    stripped: bool | None,
    trust: bool = False,
) -> Brain:
    """Find the brain as training did, with the gate in millilitres where the scan says its voxel size.

    Args:
        images: uint8 [n, side, side, 3].
        canvas: of the scan.
        spacing: of the scan.
        params: of the model.
        stripper: what `make_stripper(params)` built, or a faster version of it.
        stripped: brain extraction was done before: True, False, or None to see for oneself.
        trust: a scan that is probably no FLAIR of a head, upright and with bright tissue, is a warning.

    Returns:
        The brain on the canvas, with all warnings for the user.

    Raises:
        DataError: no brain is found, or a scan said to be stripped has no background.
        NotTrusted: the scan is probably not what it is taken for.
    """
    flair = np.ascontiguousarray(images[..., FLAIR])
    doubts = require_plausible(evidence(flair, canvas, spacing), BEFORE, trust)

    def checked(brain: Brain, found: Bool, warnings: Sequence[str]) -> Brain:
        seen = evidence(flair, canvas, spacing, found, stripped=brain.stripped)
        return replace(brain, warnings=(*doubts, *require_plausible(seen, AFTER, trust), *warnings))

    if stripped or params.method == "none" or stripper is None:
        brain = _as_it_came(flair, canvas, stripped)
        return checked(brain, brain.mask, ()) if stripped else replace(brain, warnings=tuple(doubts))
    gated = _gate(params, flair, spacing)
    guess = stripper.find(images)
    if (fraction := float(guess.mask.mean())) < NO_HEAD * gated.min_fraction:
        raise DataError(
            f"the FLAIR shows no brain ({fraction:.1%} of the volume, expected {gated.min_fraction:.0%} or more); "
            "expected a head, upright; if its brain was extracted before, say --stripped."
        )
    if stripped is None and _is_stripped(flair, guess.mask, canvas):
        note = "brain extraction was done before (all around the brain is black): the brain is used as it came"
        brain = _as_it_came(flair, canvas, True)
        return checked(brain, brain.mask, (note,))
    brain = find_brain(images, gated, first=guess)
    return checked(brain, guess.mask, [f"brain extraction is unsure: {text}" for text in brain.warnings])


def _gate(params: SkullStripParams, flair: U8, spacing: Spacing | None) -> SkullStripParams:
    """Fractions of this volume that are plausible: training's for slices like its own, else from millilitres."""
    if spacing is None:
        return params
    total = flair.size * spacing[0] * PIXEL_MM**2 / 1000
    low, high = min(SMALLEST_ML / total, 0.9), min(LARGEST_ML / total, 1.0)
    return params.model_copy(update={"min_fraction": low, "max_fraction": high})


def _is_stripped(flair: U8, mask: Bool, canvas: Canvas) -> bool:
    little = np.count_nonzero(flair) <= STRIPPED_EXCESS * np.count_nonzero(mask)
    return bool(little) and _has_background(_not_black(flair), canvas)


def _not_black(flair: U8) -> Bool:
    return fill_holes(largest_component(flair > 0))


def _has_background(mask: Bool, canvas: Canvas) -> bool:
    return bool(mask[canvas.window].mean() <= MOST_FILLED)


def _as_it_came(flair: U8, canvas: Canvas, stripped: bool | None) -> Brain:
    if not stripped:
        return Brain(np.ones(flair.shape, bool), "none", 1.0, ())
    mask = _not_black(flair)
    if not _has_background(mask, canvas):
        raise DataError("the scan is said to be stripped, but has no black background; leave --stripped out.")
    return Brain(mask, "none", float(mask.mean()), (), stripped=True)
