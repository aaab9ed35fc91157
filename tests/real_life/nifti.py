"""NIfTI files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.real_life.inputs import FLAIR, SPACING, T1, T1C, Inputs, Make, nifti
from tests.scans.heads import as_nifti


def raw(content: Callable[[bytes], bytes], name: str = "scan.nii") -> Make:
    """A NIfTI file whose bytes are changed."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content(as_nifti(FLAIR, SPACING).to_bytes()))
        return path

    return make


def turned(axes: tuple[int, ...], flips: tuple[int, ...]) -> Make:
    ornt = np.array([axes, flips]).T
    return nifti(change=lambda image: image.as_reoriented(ornt))


def of_type(dtype: Any) -> Make:
    return nifti(FLAIR.astype(dtype))


def big_endian() -> bytes:
    image = as_nifti(FLAIR, SPACING)
    return nib.Nifti1Image(FLAIR.T, image.affine, image.header.as_byteswapped()).to_bytes()


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(64) + content[middle + 64 :]


INPUTS = Inputs()
add = INPUTS.add
add("NIfTI, packed", nifti())
add("NIfTI, not packed", nifti(name="scan.nii"))
add("NIfTI, name in capitals", nifti(name="SCAN.NII.GZ"))
add("NIfTI, a name with spaces and signs", nifti(name="Müller, A. (2) #1.nii.gz"))
for letters, axes, flips in (
    ("RAS", (0, 1, 2), (-1, -1, 1)), ("RPI", (0, 1, 2), (-1, 1, -1)), ("AIL", (2, 0, 1), (1, 1, -1)),
    ("SAL", (1, 2, 0), (-1, -1, 1)), ("PSR", (2, 0, 1), (-1, -1, -1)), ("IPR", (1, 2, 0), (1, 1, -1)),
):  # fmt: skip
    add(f"NIfTI, stored along other axes ({letters})", turned(axes, flips))
for kind in (np.int16, np.uint16, np.int32, np.float32, np.float64):
    add(f"NIfTI of {np.dtype(kind).name}", of_type(kind))
add("NIfTI, negative values", nifti(FLAIR.astype(np.int16) - 300))
add("NIfTI-2", nifti(change=lambda image: nib.Nifti2Image(np.asarray(image.dataobj), image.affine)))
add("NIfTI, big-endian", raw(lambda _: big_endian()))
add(
    "NIfTI of one volume along a fourth axis",
    nifti(change=lambda i: nib.Nifti1Image(i.get_fdata()[..., None], i.affine)),
)
add(
    "NIfTI of three volumes",
    nifti(change=lambda i: nib.Nifti1Image(np.stack([T1.T, FLAIR.T, T1C.T], -1), i.affine)),
)
add(
    "NIfTI of two volumes",
    nifti(change=lambda i: nib.Nifti1Image(np.stack([T1.T, FLAIR.T], -1), i.affine)),
    "expected three",
)
add(
    "NIfTI without geometry",
    nifti(change=lambda i: nib.Nifti1Image(FLAIR.T, None)),
    "does not say which way the head",
)
add(
    "NIfTI with NaN",
    nifti(np.where(FLAIR == 7, np.nan, FLAIR).astype(np.float32)),
    "NaN",
)
add("NIfTI with infinity", nifti(np.where(FLAIR == 7, np.inf, FLAIR).astype(np.float32)), "infinite")
add("NIfTI of one value", nifti(np.full_like(FLAIR, 3)), "has the value 3 everywhere")
add("NIfTI of a mask", nifti((FLAIR > 100).astype(np.uint8)), "a mask, not an image")
add("NIfTI of complex numbers", nifti(FLAIR.astype(np.complex64)), "expected real numbers")
add("NIfTI, cut off", raw(lambda content: content[:-5000]), "cannot be read as NIfTI")
add(
    "NIfTI, packed and cut off",
    raw(lambda content: gzip.compress(content)[:-5000], "scan.nii.gz"),
    "cannot be read as NIfTI",
)
add("NIfTI with more bytes than its header says", raw(lambda content: content + b"more"), "more bytes follow")
add(
    "NIfTI, damaged in the middle",
    raw(lambda content: damaged(gzip.compress(content)), "scan.nii.gz"),
    "cannot be read",
)
add("a text called .nii", raw(lambda _: b"hello"), "does not begin as a NIfTI|cannot be read as NIfTI")
add("an empty file called .nii.gz", raw(lambda _: b"", "scan.nii.gz"), "cannot be read as NIfTI")
add("a packed file called .nii", raw(gzip.compress), "cannot be read as NIfTI")
add(
    "NIfTI with voxels of a metre",
    nifti(change=lambda i: nib.Nifti1Image(FLAIR.T, np.diag([1e3, 1e3, 1e3, 1]))),
    "mm|size",
)
add("a path that is not there", lambda folder: folder / "none.nii.gz", "does not exist; check its spelling")
