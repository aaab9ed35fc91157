"""
A first mask
============

Segment a scan in Python, look at the mask, and read what comes with it.

The scan is a synthetic patient that the package makes, so nothing has to be downloaded.
"""

# %%
# A scan is an array of axial slices, from the feet upwards, with anterior at the top. The last axis holds
# pre-contrast, FLAIR and post-contrast. An array with FLAIR alone, ``[n, height, width]``, also works.

from brainseg.data.phantom import PhantomParams, make_patient

patient = make_patient(index=1, params=PhantomParams(patients=2, slices=20, size=256), seed=7)
print(patient.images.shape, patient.images.dtype)

# %%
# One call finds the brain, runs both networks, cleans up the mask and transfers it to the scan's grid. The spacing is
# the distance in millimetres between slices, rows and columns. Without it the result has voxels instead of millilitres.

import brainseg

spacing = (150 / len(patient), 240 / 256, 240 / 256)
result = brainseg.segment(patient.images, spacing=spacing)

print(result)

# %%
# In a notebook, end a cell with the result to see its pictures.

result

# %%
# Look at every mask before you use it. Here the truth is known, so it is drawn as well.

import matplotlib.pyplot as plt
import numpy as np

largest = np.argsort(result.mask.sum(axis=(1, 2)))[-3:]
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axis, number in zip(axes, sorted(largest), strict=True):
    axis.imshow(patient.images[number, :, :, 1], cmap="gray")
    axis.contour(result.mask[number], [0.5], colors="#56b4e9")
    axis.contour(patient.masks[number], [0.5], colors="#f0e442", linestyles="dotted")
    axis.set(title=f"slice {number}", xticks=[], yticks=[])
figure.suptitle("FLAIR, prediction (blue) and truth (yellow, dotted)")

# %%
# The probability behind the mask shows where the networks were unsure. It is the value before the clean-up.

number = int(largest[-1])
plt.figure(figsize=(4.6, 3.6))
plt.imshow(np.where(result.brain[number], result.probability[number], np.nan), vmin=0, vmax=1, cmap="viridis")
plt.colorbar(label="probability of tumour")
plt.axis("off")

# %%
# The networks never saw a synthetic patient in training. That they segment it says that the program runs. It says
# nothing about how well they do on people: see :doc:`the results </results>`.
