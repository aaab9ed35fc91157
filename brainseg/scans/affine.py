"""What a NIfTI header says of voxel sizes and of the way the head lies, where it says it twice or in other units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from brainseg.data.slices import Float64
from brainseg.errors import DataError

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib

_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # metre, mm, micron; none is taken for mm, as everybody does
_UNIT_BITS = 7  # of xyzt_units; the others are of time
SAME_SIZE = 0.01
"""Sizes that differ by less are one size, rounded."""
SAME_DIRECTION_DEGREES = 30.0
"""Registration turns the sform by some degrees; more is another way to lie, or another plane."""
TILT_DEGREES = 30.0
"""Axial slices along the line of the commissures are tilted by up to 25; what more costs: docs/decisions.md."""
SHEAR_DEGREES = 3.0
"""Axes this far off a right angle make a volume wrong by 0.1%."""


def unit_mm(image: nib.Nifti1Image) -> float:
    """Millimetres in the header's unit of length.

    Raises:
        DataError: a code that the standard does not have.
    """
    code = int(image.header["xyzt_units"]) & _UNIT_BITS
    if code not in _UNIT_MM:
        raise DataError(
            f"the header's unit of length is {code}, expected 1 (metre), 2 (millimetre) or 3 (micron); repair it."
        )
    return _UNIT_MM[code]


def affine_mm(image: nib.Nifti1Image) -> Float64:
    """From voxels to millimetres, whatever the header's unit is."""
    unit = unit_mm(image)
    return np.asarray(image.affine, float) if unit == 1 else np.diag([unit, unit, unit, 1.0]) @ image.affine


def check_affine(image: nib.Nifti1Image, where: str) -> None:
    """Refuse an affine that has no way back.

    Raises:
        DataError: numbers missing, or axes that lie in one plane.
    """
    affine = np.asarray(image.affine, float)
    sizes = _sizes(affine)
    # the volume of a voxel whose axes have length 1: no matter of units
    if not np.isfinite(affine).all() or not sizes.all() or abs(np.linalg.det(affine[:3, :3] / sizes)) < 1e-3:
        raise DataError(f"the affine of {where} cannot be inverted; repair its header, then try again.")


def direction_doubts(image: nib.Nifti1Image, where: str) -> list[str]:
    """Sentences where the header does not say which way the head lies, or says two ways."""
    sform, qform = _forms(image)
    if sform is None and qform is None:
        return [f"{where} does not say which way the head lies (qform and sform code 0), expected one of them"]
    if sform is None or qform is None:
        return []
    turned = [_unit(form) for form in (sform, qform)]
    cosines = (turned[0] * turned[1]).sum(0)
    if cosines.min() >= math.cos(math.radians(SAME_DIRECTION_DEGREES)):
        return []
    from nibabel import aff2axcodes

    ways = ["".join(aff2axcodes(form)) for form in (sform, qform)]
    degrees = math.degrees(math.acos(float(np.clip(cosines.min(), -1, 1))))
    return [
        f"{where} says two ways how the head lies: sform {ways[0]}, qform {ways[1]}, {degrees:.0f} degrees apart; "
        "expected one"
    ]


def size_doubts(image: nib.Nifti1Image, where: str) -> list[str]:
    """Sentences where the header says two sizes of a voxel."""
    sform, _ = _forms(image)
    pixdim = np.abs(np.asarray(image.header["pixdim"][1:4], float))  # these are the qform's sizes
    if sform is None or np.allclose(_sizes(sform), pixdim, rtol=SAME_SIZE, atol=0):
        return []
    sizes = [" x ".join(f"{size:.3g}" for size in found) for found in (_sizes(sform), pixdim)]
    return [f"{where} says two sizes of a voxel: sform {sizes[0]}, pixdim {sizes[1]}; expected one"]


def shear_doubts(image: nib.Nifti1Image, where: str) -> list[str]:
    """A sentence where the axes do not stand upright on each other: sizes and volumes would come out wrong."""
    cosines = np.abs(_unit(np.asarray(image.affine, float)).T @ _unit(np.asarray(image.affine, float)) - np.eye(3))
    if cosines.max() <= math.sin(math.radians(SHEAR_DEGREES)):
        return []
    degrees = math.degrees(math.asin(min(1.0, float(cosines.max()))))
    return [f"{where} has axes that are {degrees:.0f} degrees off a right angle (a sheared affine); resample it"]


def tilt_warnings(image: nib.Nifti1Image, where: str) -> list[str]:
    """A sentence where the stack lies so far off the patient's axes that the mask is in doubt."""
    from nibabel import io_orientation

    unit, nearest = _unit(np.asarray(image.affine, float)), io_orientation(image.affine)[:, 0].astype(int)
    cosines = np.abs(unit[nearest, range(3)])
    degrees = math.degrees(math.acos(min(1.0, float(cosines.min()))))
    if degrees < TILT_DEGREES:
        return []
    return [
        f"{where} lies {degrees:.0f} degrees off the patient's axes: the networks know nearly axial slices, so from "
        f"{TILT_DEGREES:.0f} degrees on the mask is in doubt, and near 45 another plane may be taken for axial"
    ]


def _forms(image: nib.Nifti1Image) -> tuple[Float64 | None, Float64 | None]:
    return image.header.get_sform(coded=True)[0], image.header.get_qform(coded=True)[0]


def _unit(affine: Float64) -> Float64:
    return np.asarray(affine[:3, :3] / _sizes(affine))


def _sizes(affine: Float64) -> Float64:
    from nibabel.affines import voxel_sizes

    return np.asarray(voxel_sizes(affine))
