"""Segments a NIfTI of 1024 x 1024 x 200 voxels with the shipped networks, and prints the megabytes that it took.

`python -m tests.segmentation.large FOLDER [--sequences]`: FOLDER gets the scan, 0.4 GB a sequence, and its mask.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (200, 1024, 1024)
SPACING = (0.8, 0.23, 0.23)


def write(path: Path, values: tuple[int, ...], seed: int) -> Path:
    """A head of `values` (air, scalp, skull, tumour, brain) as int16; slice by slice, so that little room is taken."""
    y, x = np.mgrid[-1.1 : 1.1 : SHAPE[1] * 1j, -1.1 : 1.1 : SHAPE[2] * 1j]
    stack = np.empty(SHAPE, np.int16)
    rng = np.random.default_rng(seed)
    for z, plane in zip(np.linspace(-0.7, 0.9, SHAPE[0]), stack, strict=True):
        radius = np.sqrt((x / 0.7) ** 2 + (y / 0.9) ** 2 + z**2)
        tumour = (x - 0.2) ** 2 + (y + 0.25) ** 2 + (z - 0.2) ** 2 < 0.04
        parts = [radius > 1, radius > 0.88, radius > 0.75, tumour]
        plane[...] = np.select(parts, values[:-1], values[-1]) + rng.normal(0, 8, radius.shape)
    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    nib.save(nib.Nifti1Image(stack.T, affine), path)
    return path


def main(folder: Path, *more: str) -> None:
    flair = write(folder / "flair.nii", (10, 600, 40, 570, 300), 0)
    named = ["--flair", str(flair)]
    if "--sequences" in more:
        named += ["--pre", str(write(folder / "pre.nii", (10, 700, 50, 200, 350), 1))]
        named += ["--post", str(write(folder / "post.nii", (10, 700, 50, 500, 350), 2))]
    command = [sys.executable, "-m", "brainseg.cli", "predict", *named, "--out", str(folder / "out"), "--trust-input"]
    subprocess.run([*command, "--fast", *(arg for arg in more if arg != "--sequences")], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'three sequences' if '--sequences' in more else 'FLAIR'}: {peak:.0f} MB at most in one process")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
