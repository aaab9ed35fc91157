"""Sizes that a scan of a head can have: decided from what its header says, before a voxel is read."""

from __future__ import annotations

import math

from brainseg.data.slices import size_text
from brainseg.errors import DataError, doubt
from brainseg.scans.canvas import SIDE, canvas_for
from brainseg.scans.scan import Spacing

MOST_VOXELS = 2**28
"""1024 x 1024 x 256, more than any scanner gives of a head; a header that claims more is damaged, or a bomb."""
FINEST_MM = 0.1
"""Between voxels; at 7 tesla, and after the scanner's interpolation, 0.2 mm are usual, 0.1 mm is what specimens get."""
COARSEST_PIXEL_MM = 6.0
"""Of the two finer axes; a tumour of 2 cm would be three pixels wide."""
COARSEST_SLICE_MM = 20.0
"""Between slices; localisers have 10 to 15 mm, diagnostic scans up to 8 mm."""
COARSE_PIXEL_MM, COARSE_SLICE_MM = 2.5, 12.5
"""More than that is said; the training data have 0.94 mm and up to 8 mm."""
SMALLEST_FIELD_MM, NARROWEST_FIELD_MM = 90.0, 60.0
"""Of the two longest sides of a scan: the longest, and the other. A newborn's brain cut out is 100 x 80 mm, half an
adult's 165 x 65 mm. The third side may be one slice thick."""
LARGEST_FIELD_MM = 600.0
"""Of any side; scanners have up to 500 mm. Both ends are apart by ten, so centimetres for millimetres pass neither."""
LARGE_FIELD_MM = 400.0
THIN_MM = 40.0
"""Slices that cover less than that are said: a part of the head, or a wrong distance."""


def check_size(shape: tuple[int, ...], where: str) -> None:
    """Refuse sizes that no scan has.

    Args:
        shape: voxels along three axes, in any order.
        where: begins the message.

    Raises:
        DataError: a size is not positive, or there are more than `MOST_VOXELS`.
    """
    if min(shape, default=0) < 1 or math.prod(map(int, shape)) > MOST_VOXELS:
        raise DataError(
            f"{where} claims {size_text(shape)} voxels, expected 1 to {MOST_VOXELS:,} in all; its header is damaged, "
            "or it is no scan of a head."
        )


def check_field(shape: tuple[int, ...], spacing: Spacing, where: str, trust: bool, warnings: list[str]) -> None:
    """Look whether a head has this size.

    Args:
        shape: voxels of an axial stack: slices, rows, columns.
        spacing: millimetres between them.
        where: begins the sentences.
        trust: take doubts for warnings.
        warnings: of the scan; sentences are added.

    Raises:
        DataError: a spacing is no positive number, or the slices are too large for the memory.
        NotTrusted: voxels or sides have sizes that no head's scan has.
    """
    if not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise DataError(f"{where} has voxels of {_mm(spacing)}, expected positive sizes; repair its header.")
    sides = [size * mm for size, mm in zip(shape, spacing, strict=True)]
    found = f"{where} is {size_text(shape)} voxels of {_mm(spacing)}, a field of view of {_mm(sides)}"
    units = "check whether these are millimetres"
    fine, pixel, slices = sorted(spacing)
    thin, narrow, long = sorted(sides)
    if fine < FINEST_MM or pixel > COARSEST_PIXEL_MM or slices > COARSEST_SLICE_MM:
        expected = f"voxels of {FINEST_MM:g} mm or more, pixels up to {COARSEST_PIXEL_MM:g} mm and slices up to"
        doubt(f"{found}; expected {expected} {COARSEST_SLICE_MM:g} mm; {units}", trust, warnings)
    if long > LARGEST_FIELD_MM or long < SMALLEST_FIELD_MM or narrow < NARROWEST_FIELD_MM:
        expected = f"a head, {NARROWEST_FIELD_MM:g} x {SMALLEST_FIELD_MM:g} mm to {LARGEST_FIELD_MM:g} mm"
        doubt(f"{found}; expected {expected}; {units}", trust, warnings)
    elif long > LARGE_FIELD_MM:
        warnings.append(f"{found}: more than a head; {units}")
    if min(shape) > 1 and thin < THIN_MM:
        warnings.append(f"{found}: a part of a head only, or a wrong distance between slices")
    if pixel > COARSE_PIXEL_MM or slices > COARSE_SLICE_MM:
        warnings.append(f"{where} has coarse voxels ({_mm(spacing)}): expect a worse mask")
    _check_canvas(shape, spacing, found)


def _check_canvas(shape: tuple[int, ...], spacing: Spacing, found: str) -> None:
    """Also where the user insists: the slices have to fit into the memory."""
    # before the canvas is worked out: with metres for millimetres its sides are no longer numbers of pixels
    huge = max(spacing) * max(shape) > 1e6
    side = 0 if huge else canvas_for(shape[1], shape[2], spacing).side
    if huge or shape[0] * side**2 > max(MOST_VOXELS, shape[0] * SIDE**2):
        raise DataError(f"{found}: too large to be worked on; repair the voxel sizes in its header.")


def _mm(sizes: tuple[float, ...] | list[float]) -> str:
    return " x ".join(f"{size:.3g}" if size < 100 else f"{size:.0f}" for size in sizes) + " mm"
