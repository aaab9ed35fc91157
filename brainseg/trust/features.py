"""What can be seen of a mask without its truth: one function and one entry in `FEATURES` for each.

Each feature says better or worse, never both: `Feature.better` is +1 where more of it speaks for the mask. The model
in `model.py` may only follow that direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from brainseg.connected import label
from brainseg.data.slices import Bool
from brainseg.preprocess.morphology import morphology
from brainseg.trust.opinions import RING, Opinions, Seen, count, dice

LEAST_AREA = 0.1
"""Slices with less than this share of the largest slice's tumour do not count as the worst one."""
DOUBTFUL = 0.7
"""A slice in which two opinions have a lower Dice is in doubt."""
ENDS = 2
"""So many slices at the lower and the upper end of the tumour are its ends."""
EDGE = 2
"""Pixels on either side of the outline over which the step in brightness is taken."""


@dataclass(frozen=True)
class Feature:
    """One thing to see of a mask.

    Attributes:
        sentence: what it is.
        better: +1 where more of it speaks for the mask, -1 where it speaks against it.
        of: computes it.
    """

    sentence: str
    better: int
    of: Callable[[Seen], float]


def features(seen: Seen | Opinions) -> dict[str, float]:
    """All features of one mask: finite floats by the names of `FEATURES`, in their order."""
    seen = Seen(seen) if isinstance(seen, Opinions) else seen
    return {name: float(feature.of(seen)) for name, feature in FEATURES.items()}


def members_dice(seen: Seen) -> float:
    return float(np.mean([dice(a, b) for a, b in combinations(seen.masks, 2)]))


def flip_dice(seen: Seen) -> float:
    members = len(seen.opinions.plain)
    if len(seen.views) == members:
        return members_dice(seen)
    pairs = zip(seen.view_masks[:members], seen.view_masks[members:], strict=True)
    return float(np.mean([dice(plain, flipped) for plain, flipped in pairs]))


def views_dice(seen: Seen) -> float:
    return float(min(dice(mask, seen.mask) for mask in seen.view_masks))


def band_dice(seen: Seen) -> float:
    return float(dice(*seen.band))


def expected_dice(seen: Seen) -> float:
    """Twice the expected overlap of mask and truth over the sum of both sizes, by the probabilities as they are."""
    total = float(seen.mean.sum(dtype=np.float64)) + count(seen.mask)
    return 2 * float(seen.mean[seen.mask].sum(dtype=np.float64)) / total if total else 1.0


def volume_gap(seen: Seen) -> float:
    volumes = [count(mask) for mask in seen.masks]
    return float(np.log((max(volumes) + 1) / (min(volumes) + 1)))


def end_dice(seen: Seen) -> float:
    """Slices of one end are taken together."""
    marked = np.flatnonzero(seen.slice_area)
    if not len(marked):
        return 1.0
    ends = [marked[:ENDS], marked[-ENDS:]]
    return min(float(np.mean([dice(a[end], b[end]) for a, b in combinations(seen.masks, 2)])) for end in ends)


def alone_parts(seen: Seen) -> float:
    return _share(seen.lonely, np.any(seen.masks, 0))


def worst_slice(seen: Seen) -> float:
    large = seen.slice_area > LEAST_AREA * seen.slice_area.max(initial=0)
    return float(seen.slice_dice[large].min()) if large.any() else 1.0


def doubtful_slices(seen: Seen) -> float:
    marked = seen.slice_area > 0
    return float((seen.slice_dice[marked] < DOUBTFUL).mean()) if marked.any() else 0.0


def contrast(seen: Seen) -> float:
    return seen.levels[0] - seen.levels[1] if seen.levels else 0.0


def edge(seen: Seen) -> float:
    inside = seen.mask & ~morphology(seen.mask, "erode", EDGE)
    outside = morphology(seen.mask, "dilate", EDGE) & ~seen.mask & seen.brain
    if not inside.any() or not outside.any():
        return 0.0
    flair = seen.opinions.flair[seen.box]
    return float(flair[inside].mean() - flair[outside].mean()) / seen.spread


def log_volume(seen: Seen) -> float:
    return float(np.log10((count(seen.mask) + 1) / (count(seen.opinions.brain) + 1)))


def missing_sequences(seen: Seen) -> float:
    return float(seen.opinions.missing)


def bright_left(seen: Seen) -> float:
    """log(1 + its volume in volumes of the mask)."""
    return float(np.log1p(count(seen.overlooked) / max(count(seen.mask), 1)))


def peak(seen: Seen) -> float:
    return seen.peak


def certainty(seen: Seen) -> float:
    return float(seen.mean[seen.mask].mean()) if seen.mask.any() else 0.0


def unsure_volume(seen: Seen) -> float:
    mass = float(seen.mean.sum(dtype=np.float64))
    return float((seen.mean * (1 - seen.mean)).sum(dtype=np.float64)) / mass if mass else 0.0


def outline(seen: Seen) -> float:
    return _share(seen.mask & ~morphology(seen.mask, "erode", 1), seen.mask)


def scattered(seen: Seen) -> float:
    labels, parts = label(seen.mask)
    if not parts:
        return 0.0
    sizes = np.bincount(labels.ravel())[1:]
    return 1 - float(sizes.max() / sizes.sum())


def _share(part: Bool, whole: Bool) -> float:
    return count(part) / max(count(whole), 1)


FEATURES: dict[str, Feature] = {
    "members_dice": Feature("Dice of two networks' masks, mean over pairs", 1, members_dice),
    "flip_dice": Feature("Dice of a network's masks of the volume and of its mirror image", 1, flip_dice),
    "views_dice": Feature("lowest Dice of the mask with what one network, flipped or not, marks", 1, views_dice),
    "band_dice": Feature("Dice of the masks at 0.3 and at 0.7 of the highest probability", 1, band_dice),
    "expected_dice": Feature("Dice of the mask with a truth drawn from the probabilities", 1, expected_dice),
    "volume_gap": Feature("log of the ratio of the networks' largest and smallest volume", -1, volume_gap),
    "end_dice": Feature(f"Dice of two networks in the {ENDS} slices at that end which is worse", 1, end_dice),
    "alone_parts": Feature("share of volume in parts that one network alone sees", -1, alone_parts),
    "worst_slice": Feature("lowest Dice of two networks in a slice with much tumour", 1, worst_slice),
    "doubtful_slices": Feature(f"share of slices where two networks have a Dice below {DOUBTFUL}", -1, doubtful_slices),
    "contrast": Feature(f"FLAIR of the mask above that {RING[0]} to {RING[1]} px around it, in spreads", 1, contrast),
    "edge": Feature(f"step of the FLAIR across the outline, over {EDGE} px on either side, in spreads", 1, edge),
    "log_volume": Feature("decimal logarithm of the mask's share of the brain", 1, log_volume),
    "missing_sequences": Feature("sequences beside FLAIR that were not given", -1, missing_sequences),
    "bright_left": Feature("largest piece of brain as bright as the mask and not marked", -1, bright_left),
    "peak": Feature("highest probability", 1, peak),
    "certainty": Feature("mean probability within the mask", 1, certainty),
    "unsure_volume": Feature("variance of the probabilities, as a share of their sum", -1, unsure_volume),
    "outline": Feature("share of the mask's pixels that lie on its outline", -1, outline),
    "scattered": Feature("share of the mask outside its largest part", -1, scattered),
}
"""Candidates, by name. At most ten of them enter the model; `python -m studies.trust` chooses them out of fold."""
