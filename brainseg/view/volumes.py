"""FLAIR and mask of a result on one grid, as two NIfTI files in memory for the browser."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel import orientations

from brainseg.data.slices import FLAIR, Bool, Float64, size_text
from brainseg.errors import DataError
from brainseg.scans.canvas import FIELD_OF_VIEW_MM
from brainseg.scans.grey import white_level
from brainseg.scans.scan import Image, Scan
from brainseg.trust.edge import from_text
from brainseg.view.result import Report, Result

PLAIN = ("uint8", "int16", "uint16", "int32", "float32")
"""What every reader of NIfTI takes; anything else is served as float32."""
STACK_HEIGHT_MM = 150.0
"""Of a scan whose files do not say; its longer in-plane side is `FIELD_OF_VIEW_MM`."""
ASSUMED = (
    "the scan's files carry no spacing and no orientation: shown with a field of view of "
    f"{FIELD_OF_VIEW_MM:.0f} mm and a stack of {STACK_HEIGHT_MM:.0f} mm, feet first, the patient's right on the left"
)


@dataclass(frozen=True)
class Volumes:
    """What the page draws.

    Attributes:
        flair: bytes of a .nii.gz, the scan's values, display range set.
        mask: bytes of a .nii.gz, uint8 0 and 1, on the same grid.
        edge: the same of where the mask's edge is unsure; empty where the JSON does not have it.
        start_mm: a place inside the tumour, in the axial slice where it is largest; the middle if there is none.
        doubtful: numbers of the slices in doubt, and a place inside tumour or unsure edge in each.
        slices: the axial slices' numbers in the files, feet first.
        remarks: sentences that the JSON does not have.
    """

    flair: bytes
    mask: bytes
    edge: bytes
    start_mm: tuple[float, float, float]
    doubtful: dict[int, tuple[float, float, float]]
    slices: list[int]
    remarks: list[str]


def make_volumes(result: Result) -> Volumes:
    """Read scan and mask again and lay them on one grid: the scan's own, or an assumed one where it has none.

    Raises:
        DataError: the scan or the mask is missing, damaged, or not of the size that the JSON says.
    """
    scan = read_scan(result)
    flair = scan.images[..., FLAIR]
    axial = scan.origin.read_mask(result.path.parent, result.report.case)
    mask, edge = scan.origin.stored(axial), _edge(result.report)
    affine, remarks = scan.origin.affine, []
    if affine is None:
        affine, remarks = assumed_affine(flair.shape), [ASSUMED]
    if (drawn := int(mask.sum())) != result.report.tumour.voxels:
        remarks.append(
            f"the mask has {drawn:,} voxels and the figures are of {result.report.tumour.voxels:,}: the mask was "
            "changed after the prediction"
        )
    low, high = display_range(flair)
    stored = scan.origin.stored(flair)
    stored = stored if stored.dtype.name in PLAIN else stored.astype(np.float32)
    return Volumes(
        flair=nifti_bytes(stored, affine, low, high),
        mask=nifti_bytes(mask.astype(np.uint8), affine, 0, 1),
        edge=b"" if edge is None else nifti_bytes(scan.origin.stored(edge).astype(np.uint8), affine, 0, 1),
        start_mm=start(mask, affine),
        doubtful=_doubtful(result.report, scan, axial if edge is None else axial | edge, affine),
        slices=scan.slices.tolist(),
        remarks=remarks,
    )


def _edge(report: Report) -> Bool | None:
    return None if report.unsure_edge is None else from_text(report.unsure_edge, report.shape)


def _doubtful(report: Report, scan: Scan, seen: Bool, affine: Float64) -> dict[int, tuple[float, float, float]]:
    """Of slices in doubt with nothing to be seen in them there is no place."""
    places = {}
    for number in report.trust.doubtful_slices if report.trust else ():
        alone = seen & (scan.slices == number)[:, None, None]
        if alone.any():
            places[number] = start(scan.origin.stored(alone), affine)
    return places


def read_scan(result: Result) -> Scan:
    """The scan that a result was made from, read again.

    Raises:
        DataError: it is missing, or another one lies in its place.
    """
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
            f"the scan {result.report.input['flair']} is {size_text(scan.images.shape[:3])}, {result.path} of one that "
            f"was {size_text(result.report.shape)}; run brainseg predict again."
        )
    if scan.digest != result.report.scan_sha256:
        raise DataError(
            f"the scan {result.report.input['flair']} is another one than {result.path} was made from; put that one "
            "back, or run brainseg predict again."
        )
    return scan


def assumed_affine(shape: tuple[int, ...]) -> Float64:
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
    return low, white_level(flair[flair > low])


def start(mask: Bool, affine: Float64) -> tuple[float, float, float]:
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


def nifti_bytes(values: Image, affine: Float64, low: float, high: float) -> bytes:
    """A .nii.gz in millimetres with nothing in its header but geometry and display range."""
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["cal_min"], image.header["cal_max"] = low, high
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
