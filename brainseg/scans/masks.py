"""Masks of any origin as axial stacks: a NIfTI file, a TIF of pages, or a folder of TIF slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brainseg.data.raw import MASK_SUFFIX
from brainseg.data.slices import Bool, Int, size_text
from brainseg.errors import DataError
from brainseg.scans import tif_lzw
from brainseg.scans.affine import shear_doubts, size_doubts
from brainseg.scans.axial import axial, axial_size
from brainseg.scans.nifti_file import is_nifti, load
from brainseg.scans.scan import Image, Spacing
from brainseg.scans.tif_files import SUFFIXES, numbered_slices, tif_files
from brainseg.scans.tif_stack import read_pages

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib

MOST_LABELS = 16
"""More different values than that are a picture."""


def read_numbered_mask(path: Path) -> tuple[Bool, Spacing | None, Int]:
    """Read a mask, and its slices' numbers: of TIF files theirs, of pages from 1, of NIfTI from 0 at the feet."""
    mask, spacing = read_mask(path)
    first = 1 if path.suffix.lower() in SUFFIXES else 0
    numbers = sorted(_numbered(path)) if path.is_dir() else range(first, first + len(mask))
    return mask, spacing, np.array(numbers, np.int64)


def read_mask(path: Path) -> tuple[Bool, Spacing | None]:
    """Read a mask; everything that is not 0 is tumour.

    Args:
        path: a NIfTI file in any orientation, a TIF whose pages are slices, or a folder of TIF slices: its
            `<case>_<slice>_mask.tif`, or where there are none its `<case>_<slice>.tif`.

    Returns:
        bool [n, height, width], axial, and millimetres between slices, rows and columns; None for TIF.

    Raises:
        DataError: unreadable, not three axes, no folder of slices, slices missing, or values that are no labels.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; name a NIfTI mask, a TIF mask or a folder of TIF masks.")
    if path.is_dir():
        return _read_folder(path), None
    if path.suffix.lower() in SUFFIXES:
        return _read_pages(path), None
    if not is_nifti(path):
        raise DataError(f"{path} is neither NIfTI, TIF nor a folder of TIF slices; expected a mask as one of these.")
    mask, image = read_mask_file(path)
    return mask, axial_size(image)[1]


def read_mask_file(path: Path) -> tuple[Bool, nib.Nifti1Image]:
    """Read a NIfTI mask: bool [n, height, width], axial, and its image; see `read_mask`."""
    image, values = load(path, [], _one_size(path))
    if set(values.shape[3:]) == {1}:  # further axes of one entry are none
        values = values.reshape(values.shape[:3])
    if values.ndim != 3:
        raise DataError(f"{path} is {size_text(values.shape)}, expected three axes; give one mask a file.")
    _check(values, path)
    return np.ascontiguousarray(axial(values, image)) != 0, image


def _one_size(path: Path) -> Callable[[nib.Nifti1Image], None]:
    """A shape without its size is none; which way the head lies does not matter to it."""

    def check(image: nib.Nifti1Image) -> None:
        for sentence in (*size_doubts(image, str(path)), *shear_doubts(image, str(path))):
            raise DataError(f"{sentence}; repair its header.")

    return check


def _numbered(folder: Path) -> dict[int, Path]:
    """The masks of a folder by the numbers of their slices, or where it has none its slices."""
    tifs = tif_files(folder)
    masks = [path for path in tifs if path.stem.endswith(MASK_SUFFIX)]
    if not tifs:
        raise DataError(
            f"{folder} holds no TIF slices, expected <case>_<slice>_mask.tif or <case>_<slice>.tif of one case; name "
            "that folder, or the NIfTI files."
        )
    return numbered_slices(folder, masks or tifs, MASK_SUFFIX if masks else "")


def _read_folder(folder: Path) -> Bool:
    numbered = _numbered(folder)
    planes: list[Image] = []
    for number in sorted(numbered):
        plane = tif_lzw.read(numbered[number])
        if plane.ndim != 2 or (planes and plane.shape != planes[0].shape):
            raise DataError(
                f"{numbered[number]} is {size_text(plane.shape)}, expected one channel and one size in {folder}."
            )
        planes.append(plane)
    stack = np.stack(planes)
    _check(stack, folder)
    return stack != 0


def _read_pages(path: Path) -> Bool:
    stack, _ = read_pages(path)
    if stack.ndim != 3:
        raise DataError(f"{path} is {size_text(stack.shape)}, expected one channel; give a mask.")
    _check(stack, path)
    return stack != 0


def _check(values: Image, path: Path) -> None:
    if bad := int((~np.isfinite(values)).sum()):
        raise DataError(f"{path} holds {bad} values that are NaN or infinite, expected labels; repair the file.")
    if len(np.unique(values)) > MOST_LABELS:
        raise DataError(f"{path} holds more than {MOST_LABELS} different values: that is a picture, expected a mask.")
