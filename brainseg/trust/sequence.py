"""Which sequence is it? Told from the grey values within the brain, whatever their scale.

Fluid is dark on FLAIR and T1 and bright on T2; grey matter is brighter than white on FLAIR and T2 and darker on T1;
contrast agent makes vessels bright. Depth below the brain's surface stands for what lies where: fluid and cortex
outside, white matter below, ventricles in the middle. The constants come from `python -m studies.sequence`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pydantic import Field, model_validator

from brainseg.data.slices import U8, Bool, Float64
from brainseg.params import Params
from brainseg.trust.constants import load_constants

NAMES = {"flair": "a FLAIR", "t1": "a T1", "t1c": "a T1 with contrast agent", "t2": "a T2"}
"""Sequences that are told apart, and what a sentence calls them."""
RECOGNISER = Path(__file__).with_name("sequence.json")
SKIN_PX = 3
"""The brain mask was widened by so many pixels: what lies there is not looked at."""
LEAST_AREA = 0.3
"""Slices with less than this share of the largest slice's brain are left out: they have no middle."""
FEWEST = 2000
"""With fewer voxels nothing is said."""
SHELLS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shells of the brain from outside to inside, by their share of its voxels."""
TAILS = (0.5, 2, 10, 90, 98, 99.5)
"""Percentiles of the whole brain, of its middle and of its outer part."""
MIDDLE_TAILS, OUTER_TAILS = (2, 10, 90, 98), (2, 10, 90, 99)
WHOLE = 0.35
"""A brain whose two end slices have less than this share of its largest slice's area lies in the stack as a whole."""
PART_SLICES, PART_LEAST = 6, 0.01
"""A part of a brain looks less like what was learnt from: it is refused only from so many slices on and where a FLAIR
is less likely than that. Halves of the 88 patients' FLAIR are not, and four in five halves of T1 are; of single slices
and of three, every tenth would be."""
FINE_PX = 3
"""Width of the blur whose rest is fine structure: vessels, and edges of ventricles and sulci."""


class Recogniser(Params):
    """A softmax over linear functions of the features, by sequence.

    Attributes:
        volumes: how many it was learnt from.
        least: a volume whose probability of being a FLAIR is lower is refused.
        mean, scale: of each feature.
        weights: by sequence of `NAMES`; the last one is the constant.
    """

    volumes: int = Field(ge=1)
    least: float = Field(ge=0, le=1)
    mean: list[float]
    scale: list[float]
    weights: dict[str, list[float]]

    @model_validator(mode="after")
    def _whole(self) -> Recogniser:
        lengths = {len(self.mean), len(self.scale), *(len(line) - 1 for line in self.weights.values())}
        if set(self.weights) != set(NAMES) or lengths != {count()}:
            raise ValueError(f"expected {count()} features of {', '.join(NAMES)}")
        return self

    def probabilities(self, features: Float64) -> dict[str, float]:
        """How likely each sequence of `NAMES` is: they add up to 1."""
        z = np.append((features - np.array(self.mean)) / np.array(self.scale), 1)
        scores = np.array([z @ np.array(self.weights[name]) for name in NAMES])
        shares = np.exp(scores - scores.max())
        return dict(zip(NAMES, (shares / shares.sum()).tolist(), strict=True))


def count() -> int:
    """How many features there are."""
    return len(SHELLS) - 1 + len(TAILS) + len(MIDDLE_TAILS) + len(OUTER_TAILS) + 3


def features(image: U8, brain: Bool) -> Float64 | None:
    """What the grey values of one sequence look like.

    Args:
        image: uint8 [n, height, width], axial.
        brain: bool like `image`, as brain extraction gives it for the networks.

    Returns:
        float [count()], which do not change with brightness and contrast; None where there is too little brain.
    """
    area = np.count_nonzero(brain, (1, 2))
    slices = np.flatnonzero(area > LEAST_AREA * area.max(initial=1))
    depth = np.stack([_depth(brain[i]) for i in slices]) if len(slices) else np.zeros((0, *brain.shape[1:]))
    inside = depth > SKIN_PX
    if np.count_nonzero(inside) < FEWEST:
        return None
    values, deep = image[slices][inside].astype(float), depth[inside]
    middle, spread = np.median(values), np.subtract(*np.percentile(values, [75, 25]))
    values = (values - middle) / max(spread, 1.0)
    edges = np.quantile(deep, SHELLS)
    shells = np.clip(np.searchsorted(edges, deep, side="right") - 1, 0, len(SHELLS) - 2)
    found = [float(np.median(values[shells == shell])) for shell in range(len(SHELLS) - 1)]
    for part, tails in (
        (values, TAILS),
        (values[deep >= edges[-2]], MIDDLE_TAILS),
        (values[deep <= edges[2]], OUTER_TAILS),
    ):
        found += np.percentile(part, tails).tolist()
    fine = np.stack([_fine(image[i], brain[i]) for i in slices])[inside]
    found += [_skewness(values), _skewness(fine), _skewness(fine[deep >= edges[-2]])]
    return np.arcsinh(np.array(found))


def refusal(image: U8, brain: Bool, recogniser: Recogniser) -> tuple[str, bool] | None:
    """A sentence, without a full stop, where the volume does not look like a FLAIR, and whether that is sure enough.

    Args:
        image: uint8 [n, height, width], what was given as FLAIR.
        brain: bool like `image`.
        recogniser: of `load_recogniser()`.

    Returns:
        The sentence, and True where the volume is to be refused, False where it is worth a warning: of a part of a
        brain less is known. None where it may be a FLAIR or nobody can tell.
    """
    seen = features(image, brain)
    if seen is None:
        return None
    likely = recogniser.probabilities(seen)
    if likely["flair"] >= recogniser.least:
        return None
    best = max((name for name in NAMES if name != "flair"), key=likely.__getitem__)
    sentence = (
        f"what was given as FLAIR looks like {NAMES[best]} ({likely['flair']:.0%} likely to be a FLAIR), and "
        "without one there is no mask; give the FLAIR"
    )
    return sentence, _is_sure(likely["flair"], brain)


def _is_sure(flair: float, brain: Bool) -> bool:
    area = np.count_nonzero(brain, (1, 2))
    area = area[area > 0]
    if len(area) < PART_SLICES:
        return False
    return flair < PART_LEAST or bool(area[[0, -1]].max() < WHOLE * area.max())


def load_recogniser(path: Path = RECOGNISER) -> Recogniser:
    """Read the constants.

    Raises:
        DataError: the file is missing, too large, or no JSON.
        ParamsError: a constant is missing or ill-typed.
    """
    return load_constants(path, Recogniser, "by which sequences are told apart")


def _depth(brain: Bool) -> Float64:
    """Pixels to the brain's outline within a slice; 0 outside."""
    framed = np.pad(brain.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float64)


def _fine(plane: U8, brain: Bool) -> Float64:
    """What a blur within the brain leaves; what lies outside, black or not, has no say."""
    values, weight = plane.astype(np.float64) * brain, brain.astype(np.float64)
    blurred, share = (cv2.GaussianBlur(part, (0, 0), FINE_PX) for part in (values, weight))
    return values - blurred / np.maximum(share, 1e-6)


def _skewness(values: Float64) -> float:
    away = values - values.mean()
    return float((away**3).mean() / max((away**2).mean(), 1e-9) ** 1.5)
