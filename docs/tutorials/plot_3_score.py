"""
Score a mask
============

What Dice says, why a mean over slices says something else, and what happens with empty masks.
"""

# %%
# Two masks of one patient: the truth of a synthetic patient, and a prediction that misses a slice, adds a speck, and is
# a little too wide elsewhere.

import numpy as np
from scipy import ndimage

from brainseg.data.phantom import PhantomParams, make_patient
from brainseg.evaluation.overlap import overlap

truth = make_patient(index=0, params=PhantomParams(patients=1, slices=20, size=128), seed=7).masks
with_tumour = np.flatnonzero(truth.any(axis=(1, 2)))

prediction = np.stack([ndimage.binary_dilation(mask) for mask in truth])
prediction[with_tumour[0]] = False
prediction[-1, 60:63, 60:63] = True

# %%
# All pixels of the patient together: this is the whole-volume Dice that the tables lead with.

whole = overlap(truth, prediction)
print(f"Dice {whole.dice:.3f}, precision {whole.precision:.3f}, recall {whole.recall:.3f}")

# %%
# Slice by slice: where tumour or prediction is missing, one table decides. A missed slice and a false alarm count 0, a
# slice that is rightly left empty counts 1.

scores = [overlap(a, b) for a, b in zip(truth, prediction, strict=True)]
for number, score in enumerate(scores):
    if score.case.name != "both_empty":
        print(f"slice {number:2}: {score.case.name:13} Dice {score.dice:.3f}")

# %%
# The mean over all slices looks better than the mask is, since most slices are empty. Published figures often do this;
# brainseg's slice Dice is the mean over slices with tumour.

print(f"mean over all slices:          {np.mean([score.dice for score in scores]):.3f}")
print(f"mean over slices with tumour:  {np.mean([scores[number].dice for number in with_tumour]):.3f}")
print(f"whole volume:                  {whole.dice:.3f}")
