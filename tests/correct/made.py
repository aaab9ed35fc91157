"""Results of `predict` to be put right, and an answer to clicks that is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from brainseg.correct.answer import Click
from brainseg.correct.strokes import stroke
from tests.cohort.fakes import predict
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, head, write_tifs

FLAIR, TUMOUR = head(n=8, side=64)
N, SIDE = FLAIR.shape[:2]


def make_results(folder: Path) -> Path:
    """Results `tifs` (slices from 3), `turned` (NIfTI) and `study` (DICOM); the masks are what is bright."""
    image = as_nifti(FLAIR.astype(np.int16) * 3)
    stored = nib.orientations.axcodes2ornt(("A", "S", "R"))
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), stored))
    turned.header.set_sform(turned.affine, code=2)
    nib.save(turned, folder / "turned.nii.gz")
    write_tifs(folder / "tifs", np.stack([FLAIR] * 3, axis=-1), first=3)
    write_series(folder / "study", FLAIR, "FLAIR", PixelSpacing=[3.75, 3.75], SliceThickness=5.0)
    predict([folder / name for name in ("tifs", "turned.nii.gz", "study")], folder / "out", overlay=False)
    return folder / "out"


def around(mask: np.ndarray, clicks: Sequence[Click]) -> np.ndarray:
    """A disc of 4 pixels around the last click, in its slice and the next, becomes as the click says."""
    at, out = clicks[-1], mask.copy()
    disc = stroke([(at.row, at.column)], 4, mask.shape[1:])
    for i in (at.slice, at.slice + 1):
        if i < len(mask):
            out[i] = out[i] | disc if at.tumour else out[i] & ~disc
    return out
