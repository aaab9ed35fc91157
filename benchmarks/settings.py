"""What every benchmark works on: stripped synthetic patients and the pipeline's own parameters.

Fixed here rather than read from params.yaml, so that figures of two checkouts compare.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.data.slices import SliceSet
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.inputs import InputParams

SEED = 2019
CLAHE = ClaheParams(enabled=True, clip_limit=2.0, tile_grid=8)
INPUTS = InputParams(input_size=192, crop_to_brain=True, normalization="zscore", neighbours=0, mirror=False)


@dataclass(frozen=True)
class Sizes:
    """How much to work on; as it stands all comparisons take two minutes on two busy cores.

    Attributes:
        patients: synthetic patients.
        slices: about how many of each.
        size: their height and width in pixels.
        epochs: passes over the data when loading is timed; as many as the real training's.
        step_size: side of the training step's input in pixels, a multiple of 32.
        batch: slices per training step.
        mask: slices, height and width of the mask whose shape is measured.
    """

    patients: int = 2
    slices: int = 20
    size: int = 256
    epochs: int = 14
    step_size: int = 192
    batch: int = 8
    mask: tuple[int, int, int] = (200, 512, 512)


def stripped_patients(patients: int, slices: int, size: int) -> list[SliceSet]:
    """Synthetic patients as the stage skull_strip leaves them: 0 outside the brain."""
    params = PhantomParams(patients=patients, slices=slices, size=size)
    made = (make_patient(index, params, SEED) for index in range(patients))
    return [dataclasses.replace(one, images=one.images * one.brain[..., None]) for one in made]
