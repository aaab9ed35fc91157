"""All inputs that real life produces, a file a kind; `python -m tests.real_life FOLDER` writes them."""

from __future__ import annotations

from tests.real_life import cohorts, dicom, nifti, tif

KINDS = (nifti, cohorts, dicom, tif)
INPUTS = {name: one for kind in KINDS for name, one in kind.INPUTS.items()}
