"""FLAIR and mask of a result on one grid, as two NIfTI files in memory for the browser."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel import orientations

from brainseg.data.raw import MASK_SUFFIX, read_tif
from brainseg.data.slices import FLAIR, Bool
from brainseg.errors import DataError
from brainseg.scans.nifti import NiftiOrigin, read_nifti_mask, to_stored
from brainseg.scans.scan import Image, Scan, by
from brainseg.scans.tif import TifOrigin
from brainseg.view.result import Result

Affine = npt.NDArray[np.float64]
WHITE_PERCENTILE = 99.5
PLAIN = ("uint8", "int16", "uint16", "int32", "float32")
"""What every reader of NIfTI takes; anything else is served as float32."""
FIELD_OF_VIEW_MM, STACK_HEIGHT_MM = 240.0, 150.0
"""Of TIF slices: the longer in-plane side, 0.94 mm a pixel at 256 pixels, and the stack."""
ASSUMED = (
    f"TIF slices carry no spacing and no orientation: shown with a field of view of {FIELD_OF_VIEW_MM:.0f} mm and a "
    f"stack of {STACK_HEIGHT_MM:.0f} mm, feet first, the patient's right on the left"
)


@dataclass(frozen=True)
class Volumes:
    """What the page draws.

    Attributes:
        flair: bytes of a .nii.gz, the scan's values, display range set.
        mask: bytes of a .nii.gz, uint8 0 and 1, on the same grid.
        start_mm: a place inside the tumour, in the axial slice where it is largest; the middle if there is none.
        slices: the axial slices' numbers in the files, feet first.
        remarks: sentences that the JSON does not have.
    """

    flair: bytes
    mask: bytes
    start_mm: tuple[float, float, float]
    slices: list[int]
    remarks: list[str]


def make_volumes(result: Result) -> Volumes:
    """Read scan and mask again and lay them on one grid: the scan's own, or an assumed one for TIF.

    Raises:
        DataError: the scan or the mask is missing, damaged, or not of the size that the JSON says.
    """
    scan = _scan(result)
    flair = scan.images[..., FLAIR]
    if isinstance(scan.origin, NiftiOrigin):
        affine, stored, remarks = scan.origin.image.affine, to_stored(flair, scan.origin.image), []
        mask = read_nifti_mask(result.mask, scan.origin.image)
    else:
        affine, stored, remarks = assumed_affine(flair.shape), np.ascontiguousarray(flair.T), [ASSUMED]
        mask = _tif_mask(result, scan).T
    if (drawn := int(mask.sum())) != result.report.tumour.voxels:
        remarks.append(
            f"the mask has {drawn:,} voxels and the figures are of {result.report.tumour.voxels:,}: the mask was "
            "changed after the prediction"
        )
    low, high = display_range(flair)
    stored = stored if stored.dtype.name in PLAIN else stored.astype(np.float32)
    return Volumes(
        flair=nifti_bytes(stored, affine, low, high),
        mask=nifti_bytes(mask.astype(np.uint8), affine, 0, 1),
        start_mm=start(mask, affine),
        slices=scan.slices.tolist(),
        remarks=remarks,
    )


def _scan(result: Result) -> Scan:
    for path in result.report.input.values():
        if not path.exists():
            hint = "" if path.is_absolute() else ", seen from the folder in which this command runs"
            raise DataError(
                f"{result.path} is of the scan {path}, which does not exist{hint}; put it back, or run brainseg "
                "predict again."
            )
    scan = result.case.read(trust=True)  # predict had its doubts, or none
    if scan.images.shape[:3] != result.report.shape:
        raise DataError(
            f"the scan {result.report.input['flair']} is {by(scan.images.shape[:3])}, {result.path} of one that was "
            f"{by(result.report.shape)}; run brainseg predict again."
        )
    if scan.digest != result.report.scan_sha256:
        raise DataError(
            f"the scan {result.report.input['flair']} is another one than {result.path} was made from; put that one "
            "back, or run brainseg predict again."
        )
    return scan


def _tif_mask(result: Result, scan: Scan) -> Bool:
    """bool [n, height, width]."""
    assert isinstance(scan.origin, TifOrigin)
    planes = []
    for stem in scan.origin.stems:
        path = result.mask / f"{stem}{MASK_SUFFIX}.tif"
        if not path.is_file():
            raise DataError(f"{path} does not exist; run brainseg predict again.")
        plane = read_tif(path)
        if plane.shape != scan.images.shape[1:3]:
            raise DataError(
                f"{path} is {by(plane.shape)}, its slice {by(scan.images.shape[1:3])}; run brainseg predict again."
            )
        planes.append(plane > 0)
    return np.stack(planes)


def assumed_affine(shape: tuple[int, ...]) -> Affine:
    """Of an axial stack [n, height, width] without geometry, as [x, y, z]; its middle is at 0.

    Columns run to the patient's left, rows to posterior, slices to superior, on the field of view that brain
    extraction assumes, too.
    """
    n, height, width = shape
    pixel = FIELD_OF_VIEW_MM / max(height, width)
    affine = np.diag([-pixel, -pixel, STACK_HEIGHT_MM / n, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array([width, height, n]) - 1) / 2)
    return affine


def display_range(flair: Image) -> tuple[float, float]:
    """Black and white: the darkest value, and the 99.5th percentile of all that is brighter."""
    low = float(flair.min())
    return low, float(np.percentile(flair[flair > low], WHITE_PERCENTILE))


def start(mask: Bool, affine: Affine) -> tuple[float, float, float]:
    """A place inside the tumour, in the axial slice where it is largest.

    Args:
        mask: bool [x, y, z] as stored.
        affine: of it.

    Returns:
        Millimetres; the volume's middle if the mask is empty.
    """
    place = (np.array(mask.shape) - 1) / 2
    if mask.any():
        along = [int(axis) for axis in orientations.io_orientation(affine)[:, 0]].index(2)
        areas = mask.sum(tuple(axis for axis in range(3) if axis != along))
        inside = np.argwhere(mask.take([int(areas.argmax())], along))
        inside[:, along] = areas.argmax()
        # the middle of a bent tumour may lie outside of it, the voxel next to the middle does not
        place = inside[((inside - inside.mean(0)) ** 2).sum(1).argmin()]
    x, y, z = (affine @ [*place, 1])[:3]
    return float(x), float(y), float(z)


def nifti_bytes(values: Image, affine: Affine, low: float, high: float) -> bytes:
    """A .nii.gz in millimetres with nothing in its header but geometry and display range."""
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["cal_min"], image.header["cal_max"] = low, high
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
