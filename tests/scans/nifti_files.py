"""NIfTI files, whole and with headers that say something else."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np

from tests.scans.heads import SPACING, as_nifti

STACK = np.random.default_rng(1).integers(0, 900, (5, 60, 70)).astype(np.int16)


def saved(path, image):
    nib.save(image, path)
    return path


def with_header(path, change, stack=STACK, spacing=SPACING):
    """A whole file whose header alone is changed, byte by byte."""
    image = as_nifti(stack, spacing)
    raw = bytearray(image.to_bytes())
    header = type(image.header)(bytes(raw[:348]))
    change(header)
    raw[:348] = header.binaryblock
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


def set_field(**values):
    def change(header):
        for name, value in values.items():
            header[name] = value

    return change
