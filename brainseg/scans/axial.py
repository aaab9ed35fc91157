"""Between the axes of a NIfTI image and the axial stack that the networks look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brainseg.data.slices import Float64
from brainseg.scans.affine import affine_mm
from brainseg.scans.scan import Image, Spacing, check_values

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib

_AXIAL = np.array([[0.0, -1.0], [1.0, -1.0], [2.0, 1.0]])
"""In nibabel's terms the codes L, P, S: columns run to the patient's left, rows to posterior, slices to superior, as
the networks were trained."""


def axial(values: Image, image: nib.Nifti1Image) -> Image:
    """Turn [x, y, z] as stored into an axial stack [n, height, width]."""
    from nibabel import orientations

    turned: Image = orientations.apply_orientation(values, _to_axial(image))
    return turned.T


def axial_size(image: nib.Nifti1Image) -> tuple[tuple[int, ...], Spacing]:
    """Slices, rows and columns of a file's axial stack, and millimetres between them."""
    from nibabel.affines import voxel_sizes

    order = np.empty(3, int)
    order[_to_axial(image)[:, 0].astype(int)] = range(3)  # which stored axis each axial one comes from
    sizes = voxel_sizes(affine_mm(image))[order[::-1]]
    shape = (*image.shape, 1, 1)[:3]
    return tuple(int(shape[axis]) for axis in order[::-1]), (float(sizes[0]), float(sizes[1]), float(sizes[2]))


def _to_axial(image: nib.Nifti1Image) -> Image:
    from nibabel import orientations

    return orientations.ornt_transform(orientations.io_orientation(image.affine), _AXIAL)


def to_stored(values: Image, image: nib.Nifti1Image) -> Image:
    """The way back: an axial stack [n, height, width] as [x, y, z] of the file."""
    from nibabel import orientations

    back = orientations.ornt_transform(_AXIAL, orientations.io_orientation(image.affine))
    return np.ascontiguousarray(orientations.apply_orientation(values.T, back))


def on_grid(
    values: Image,
    image: nib.Nifti1Image,
    flair: nib.Nifti1Image,
    shape: tuple[int, ...],
    where: str,
    said: list[str],
    motion: Float64 | None = None,
) -> Image:
    """A sequence on FLAIR's grid: as it is where it has that one, else resampled, linearly.

    Args:
        values: a picture (`check_values`), [x, y, z] as stored.
        image: its geometry.
        flair: that of FLAIR.
        shape: of FLAIR's values.
        where: begins the sentences.
        said: warnings of the scan; one is added where its header alone asks for resampling.
        motion: 4 x 4, from where the header puts a point to where it belongs, in millimetres; None where the header is
            right.

    Raises:
        DataError: the values are no picture afterwards.
    """
    if motion is None and values.shape == shape and np.allclose(affine_mm(image), affine_mm(flair), atol=1e-3):
        return values
    if motion is None:
        said.append(f"{where} has another grid than FLAIR and was resampled to it")
    from nibabel import Nifti1Image
    from nibabel.processing import resample_from_to

    place = affine_mm(image) if motion is None else motion @ affine_mm(image)
    moving = Nifti1Image(values.astype(np.float32), place)
    moved = np.asarray(resample_from_to(moving, (shape, affine_mm(flair)), order=1).dataobj)
    check_values(moved, f"{where}, resampled to the grid of FLAIR,")
    return moved
