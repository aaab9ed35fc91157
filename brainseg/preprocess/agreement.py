"""What a method of brain extraction is, and how one that knows a single sequence is shown several.

FLAIR's mask counts where the other sequences do not contradict it.

On FLAIR, brain extraction takes bright scalp at the vertex for brain now and then; on T1 it hardly does, but leaves out
tumour that is dark there. So FLAIR's mask is cut back only beyond a margin around what most sequences call brain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from brainseg.data.slices import FLAIR, U8, Bool
from brainseg.preprocess.morphology import fill_holes, largest_component, morphology

MARGIN_PX = 2
LEAST_KEPT = 0.7
"""Where less of FLAIR's mask would stay, the other sequences are not to be trusted."""


Method = Literal["student", "deepbet", "mazurowski", "classical", "none"]


@dataclass(frozen=True)
class Guess:
    """Where a method sees the brain.

    Attributes:
        mask: bool [n, height, width], one component without holes, without a margin; empty where nothing was found.
        method: the mask is from; another than was asked where that one was unsure.
    """

    mask: Bool
    method: Method


class Stripper(Protocol):
    """What every method offers; building one may be expensive, so build it once for many patients."""

    def find(self, images: U8) -> Guess:
        """Find the brain in uint8 [n, height, width, 3]: pre-contrast, FLAIR, post-contrast; feet first, face up."""
        ...


class OneSequence(Protocol):
    """A method that looks at one sequence."""

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in uint8 [n, height, width], feet first, anterior at the top; bool of that shape."""
        ...


class BySequence:
    """A method that looks at one sequence, as one that looks at a patient.

    Args:
        name: of the method.
        method: asked for each sequence.
        sequences: "flair" asks it of FLAIR alone, "most" of all that are there (`agreed_mask`).
    """

    def __init__(self, name: Method, method: OneSequence, sequences: Literal["flair", "most"]):
        self._name, self._method, self._sequences = name, method, sequences

    def find(self, images: U8) -> Guess:
        """See `Stripper`."""
        others = other_sequences(images) if self._sequences == "most" else []
        return Guess(agreed_mask(self._method, np.ascontiguousarray(images[..., FLAIR]), others), self._name)


def other_sequences(images: U8) -> list[U8]:
    """The sequences of uint8 [n, height, width, 3] beside FLAIR, but for those that FLAIR fills in for."""
    others = (images[..., channel] for channel in range(images.shape[3]) if channel != FLAIR)
    return [np.ascontiguousarray(other) for other in others if not np.array_equal(other, images[..., FLAIR])]


def agreed_mask(method: OneSequence, flair: U8, others: Sequence[U8]) -> Bool:
    """The method's mask of FLAIR, cut back to what most sequences call brain, widened by `MARGIN_PX`.

    Args:
        method: asked once for every sequence.
        flair: uint8 [n, height, width].
        others: of the same shape; a sequence on which the method finds nothing has no say.

    Returns:
        bool [n, height, width], one component without holes; FLAIR's mask where `others` is empty, or where less than
        `LEAST_KEPT` of it would stay.
    """
    own = method.brain_mask(flair)
    masks = [own, *(mask for mask in map(method.brain_mask, others) if mask.any())]
    if len(masks) == 1 or not own.any():
        return own
    most = np.sum(masks, axis=0) > len(masks) / 2
    kept = own & morphology(most, "dilate", MARGIN_PX)
    if kept.sum() < LEAST_KEPT * own.sum():
        return own
    return largest_component(fill_holes(kept))
