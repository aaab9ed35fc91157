"""Sentences that name what made a mask doubtful: one function and one entry in `REASONS` for each.

A reason says what is to be seen, in which slices; None where there is nothing striking, and nothing where another
reason says it. The worst comes first: the one whose features cost the most expected Dice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from brainseg.connected import label
from brainseg.data.slices import Bool, Int
from brainseg.trust.features import DOUBTFUL, ENDS, FEATURES, LEAST_AREA
from brainseg.trust.model import Calibration, distance
from brainseg.trust.opinions import Seen, count

LEAST_LOSS = 0.02
"""A feature that costs less expected Dice is no reason of its own."""
ALIKE = 0.85
"""Networks whose masks have at least this Dice agree; the typical patient's have 0.95."""
TIMES = 1.3
"""Volumes that differ by less than this factor are alike."""
FAINT_CONTRAST = 0.8
"""Tumours are typically two spreads of the brain brighter than what is around them."""
UNSURE = 1.4
"""More than this factor between the volumes at both ends of the band is an unsure edge."""
SURE = 0.9
"""Tumours of the training data reach a probability of 0.99."""
LEFT = 0.1
"""Unmarked bright brain is worth a word from this share of the mask's volume on."""
SMALL = 0.005
"""A tumour below this share of the brain is small: the smallest twentieth of the training's patients."""
PARTS = 3
"""Tumours are rarely in so many parts."""
RANGES = 3
"""So many runs of slices are named."""

EMPTY = "no tumour was found, and all patients that trust was learnt from had one"


@dataclass(frozen=True)
class Reason:
    """Something that can be wrong with a mask.

    Attributes:
        says: a sentence without a full stop, empty where another reason says it, or None.
        features: those that measure it.
    """

    says: Callable[[Seen, Int], str | None]
    features: tuple[str, ...]


def reasons(
    seen: Seen, features: Mapping[str, float], calibration: Calibration, slices: Int, *, good: bool
) -> tuple[str, ...]:
    """What made the level so, worst first; nothing of a good mask.

    Args:
        seen: the mask and what the networks say.
        features: of `features()`.
        calibration: tells what each feature costs.
        slices: int [n], the slices' numbers as the user knows them.
        good: the mask's level is good.

    Returns:
        Sentences without full stops.
    """
    if not count(seen.opinions.mask):
        return (EMPTY,)
    if good:
        return ()
    lost = {name: term.dice * float(distance(name, features[name], term)) for name, term in calibration.terms.items()}
    found = []
    for reason in REASONS:
        cost = sum(lost.get(name, 0.0) for name in reason.features)
        if sentence := reason.says(seen, slices):
            found.append((cost, sentence))
        elif sentence is None and (costly := [name for name in reason.features if lost.get(name, 0) >= LEAST_LOSS]):
            found.append((cost, _plain(max(costly, key=lost.__getitem__), features, calibration)))
    ordered = [sentence for _, sentence in sorted(found, key=lambda pair: -pair[0])]
    return tuple(ordered + [text for text in _unlike(features, calibration) if text not in ordered])


def runs(numbers: Int) -> str:
    """Rising slice numbers for the reader: `slice 7`, `slices 3 and 20 to 24`."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    largest = sorted(sorted(parts, key=len, reverse=True)[:RANGES], key=lambda part: part[0])
    words = [f"{part[0]} to {part[-1]}" if len(part) > 1 else f"{part[0]}" for part in largest]
    listed = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"{'slice' if len(numbers) == 1 else 'slices'} {listed}{' and others' if len(parts) > RANGES else ''}"


def networks_disagree(seen: Seen, slices: Int) -> str | None:
    doubtful = _doubtful(seen)
    if doubtful.any():
        return f"{_who(seen)} disagree on {_where(doubtful, seen, slices)}"
    volumes = sorted(count(mask) for mask in seen.masks)
    if volumes[-1] > TIMES * volumes[0]:
        return f"{_who(seen)} disagree on the volume: one marks {volumes[-1] / max(volumes[0], 1):.1f} times as much"
    agreement = float(np.average(seen.slice_dice, weights=seen.slice_area + 1e-9))
    return f"{_who(seen)} disagree: their Dice is {agreement:.2f} in the typical slice" if agreement < ALIKE else None


def ends_differ(seen: Seen, slices: Int) -> str | None:
    marked = np.flatnonzero(seen.slice_area)
    ends = np.zeros(len(seen.slice_area), bool)
    ends[np.concatenate([marked[:ENDS], marked[-ENDS:]]).astype(int)] = True
    doubtful = ends & (seen.slice_dice < DOUBTFUL)
    if not doubtful.any():
        return None
    if _are_named(doubtful, seen):
        return ""
    return f"{_who(seen)} disagree on where the tumour ends: {_where(doubtful, seen, slices)}"


def flips_differ(seen: Seen, slices: Int) -> str | None:
    members = len(seen.opinions.plain)
    if len(seen.views) == members:
        return None
    pairs = zip(seen.view_masks[:members], seen.view_masks[members:], strict=True)
    differ = np.any([count(a ^ b) > (1 - ALIKE) * max(count(a) + count(b), 1) for a, b in pairs])
    return "a network marks other brain when the scan is mirrored" if differ else None


def edge_unsure(seen: Seen, slices: Int) -> str | None:
    low, high = (count(mask) for mask in seen.band)
    if round(seen.peak, 2) < SURE:
        return f"the networks are unsure: tumour has a probability of {seen.peak:.2f} at most"
    times = low / max(high, 1)
    if times <= UNSURE:
        return None
    return f"the edge is unsure: at a lower threshold the tumour has {times:.1f} times the volume"


def faint(seen: Seen, slices: Int) -> str | None:
    if seen.levels is None or seen.levels[0] - seen.levels[1] >= FAINT_CONTRAST:
        return None
    return "the FLAIR is hardly brighter in the tumour than around it"


def overlooked(seen: Seen, slices: Int) -> str | None:
    if count(seen.overlooked) <= LEFT * count(seen.opinions.mask):
        return None
    where = slices[seen.overlooked.any((1, 2))]
    return f"brain as bright as the tumour is not marked on {runs(where)}"


def small(seen: Seen, slices: Int) -> str | None:
    share = count(seen.opinions.mask) / max(count(seen.opinions.brain), 1)
    return f"the tumour is small ({share:.2%} of the brain): each pixel of its edge counts" if share < SMALL else None


def sequences_missing(seen: Seen, slices: Int) -> str | None:
    return (None, "one sequence beside FLAIR is missing", "no sequence beside FLAIR")[min(seen.opinions.missing, 2)]


def in_parts(seen: Seen, slices: Int) -> str | None:
    alone = np.any(seen.lonely, (1, 2))
    if count(seen.lonely) > LEFT * count(seen.mask):
        if _are_named(alone, seen):
            return ""
        where = _where(alone, seen, slices)
        return f"{_who(seen)} disagree on whether there is tumour on {where}"
    parts = label(seen.mask)[1]
    return f"the mask is in {parts} parts" if parts >= PARTS else None


REASONS = (
    Reason(networks_disagree, ("members_dice", "views_dice", "volume_gap", "worst_slice", "doubtful_slices")),
    Reason(ends_differ, ("end_dice",)),
    Reason(flips_differ, ("flip_dice",)),
    Reason(edge_unsure, ("band_dice", "expected_dice", "peak", "certainty", "unsure_volume")),
    Reason(faint, ("contrast", "edge")),
    Reason(overlooked, ("bright_left",)),
    Reason(small, ("log_volume", "outline")),
    Reason(sequences_missing, ("missing_sequences",)),
    Reason(in_parts, ("alone_parts", "scattered")),
)
"""Every feature belongs to one of them."""


def _doubtful(seen: Seen) -> Bool:
    """Slices with much tumour on which the networks disagree."""
    large = seen.slice_area > LEAST_AREA * seen.slice_area.max(initial=0)
    return np.asarray(large & (seen.slice_dice < DOUBTFUL))


def _are_named(chosen: Bool, seen: Seen) -> bool:
    """Whether `networks_disagree` names all of these slices."""
    return bool(_doubtful(seen)[chosen].all())


def _who(seen: Seen) -> str:
    members = len(seen.opinions.plain)
    if members == 1:
        return "a network's views of scan and mirror image" if len(seen.views) > 1 else "a low and a high threshold"
    return "both networks" if members == 2 else "the networks"


def _where(chosen: Bool, seen: Seen, slices: Int) -> str:
    return runs(slices[seen.box[0]][chosen])


def _plain(name: str, features: Mapping[str, float], calibration: Calibration) -> str:
    good = calibration.terms[name].good
    return f"{FEATURES[name].sentence}: {features[name]:.2f} (good masks: {good:.2f})"


def _unlike(features: Mapping[str, float], calibration: Calibration) -> list[str]:
    """One sentence for all of them: a mask that is bad in every way would have ten that say the same."""
    found = [f"{FEATURES[name].sentence} is {features[name]:.2f}" for name in calibration.unlike(features)]
    return [f"unlike the training scans: {', '.join(found)}"] if found else []
