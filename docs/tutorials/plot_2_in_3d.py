"""
A mask in 3-D
=============

Write scan and mask as NIfTI files and turn them in three dimensions: in a notebook with the NiiVue widget, or in the
browser with ``brainseg view``.
"""

# %%
# A synthetic patient, segmented.

from pathlib import Path
from tempfile import mkdtemp

import nibabel as nib
import numpy as np

import brainseg
from brainseg.data.phantom import PhantomParams, make_patient

patient = make_patient(index=3, params=PhantomParams(patients=4, slices=20, size=256), seed=7)
pixel, between = 240 / 256, 150 / len(patient)
result = brainseg.segment(patient.images, spacing=(between, pixel, pixel))

# %%
# The axes of this NIfTI file point to the patient's right, front and top. Our columns run to the patient's left and our
# rows to the back, so both get a negative sign.

folder = Path(mkdtemp())
affine = np.diag([-pixel, -pixel, between, 1.0])
nib.save(nib.Nifti1Image(patient.images[..., 1].T, affine), folder / "flair.nii.gz")
nib.save(nib.Nifti1Image(result.mask.T.astype(np.uint8), affine), folder / "mask.nii.gz")

# %%
# In a notebook, end a cell with this widget (``pip install ipyniivue``). It needs a running kernel. This page therefore
# shows the same two files below, with the NiiVue that is part of brainseg.

from ipyniivue import NiiVue

widget = NiiVue(height=420)
widget.load_volumes(
    [
        {"path": folder / "flair.nii.gz"},
        {"path": folder / "mask.nii.gz", "colormap": "blue", "opacity": 0.5},
    ]
)

# %%
# Drag in the last picture to turn the head; click in a slice to move the crosshair.

from in_page import InPage  # docs/_ext/in_page.py: this page's own viewer

InPage(scan=folder / "flair.nii.gz", mask=folder / "mask.nii.gz")

# %%
# On the command line ``brainseg predict flair.nii.gz --out masks`` and ``brainseg view masks/flair.json`` show the same
# for your own scan.
