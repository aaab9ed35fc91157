"""From stripped slices to the network's input: OpenCV beside a plain scikit-image loop."""

from __future__ import annotations

import numpy as np
from skimage.exposure import equalize_adapthist
from skimage.transform import resize

from benchmarks.settings import CLAHE, INPUTS
from benchmarks.timing import Comparison, time_pairs
from brainseg.data.slices import Bool, Float, SliceSet
from brainseg.preprocess.clahe import apply_clahe
from brainseg.preprocess.inputs import box_of, network_input


def compare(patients: list[SliceSet], pairs: int) -> Comparison:
    """Time both on the same patients, in memory before and after."""
    timed = time_pairs(
        lambda: [ours(patient) for patient in patients],
        lambda: [theirs(patient) for patient in patients],
        sum(map(len, patients)),
        pairs,
    )
    side = INPUTS.input_size
    return Comparison(
        what="preprocessing",
        ours=f"brainseg: CLAHE in the brain's box with its background filled, z-score, resize to {side} px (OpenCV)",
        theirs="scikit-image, slice by slice: equalize_adapthist in the same box and tiles, z-score, resize",
        unit="slices/s",
        pairs=timed,
    )


def ours(patient: SliceSet) -> Float:
    """Both steps as the stages clahe and train do them: float32 [n, 3, s, s]."""
    return network_input(apply_clahe(patient, CLAHE), INPUTS)


def theirs(patient: SliceSet) -> Float:
    """The same steps, window, tiles and clip limit with scikit-image: float32 [n, 3, s, s]."""
    equalised = np.zeros(patient.images.shape, np.float32)
    for image, brain, out in zip(patient.images, patient.brain, equalised, strict=True):
        if crop := _crop(brain):
            tile = [-(-side // CLAHE.tile_grid) for side in brain[crop].shape]
            for channel in range(3):
                # scikit-image gives the limit as a share of the tile, OpenCV as a multiple of a bin's mean
                flat = equalize_adapthist(image[crop][..., channel], tile, clip_limit=CLAHE.clip_limit / 256)
                out[crop][..., channel] = flat * brain[crop]
    inside = equalised[patient.brain]
    offset, spread = inside.mean(0), inside.std(0)
    box, side = box_of(patient, INPUTS), INPUTS.input_size
    rows, columns = (slice(max(start, 0), start + box.side) for start in (box.top, box.left))
    planes = []
    for image, brain in zip(equalised, patient.brain, strict=True):
        normal = np.clip((image - offset) / spread, -5, 5) * brain[..., None]
        planes.append(resize(normal[rows, columns], (side, side), order=1, anti_aliasing=box.side > side))
    return np.stack(planes).transpose(0, 3, 1, 2).astype(np.float32)


def _crop(brain: Bool) -> tuple[slice, slice] | None:
    """The slice's own brain box; None where it has fewer pixels than tiles along a side, as in `apply_clahe`."""
    rows, columns = np.flatnonzero(brain.any(1)), np.flatnonzero(brain.any(0))
    if not rows.size or min(np.ptp(rows), np.ptp(columns)) + 1 < CLAHE.tile_grid:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
