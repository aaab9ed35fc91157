"""Brain extraction by a light 2-D network that learnt from deepbet's agreed masks (release/brain_student.py).

It sees all three sequences of a slice and of those below and above it at once, at a side of 128 pixels, where deepbet
blows each sequence up to 256 cubed. What it is unsure of is left to deepbet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from brainseg.compiled import compile_graph, sigmoid
from brainseg.data.slices import U8, Bool, Float
from brainseg.preprocess.agreement import Guess, Stripper
from brainseg.preprocess.morphology import fill_holes, largest_component
from brainseg.shipped import read_listed

SIDE = 128
CHANNELS = 9
"""Three sequences of the slice itself, of the one below and of the one above."""
BATCH = 16
CLIP = 5.0
LEAST_AGREEMENT = 0.95
"""Between what is found and what is found of the mirror image (Dice); below this the network is unsure."""
STUDENT = Path(str(files("brainseg"))) / "weights" / "student"
STUDENT_SUMS = "student.sha256"
"""Digests of the graph in that folder."""
FEWEST, MOST = 15, 100
"""Slices of a volume; those that the network learnt from have 20 to 88."""
_BRIGHT, _TISSUE = 99.5, 0.1  # a percentile of the volume, and the share of it above which tissue begins

BrainNetwork = Callable[[Float], Float]
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


def brain_probability(network: BrainNetwork, inputs: Float) -> tuple[Float, Float]:
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


class StudentStripper:
    """The light network by OpenVINO on the CPU, and behind its gate deepbet.

    Args:
        second: builds what is asked where the network is unsure: where it sees another brain in the mirror image, or
            an implausible share of the volume, or where the slices are fewer or more, and so thicker or thinner,
            than those of the patients it learnt from.
        min_fraction: smallest plausible share of the volume.
        max_fraction: largest plausible share.
        folder: of the shipped graph.
    """

    def __init__(
        self, second: Callable[[], Stripper], min_fraction: float, max_fraction: float, folder: Path = STUDENT
    ):
        parts = [read_listed(folder / name, folder / STUDENT_SUMS) for name in ("student.xml", "student.bin")]
        graph = compile_graph((parts[0], parts[1]))
        self._network: BrainNetwork = lambda inputs: sigmoid(graph(inputs))
        self._second = functools.cache(second)
        self._low, self._high = min_fraction, max_fraction

    def find(self, images: U8) -> Guess:
        """See `Stripper`."""
        mask = self._sure_mask(images) if FEWEST <= len(images) <= MOST else None
        return self._second().find(images) if mask is None else Guess(mask, "student")

    def _sure_mask(self, images: U8) -> Bool | None:
        plain, mirrored = brain_probability(self._network, student_input(images))
        if agreement(plain, mirrored) < LEAST_AGREEMENT:
            return None
        mask = mask_of((plain + mirrored) * np.float32(0.5), *images.shape[1:3])
        return mask if self._low <= mask.mean() <= self._high else None
