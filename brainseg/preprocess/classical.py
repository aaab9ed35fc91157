"""Brain extraction by threshold and morphology: needs no weights, and knows no anatomy."""

from __future__ import annotations

import numpy as np

from brainseg.data.slices import U8, Bool
from brainseg.preprocess.morphology import fill_holes, largest_component, morphology

# Radii in pixels of a 256-pixel slice (0.94 mm), scaled with the slice's size.
_CLOSE_HEAD, _PEEL, _OPEN, _CLOSE_BRAIN = 9, 8, 10, 10


def otsu(values: U8) -> int:
    """The threshold that parts values best into dark and bright (Otsu, IEEE Trans. SMC 9:62, 1979).

    As scikit-image finds it, to the last digit: the counts are float32, and of equals the first is taken.

    Args:
        values: uint8, any shape.

    Returns:
        The highest value of the dark side; where there is one value alone, that.
    """
    low = int(values.min())
    counts = np.bincount((values - low).ravel()).astype(np.float32)
    if len(counts) == 1:
        return low
    grey = np.arange(low, low + len(counts))
    dark, bright = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    sums = counts * grey
    dark_mean, bright_mean = np.cumsum(sums) / dark, (np.cumsum(sums[::-1]) / bright[::-1])[::-1]
    between = dark[:-1] * bright[1:] * (dark_mean[:-1] - bright_mean[1:]) ** 2
    return int(grey[np.argmax(between)])


class ClassicalStripper:
    """Otsu's threshold, scalp peeled off, largest component kept.

    Slices below the brain are the weak spot: muscle and brain stem are equally bright on FLAIR,
    so the mask reaches further down the neck than a network's would.
    """

    def brain_mask(self, flair: U8) -> Bool:
        """Find the brain in uint8 [n, height, width]; bool of that shape, empty where nothing stands out."""
        import cv2

        scale = min(flair.shape[1:]) / 256
        close_head, peel, opening, close_brain = (
            max(1, round(radius * scale)) for radius in (_CLOSE_HEAD, _PEEL, _OPEN, _CLOSE_BRAIN)
        )
        smooth = np.stack([cv2.medianBlur(plane, 5) for plane in flair])
        bright = smooth > otsu(smooth)
        head = fill_holes(morphology(bright, "close", close_head))
        tissue = bright & morphology(head, "erode", peel)
        # Opening cuts the bridges that veins and nerves make between brain and scalp.
        brain = largest_component(morphology(tissue, "open", opening))
        return fill_holes(morphology(brain, "close", close_brain))
