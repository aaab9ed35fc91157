"""Is it a FLAIR of a head, the right way up and the right way bright? Told from the voxels alone.

A check is a function from `Evidence` to a `Doubt` or None; a new one is a line in `BEFORE` (needs the picture) or
`AFTER` (needs the brain, too). A strong doubt refuses the scan, a weak one is a warning. Each limit stands beside what
was measured on the 88 patients of the training data and on what is no head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brainseg.data.slices import Bool
from brainseg.errors import doubt
from brainseg.preprocess.morphology import morphology
from brainseg.scans.canvas import FIELD_OF_VIEW_MM, PIXEL_MM
from brainseg.segmentation.evidence import LEAST_SLICES, WHOLE, Evidence, correlation, percentile


@dataclass(frozen=True)
class Doubt:
    """One sentence without a full stop, and whether it is reason enough to refuse the scan."""

    sentence: str
    strong: bool


Check = Callable[[Evidence], Doubt | None]


def require_plausible(seen: Evidence, checks: Sequence[Check], trust: bool) -> list[str]:
    """Ask all `checks`.

    Args:
        seen: the evidence.
        checks: `BEFORE` or `AFTER`.
        trust: the user insists: all doubts are warnings.

    Returns:
        A warning for each doubt.

    Raises:
        NotTrusted: a strong doubt, and the user does not insist.
    """
    warnings: list[str] = []
    doubts = [found for check in checks if (found := check(seen)) is not None]
    for found in sorted(doubts, key=lambda found: not found.strong):
        doubt(found.sentence, trust or not found.strong, warnings)
    return warnings


def bright_air(seen: Evidence) -> Doubt | None:
    """Heads lie in air. At most 0.03 in patients; 0.98 or more with inverted values, 0.29 or more in patterns."""
    return _doubt(
        seen.edge,
        f"the slices' edge has {seen.edge:.0%} of the brightest tissue's value, expected dark air around a head: the "
        "grey values are inverted, or it is no head; invert them, or give a FLAIR of a head",
        strong=0.5,
        weak=0.2,
    )


def noise(seen: Evidence) -> Doubt | None:
    """Neighbouring pixels resemble each other: a correlation of 0.91 or more in patients, 0 in noise."""
    left, right = seen.flair[..., :-1].ravel(), seen.flair[..., 1:].ravel()
    alike = correlation(left, right)
    return _doubt(
        -alike,
        f"neighbouring pixels of the FLAIR have a correlation of {alike:.2f}, expected 0.9 as in a picture: it is "
        "noise; export it again",
        strong=-0.6,
        weak=-0.75,
    )


def head_size(seen: Evidence) -> Doubt | None:
    """With known spacing: heads of adults are 140 to 260 mm long and wide in axial slices."""
    if seen.slice_mm is None:
        return None
    seen_in = np.count_nonzero(seen.tissue, 0) > 0.1 * len(seen.tissue)
    rows, columns = (np.flatnonzero(seen_in.sum(axis) > 4) for axis in (1, 0))
    longer = PIXEL_MM * max((np.ptp(line) + 1 if len(line) else 0) for line in (rows, columns))
    if 90 <= longer <= 330:
        return None
    return Doubt(
        f"what the slices show is {longer:.0f} mm across, expected a head of 140 to 260 mm: it is no head, or the "
        "spacing is wrong; give it in millimetres",
        True,
    )


def brain_size(seen: Evidence) -> Doubt | None:
    """With known spacing: the brains of adults have 1000 to 1700 ml and are 120 to 160 mm high.

    The limits leave room for a spacing that is a third off, as it often is: brain extraction already has its own at
    2300 ml. Millimetres taken for something else are off by a factor of ten, and a thousand in the volume.
    """
    if seen.slice_mm is None:
        return None
    ml = float(seen.area.sum()) * seen.slice_mm * PIXEL_MM**2 / 1000
    high = float(np.count_nonzero(seen.area) * seen.slice_mm)
    strong = ml > 4500 or high > 400 or (seen.thirds is not None and ml < 300)
    if not strong and high <= 200:
        return None
    return Doubt(
        f"what looks like a brain has {ml:.0f} ml and is {high:.0f} mm high, expected 1000 to 1700 ml and 120 to 160 "
        "mm: it is no head, or the spacing is wrong; give it in millimetres",
        strong,
    )


def featureless(seen: Evidence) -> Doubt | None:
    """Brains have fluid, grey and white matter: a spread of 12% or more in patients, 4% or less in a ball."""
    values = seen.smooth[seen.inner]
    if not len(values):
        return None
    spread = float(values.std() / max(1.0, float(values.mean())))
    return _doubt(
        -spread,
        f"what looks like a brain has nearly one grey value (a spread of {spread:.1%}, expected 12% or more): it is "
        "no brain; give a FLAIR of a head",
        strong=-0.06 if seen.stripped else -0.03,
        weak=-0.06,
    )


def all_alike(seen: Evidence) -> Doubt | None:
    """A quarter of the brain apart, slices differ: a correlation of 0.85 at most in patients, 1.00 in a cylinder."""
    if seen.slice_mm is not None and seen.slice_mm < 3:
        return None
    apart = max(1, int(np.count_nonzero(seen.area)) // 4)
    both = [(i, i + apart, seen.inner[i] & seen.inner[i + apart]) for i in range(len(seen.inner) - apart)]
    pairs = [(i, j, where) for i, j, where in both if np.count_nonzero(where) > 500]
    if len(pairs) < LEAST_SLICES:
        return None
    alike = float(np.median([correlation(seen.smooth[i][where], seen.smooth[j][where]) for i, j, where in pairs]))
    return _doubt(
        alike,
        f"the slices are all alike (a correlation of {alike:.2f}, expected 0.9 at most), as those of a limb: it is no "
        "head; give a FLAIR of a head",
        strong=0.985,
        weak=0.97,
    )


def no_skull(seen: Evidence) -> Doubt | None:
    """Dark fluid and bone lie around the brain: 33% of its grey at most in patients, 90% or more in legs and necks."""
    if (around := _ring(seen, 0, 3)) is None:
        return None
    dark = np.stack([cv2.blur(plane, (3, 3)) for plane in seen.flair])
    dark[seen.mask] = 255
    darkest = np.stack([cv2.erode(plane, np.ones((13, 13), np.uint8)) for plane in dark])
    gap = percentile(darkest[around], 50) / seen.grey
    return _doubt(
        gap,
        f"no dark skull lies around what looks like a brain (the darkest there has {gap:.0%} of the brain's grey, "
        "expected 33% at most): it is no head; give a FLAIR of a head",
        strong=0.6,
        weak=0.45,
    )


def inverted(seen: Evidence) -> Doubt | None:
    """Something in a head is much brighter than brain: scalp, tumour; 1.7 times or more in patients, 1.4 inverted."""
    if (ring := _ring(seen, 2, 6)) is None:
        return None
    bright = percentile(seen.flair[seen.tissue], 98) / seen.grey
    around = percentile(seen.flair[ring], 50) / seen.grey
    if around <= 0.6 or bright >= 1.5:
        return None
    return Doubt(
        f"nothing in the head is much brighter than its brain (the brightest has {bright:.1f} times its grey, expected "
        f"1.7 or more) and what surrounds it is not dark ({around:.0%}): the grey values seem to be inverted; "
        "invert them",
        bright < 1.3 and around > 0.8,
    )


def upside_down(seen: Evidence) -> Doubt | None:
    """Below, a head has a face; above, it is mostly brain: a log ratio of -0.24 at most, reversed of -0.01 or more."""
    if seen.thirds is None:
        return None
    slices = np.flatnonzero(seen.area)
    middle = float(np.average((np.arange(len(slices)) + 0.5) / len(slices), weights=seen.area[slices]))
    if seen.stripped:
        said = f"the brain's middle lies at {middle:.0%} of its height, expected 50% to 59%: it seems to be upside down"
        return Doubt(said, False) if middle < 0.48 else None
    low, _, high = seen.thirds
    head = np.count_nonzero(seen.tissue | seen.mask, (1, 2))
    below, above = (seen.area[part].sum() / head[part].sum() for part in (low, high))
    return _doubt(
        float(np.log(below / above)),
        f"the brain fills {below:.0%} of the head in its lowest third and {above:.0%} in its highest, expected the "
        "other way round: the slices seem to run from the head to the feet; turn their order round",
        strong=0.3,
        weak=0.2,
    )


def face_down(seen: Evidence) -> Doubt | None:
    """The face lies before the lower brain, the upper is broader behind: 0.03 or more, reversed 0.02 at most."""
    if seen.thirds is None or seen.stripped:
        return None
    low = seen.thirds[0]
    behind = _middle_row(seen.mask[low]) - _middle_row(seen.tissue[low] | seen.mask[low])
    upper = np.concatenate(seen.thirds[1:])
    across = np.count_nonzero(seen.mask[upper], (0, 2))
    rows = np.flatnonzero(across > 0.02 * across.max())
    across = across[rows[0] : rows[-1] + 1]
    if max(across[0], across[-1]) > WHOLE * across.max():
        return None  # cut off in front or behind
    broader = float(np.average(np.linspace(-1, 1, len(across)), weights=across))
    return _doubt(
        -(behind * PIXEL_MM / FIELD_OF_VIEW_MM + 2 * broader),
        "the brain is broader in front than behind, and no face lies before it: the head seems to lie the wrong way "
        "round; turn the rows' order round, anterior at the top",
        strong=0.03,
        weak=-0.015,
    )


BEFORE: tuple[Check, ...] = (bright_air, noise, head_size)
AFTER: tuple[Check, ...] = (brain_size, featureless, all_alike, no_skull, inverted, upside_down, face_down)


def _doubt(value: float, sentence: str, *, strong: float, weak: float) -> Doubt | None:
    """A doubt where `value` is above the limit `weak`, a strong one above `strong`."""
    return Doubt(sentence, value > strong) if value > min(weak, strong) else None


def _ring(seen: Evidence, inner: int, outer: int) -> Bool | None:
    """What lies so many pixels outside of the brain; None where nothing does, or brain extraction took it away."""
    if seen.stripped:
        return None
    ring = morphology(seen.mask, "dilate", outer) & ~morphology(seen.mask, "dilate", inner)
    return ring if ring.any() else None


def _middle_row(mask: Bool) -> float:
    rows = np.count_nonzero(mask, (0, 2))
    return float(np.average(np.arange(len(rows)), weights=rows))
