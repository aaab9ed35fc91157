"""
What the networks see
=====================

From a raw slice to the networks' input: the brain is extracted, the volume cut to it, resized and normalised. The same
function prepares volumes for training, validation, test and prediction.
"""

# %%
# Parameters come from params.yaml, so that they are those of the pipeline.

from pathlib import Path

import brainseg
from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.params import load_section
from brainseg.preprocess.skull_strip import SkullStripParams, make_stripper, strip

params = Path(brainseg.__file__).parent / "defaults.yaml"
settings = load_section(params, "skull_strip", SkullStripParams)
patient = make_patient(index=0, params=PhantomParams(patients=1, slices=20, size=256), seed=7)
stripped = strip(patient, settings, make_stripper(settings))
print(stripped.record)

# %%
# Everything outside the brain is 0 after that.

import matplotlib.pyplot as plt

number = len(patient) // 2
figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for axis, title, images in zip(axes, ("raw", "brain"), (patient.images, stripped.slice_set.images), strict=True):
    axis.imshow(images[number, :, :, 1], cmap="gray", vmin=0, vmax=255)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# The share of the volume that the mask covers is checked. If the mask has an implausible size, another method is used
# instead. The record above says which method was used.
