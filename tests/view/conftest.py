"""Results of `predict` on a head whose tumour is known, from every kind of file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainseg.cohort.predict import Settings, predict_cases
from brainseg.scans.cases import find_cases
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, head, threshold_models, write_tifs

FLAIR, TUMOUR = head()


def oblique() -> nib.Nifti1Image:
    """The head tilted by 20 degrees, its axes stored as anterior, superior, right."""
    image = as_nifti(FLAIR.astype(np.int16) * 3)
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    tilted = nib.Nifti1Image(
        np.asanyarray(image.dataobj), np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]]) @ image.affine
    )
    stored = nib.orientations.axcodes2ornt(("A", "S", "R"))
    return tilted.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(tilted.affine), stored))


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the results `tifs` (slices from 3), `turned` (NIfTI) and `study` (DICOM); inputs are beside it."""
    folder = tmp_path_factory.mktemp("results")
    inputs = [write_tifs(folder / "tifs", np.stack([FLAIR] * 3, axis=-1), first=3)]
    nib.save(oblique(), folder / "turned.nii.gz")
    write_series(folder / "study", FLAIR, "FLAIR", PixelSpacing=[1.875, 1.875], SliceThickness=5.0)
    inputs += [folder / "turned.nii.gz", folder / "study"]
    weights = threshold_models(folder / "models")
    settings = Settings(folder / "out", weights=weights, runtime="torch", device="cpu", overlay=False)
    outcomes = list(predict_cases(find_cases(inputs), settings))
    assert [outcome.status for outcome in outcomes] == ["done"] * 3, outcomes
    return folder / "out"


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the result `rgb` of TIF slices with three sequences, with its probability and its score."""
    folder = tmp_path_factory.mktemp("scored")
    sequences = np.stack([FLAIR // 2, FLAIR, 255 - FLAIR], axis=-1)
    inputs = [write_tifs(folder / "rgb", sequences, TUMOUR)]
    settings = Settings(
        folder / "out",
        weights=threshold_models(folder / "models"),
        runtime="torch",
        device="cpu",
        overlay=False,
        probability=True,
        score=True,
    )
    outcomes = list(predict_cases(find_cases(inputs), settings))
    assert [outcome.status for outcome in outcomes] == ["done"], outcomes
    return folder / "out"
