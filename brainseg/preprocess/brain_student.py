"""Brain extraction by a light 2-D network that learnt from deepbet's agreed masks (release/brain_student.py).

It sees all three sequences of a slice and of those below and above it at once, at a side of 128 pixels, where deepbet
blows each sequence up to 256 cubed. What it is unsure of is left to another method (`skull_strip.fallback`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from brainseg.data.slices import U8, Bool, Float
from brainseg.preprocess.morphology import fill_holes, largest_component

SIDE = 128
CHANNELS = 9
"""Three sequences of the slice itself, of the one below and of the one above."""
BATCH = 16
CLIP = 5.0
LEAST_AGREEMENT = 0.95
"""Between what is found and what is found of the mirror image (Dice); below this the network is unsure."""
_BRIGHT, _TISSUE = 99.5, 0.1  # a percentile of the volume, and the share of it above which tissue begins

Network = Callable[[Float], Float]
"""float32 [b, CHANNELS, SIDE, SIDE] to the probability of brain, float32 [b, 1, SIDE, SIDE]."""


def student_input(images: U8) -> Float:
    """What the network sees of a volume: each sequence with mean 0 and deviation 1 over its tissue.

    Args:
        images: uint8 [n, height, width, 3], pre-contrast, FLAIR, post-contrast, nothing cut away.

    Returns:
        float32 [n, CHANNELS, SIDE, SIDE], clipped to `CLIP` deviations; 0 beyond the volume's ends.
    """
    small = np.stack([cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for plane in images])
    out = np.empty((len(images), 3, SIDE, SIDE), np.float32)
    for channel in range(3):
        values = small[..., channel].astype(np.float32)
        tissue = values[values > _TISSUE * np.percentile(values, _BRIGHT)]
        mean, spread = (tissue.mean(), tissue.std()) if tissue.size else (0.0, 1.0)
        out[:, channel] = ((values - mean) / max(float(spread), 1e-3)).clip(-CLIP, CLIP)
    below, above = np.zeros_like(out), np.zeros_like(out)
    below[1:], above[:-1] = out[:-1], out[1:]
    return np.concatenate([out, below, above], axis=1)


def brain_probability(network: Network, inputs: Float) -> tuple[Float, Float]:
    """Probability of brain as the slices lie, and of their mirror images turned back: float32 [n, SIDE, SIDE] each."""
    plain = np.concatenate([network(part)[:, 0].copy() for part in _batches(inputs)])
    mirrored = np.concatenate([network(part)[:, 0, :, ::-1].copy() for part in _batches(inputs[..., ::-1])])
    return plain, mirrored


def _batches(inputs: Float) -> Iterator[Float]:
    for start in range(0, len(inputs), BATCH):
        yield np.ascontiguousarray(inputs[start : start + BATCH])


def mask_of(probability: Float, height: int, width: int) -> Bool:
    """The brain on the slices' own grid: one component without holes, bool [n, height, width]."""
    large = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in probability])
    return largest_component(fill_holes(large > 0.5))


def agreement(plain: Float, mirrored: Float) -> float:
    """Dice of both at 0.5; 0 where nothing is found."""
    a, b = plain > 0.5, mirrored > 0.5
    return 2 * int((a & b).sum()) / max(int(a.sum()) + int(b.sum()), 1)
