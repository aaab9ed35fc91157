"""`python -m demo.phantom FOLDER`: a synthetic patient as NIfTI files, to try `brainseg predict` on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import nibabel as nib
import numpy as np
import typer

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.data.shapes import BOTTOM, FIELD_OF_VIEW, TOP
from brainseg.files import atomic_folder
from brainseg.terminal import mistakes_in_one_sentence, say

NAMES = ("pre.nii.gz", "flair.nii.gz", "post.nii.gz")


def write_patient(folder: Path, index: int = 0, seed: int = 1, slices: int = 20) -> None:
    """Write the three sequences of a synthetic patient and the true mask (`truth.nii.gz`).

    Args:
        folder: to write; it must not be there, or be empty.
        index: which patient; decides the tumour's size.
        seed: another number gives other patients.
        slices: number of axial slices, about.
    """
    patient = make_patient(index, PhantomParams(patients=index + 1, slices=slices, size=256), seed)
    count, _, side = patient.images.shape[:3]
    pixel, between = FIELD_OF_VIEW / side, (TOP - BOTTOM) / count
    # NIfTI counts towards the patient's right, front and top; our columns and rows run to the left and to the back.
    affine = np.diag([-pixel, -pixel, between, 1.0])
    affine[:3, 3] = FIELD_OF_VIEW / 2, FIELD_OF_VIEW / 2, 0.0
    with atomic_folder(folder) as new:
        for channel, name in enumerate(NAMES):
            nib.save(nib.Nifti1Image(patient.images[..., channel].T, affine), new / name)
        nib.save(nib.Nifti1Image(patient.masks.T.astype(np.uint8), affine), new / "truth.nii.gz")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder to write: pre, flair, post and truth as .nii.gz.")],
    index: Annotated[int, typer.Option(min=0, max=499, help="Which patient: decides the tumour's size.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Another number gives other patients.")] = 1,
) -> None:
    """Write a synthetic patient as NIfTI files."""
    with mistakes_in_one_sentence():
        write_patient(folder, index, seed)
        say(f"{folder}: {', '.join(NAMES)} and truth.nii.gz")


if __name__ == "__main__":
    typer.run(main)
