"""Which networks spoke, with mirror images or without: what is said of a mask is learnt for each such setup alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from brainseg.data.slices import FLAIR, Bool, Float, Stack
from brainseg.inference.postprocess import Choice, apply, threshold_for
from brainseg.inference.predictor import VolumePrediction, mean
from brainseg.model.catalogue import ENSEMBLE, MODELS, NETWORKS
from brainseg.preprocess.agreement import other_sequences
from brainseg.trust.opinions import Opinions

FLIPS = "+flips"
SETUPS = tuple(model + flips for model in (ENSEMBLE, *NETWORKS) for flips in (FLIPS, ""))
"""What is shipped comes first: the mean of both networks, with flips."""


def setup_of(model: str, *, flips: bool) -> str:
    """The setup of a model of `MODELS`; of a network with another name that of one network alone."""
    return (model if model in MODELS else NETWORKS[0]) + FLIPS * flips


def opinions(
    found: VolumePrediction, volume: Stack, model: str, choice: Choice, mask: Bool, *, keep: Bool | None = None
) -> Opinions:
    """What was said of a volume when it was segmented.

    Args:
        found: what `predict_volume` gave.
        volume: the prepared volume that it was given.
        model: whose mask it is.
        choice: its post-processing.
        mask: of `found`, bool [k, height, width].
        keep: bool [n], the slices that `found` is of; all where None.
    """
    kept = slice(None) if keep is None else keep
    members = list(found.plain) if model == ENSEMBLE else [model]
    return Opinions(
        plain={name: found.plain[name] for name in members},
        flipped={name: found.flipped[name] for name in members if name in found.flipped},
        mask=mask,
        threshold=float(threshold_for(found.probabilities[model], choice)),
        brain=volume.brain[kept],
        flair=volume.images[kept][..., FLAIR],
        missing=2 - len(other_sequences(volume.images)),
    )


def all_setups(
    found: VolumePrediction, volume: Stack, choices: Mapping[str, Choice], keep: Bool
) -> Iterator[tuple[str, Opinions]]:
    """Every setup that can be had of one prediction, by name, without asking the networks again.

    Args:
        found: of all `MODELS`.
        volume: see `opinions`.
        choices: the post-processing of all `MODELS`.
        keep: see `opinions`.
    """
    for model in MODELS:
        if found.flipped:
            yield model + FLIPS, opinions(found, volume, model, choices[model], found.masks[model], keep=keep)
        plain = _without_flips(found, model)
        mask = apply(plain.probabilities[model], choices[model])
        yield model, opinions(plain, volume, model, choices[model], mask, keep=keep)


def _without_flips(found: VolumePrediction, model: str) -> VolumePrediction:
    """What would have been said, had nobody asked for the mirror image."""
    members = list(found.plain) if model == ENSEMBLE else [model]
    said: list[Float] = [found.plain[name].astype(np.float32) for name in members]
    return VolumePrediction({model: mean(said)}, {}, found.plain, {})
