"""What several networks, each with and without a flip, say of one volume, cut to where any of them sees something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from brainseg.connected import label
from brainseg.data.slices import U8, Bool, Float, Float64
from brainseg.errors import DataError
from brainseg.model.forward import Half
from brainseg.preprocess.morphology import largest_component, morphology

FAINT = 0.05
"""A probability below this counts as nothing seen."""
BAND = 0.3, 0.7
"""Shares of the highest probability: between the two masks lies the edge that is unsure."""
MARGIN = 8
"""Pixels that are kept around what anybody sees, for the look at the surroundings."""
RING = 2, 6
"""The surroundings of a mask lie between so many pixels from it."""
FEWEST = 20
"""With fewer voxels of tumour or of surroundings nothing is said about brightness."""


@dataclass(frozen=True)
class Opinions:
    """One volume, and what was said of it.

    Attributes:
        plain: member -> float16 or float32 [n, height, width] in 0..1.
        flipped: member -> the same, of the mirror image and mirrored back; empty where no flip was asked.
        mask: bool [n, height, width], what is handed out.
        threshold: from which probability on a voxel was tumour.
        brain: bool [n, height, width].
        flair: uint8 [n, height, width].
        missing: how many of the sequences beside FLAIR were not given, 0 to 2.

    Raises:
        DataError: no member, flips of other members, or shapes that differ.
    """

    plain: Mapping[str, Float | Half]
    flipped: Mapping[str, Float | Half]
    mask: Bool
    threshold: float
    brain: Bool
    flair: U8
    missing: int

    def __post_init__(self) -> None:
        if not self.plain or (self.flipped and self.flipped.keys() != self.plain.keys()):
            raise DataError(
                f"probabilities are of {', '.join(self.plain) or 'no network'} and, flipped, of "
                f"{', '.join(self.flipped) or 'none'}, expected the same networks, at least one."
            )
        for name, array in [*self.plain.items(), *self.flipped.items(), ("brain", self.brain), ("FLAIR", self.flair)]:
            if array.shape != self.mask.shape or array.ndim != 3:
                raise DataError(f"{name} has the shape {array.shape} beside a mask {self.mask.shape}, expected one.")


class Seen:
    """`Opinions` within the box of what anybody sees; each part is computed when first asked for.

    Attributes:
        opinions: as given.
        box: where the arrays of this class lie in the volume.
        mask: bool [k, rows, columns], what is handed out.
    """

    def __init__(self, opinions: Opinions):
        self.opinions = opinions
        views = [*opinions.plain.values(), *opinions.flipped.values()]
        self.box = _box([opinions.mask, *(view >= FAINT for view in views)], opinions.mask.shape)
        self.mask = opinions.mask[self.box]

    @cached_property
    def views(self) -> list[Float]:
        """Each member's probabilities, then each flip's."""
        return [
            view[self.box].astype(np.float32)
            for view in (*self.opinions.plain.values(), *self.opinions.flipped.values())
        ]

    @cached_property
    def members(self) -> list[Float]:
        """Each member's probabilities, the mean of its views."""
        members = len(self.opinions.plain)
        return [np.mean(self.views[i::members], 0, np.float32) for i in range(members)]

    @cached_property
    def mean(self) -> Float:
        """The members' mean, float32 [k, rows, columns]."""
        return np.mean(self.members, 0, np.float32)

    @cached_property
    def peak(self) -> float:
        """The highest probability of the mean; 0 where there is none."""
        return float(self.mean.max(initial=0))

    @cached_property
    def band(self) -> tuple[Bool, Bool]:
        """The masks at both shares of the peak in `BAND`; empty without a peak."""
        low, high = (self.mean >= np.float32(max(share * self.peak, 1e-6)) for share in BAND)
        return low, high

    @cached_property
    def view_masks(self) -> list[Bool]:
        """What each view alone would mark."""
        return [view >= self.opinions.threshold for view in self.views]

    @cached_property
    def masks(self) -> list[Bool]:
        """At least two opinions on the tumour: the members', or of one member its flip beside it, or of one member
        without flips its masks at both ends of `BAND`."""
        if len(self.members) > 1:
            return [member >= self.opinions.threshold for member in self.members]
        return self.view_masks if len(self.views) > 1 else list(self.band)

    @cached_property
    def lonely(self) -> Bool:
        """Parts that one of the opinions alone sees, and the others with no voxel."""
        found = np.zeros_like(self.mask)
        for i, mask in enumerate(self.masks):
            others = np.any(self.masks[:i] + self.masks[i + 1 :], 0)
            labels, parts = label(mask)
            touched = np.zeros(parts + 1, bool)
            touched[labels[others & mask]] = True
            found |= mask & ~touched[labels]
        return found

    @cached_property
    def slice_dice(self) -> Float64:
        """Dice of the opinions in each slice, [k], the mean over pairs; 1 where neither marks anything."""
        return np.mean([dice(a, b, axis=(1, 2)) for a, b in combinations(self.masks, 2)], 0)

    @cached_property
    def slice_area(self) -> Float64:
        """The largest area in pixels that one of the opinions marks in each slice, [k]."""
        return np.max([np.count_nonzero(mask, (1, 2)) for mask in self.masks], 0).astype(float)

    @cached_property
    def brain(self) -> Bool:
        """The brain, cut like the rest."""
        return self.opinions.brain[self.box]

    @cached_property
    def ring(self) -> Bool:
        """The brain around the mask."""
        near, far = (morphology(self.mask, "dilate", px) for px in RING)
        return far & ~near & self.brain

    @cached_property
    def levels(self) -> tuple[float, float] | None:
        """Median FLAIR of tumour and of its surroundings, in spreads of the brain; None of too few voxels."""
        flair = self.opinions.flair[self.box]
        if min(count(self.mask), count(self.ring)) < FEWEST:
            return None
        return float(np.median(flair[self.mask])) / self.spread, float(np.median(flair[self.ring])) / self.spread

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the FLAIR within the brain, grey values, at least 1."""
        inside = self.opinions.flair[self.opinions.brain]
        return max(1.0, float(inside.std())) if inside.size else 1.0

    @cached_property
    def overlooked(self) -> Bool:
        """The largest piece of brain as bright as the tumour that is not marked, on the whole volume's grid."""
        where = np.zeros(self.opinions.mask.shape, bool)
        if self.levels is None or self.levels[0] <= self.levels[1]:
            return where
        bright = self.opinions.flair >= self.spread * (self.levels[0] + self.levels[1]) / 2
        box = _box([self.opinions.brain], where.shape, margin=0)
        brain, mask = self.opinions.brain[box], self.opinions.mask[box]
        left = bright[box] & morphology(brain, "erode", MARGIN) & ~morphology(mask, "dilate", RING[0] + 1)
        where[box] = largest_component(morphology(left, "open", 2))
        return where


def count(mask: Bool) -> int:
    """Voxels of a mask."""
    return int(np.count_nonzero(mask))


def dice(a: Bool, b: Bool, axis: tuple[int, ...] | None = None) -> Float64:
    """Dice of two masks, over `axis`; 1 where both are empty."""
    both = np.count_nonzero(a & b, axis)
    total = np.asarray(np.count_nonzero(a, axis) + np.count_nonzero(b, axis))
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def _box(masks: list[Bool], shape: tuple[int, ...], margin: int = MARGIN) -> tuple[slice, slice, slice]:
    """The smallest box that holds all masks, with a margin in the slice; the first voxel where all are empty."""
    lines = []
    for kept, extra in ((0, 0), (1, margin), (2, margin)):
        others = tuple(axis for axis in range(3) if axis != kept)
        found = np.flatnonzero(np.any([mask.any(others) for mask in masks], 0))
        start, stop = (int(found[0]) - extra, int(found[-1]) + 1 + extra) if len(found) else (0, 1)
        lines.append(slice(max(start, 0), min(stop, shape[kept])))
    return lines[0], lines[1], lines[2]
