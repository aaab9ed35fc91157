"""FLAIR and mask of a result on one grid, as two NIfTI files in memory for the browser."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel import orientations

from brainseg.data.slices import FLAIR, Bool, Float64, size_text
from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.scans.canvas import FIELD_OF_VIEW_MM
from brainseg.scans.grey import white_level
from brainseg.scans.scan import SEQUENCES, Image, Scan
from brainseg.trust.edge import from_text
from brainseg.view.place import located, nearby
from brainseg.view.result import Report, Result

PLAIN = ("uint8", "int16", "uint16", "int32", "float32")
"""What every reader of NIfTI takes; anything else is served as float32."""
STACK_HEIGHT_MM = 150.0
"""Of a scan whose files do not say; its longer in-plane side is `FIELD_OF_VIEW_MM`."""
GREY, OPACITY = (0.0, 0.14, 0.43, 1.0), (0, 0, 60, 160)
"""How opaque a voxel of the brain is in 3-D by its grey, 0 to 1: noise is as clear as air."""
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
        more: bytes of further .nii.gz on the same grid, by name: `pre` and `post`, where the scan has these sequences;
            `outline` of the mask in axial slices; `truth`, the outline of a person's mask; `probability`, 0 to 255;
            `brain`, how opaque a voxel is in 3-D. What is not known is not there.
    """

    flair: bytes
    mask: bytes
    edge: bytes
    start_mm: tuple[float, float, float]
    doubtful: dict[int, tuple[float, float, float]]
    slices: list[int]
    remarks: list[str]
    more: dict[str, bytes]


def make_volumes(result: Result) -> Volumes:
    """Read scan and mask again and lay them on one grid: the scan's own, or an assumed one where it has none.

    Args:
        result: see `located` for a scan that has moved.

    Raises:
        DataError: the scan or the mask is missing, damaged, or not of the size that the JSON says.
    """
    result = located(result)
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
    truth = _truth(result, scan, remarks)
    return Volumes(
        flair=_sequence(flair, scan, affine),
        mask=nifti_bytes(mask.astype(np.uint8), affine, 0, 1),
        edge=b"" if edge is None else nifti_bytes(scan.origin.stored(edge).astype(np.uint8), affine, 0, 1),
        start_mm=start(mask, affine),
        doubtful=_doubtful(result.report, scan, axial if edge is None else axial | edge, affine),
        slices=scan.slices.tolist(),
        remarks=remarks,
        more=_more(result, scan, axial, truth, affine),
    )


def _sequence(values: Image, scan: Scan, affine: Float64) -> bytes:
    stored = scan.origin.stored(values)
    stored = stored if stored.dtype.name in PLAIN else stored.astype(np.float32)
    return nifti_bytes(stored, affine, *display_range(values))


def _more(result: Result, scan: Scan, mask: Bool, truth: Bool | None, affine: Float64) -> dict[str, bytes]:
    more = {
        name: _sequence(scan.images[..., SEQUENCES.index(name)], scan, affine)
        for name in ("pre", "post")
        if name in scan.given
    }
    layers: dict[str, tuple[Image, int]] = {"outline": (outline(mask), 1)}
    if truth is not None:
        layers["truth"] = (outline(truth), 1)
    probability = scan.origin.read_probability(result.path.parent, result.report.case)
    if probability is not None and probability.shape == mask.shape:
        layers["probability"] = ((probability * 255).round(), 255)
    if (text := result.report.brain.mask) is not None:
        brain = from_text(text, result.report.shape, "the brain's mask")
        layers["brain"] = (opacity_in_3d(scan.images[..., FLAIR], brain), 255)
    return more | {
        name: nifti_bytes(scan.origin.stored(values.astype(np.uint8)), affine, 0, high)
        for name, (values, high) in layers.items()
    }


def outline(mask: Bool) -> Bool:
    """The pixels of a mask that have a neighbour outside of it in their axial slice, by an edge: [n, height, width]."""
    around = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    inner = around[:, :-2, 1:-1] & around[:, 2:, 1:-1] & around[:, 1:-1, :-2] & around[:, 1:-1, 2:]
    return mask & ~inner


def opacity_in_3d(flair: Image, brain: Bool) -> Image:
    """uint8 [n, height, width]: 0 outside the brain, so that scalp and skull do not hide it; bright is opaque."""
    low, high = display_range(flair)
    grey = (np.asarray(flair, np.float32) - low) / max(high - low, 1e-6)
    return np.where(brain, np.interp(grey, GREY, OPACITY), 0).round().astype(np.uint8)


def _truth(result: Result, scan: Scan, remarks: list[str]) -> Bool | None:
    """The mask that the case was scored with; a remark where it is not there any more."""
    if (score := result.report.score) is None:
        return None
    try:
        if score.truth is None:
            return result.case.read(truth=True, trust=True).truth
        found = nearby(score.truth, result.path, lambda path: sha256(path) == score.truth_sha256)
        if found is not None:
            return scan.origin.read_truth(found)
    except DataError:
        pass
    remarks.append("the true mask that the Dice was worked out with is not there any more, so it is not shown")
    return None


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
    """The scan that a result was made from, read again; one that has moved is looked for, see `located`.

    Raises:
        DataError: it is missing, or another one lies in its place.
    """
    result = located(result)
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
