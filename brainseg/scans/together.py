"""The sequences of one patient, each in its own file, brought onto FLAIR's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brainseg.scans.axial import on_grid
from brainseg.scans.motion import Motion
from brainseg.scans.register import find_motion
from brainseg.scans.scan import Image, check_values

if TYPE_CHECKING:  # a scan of TIF slices does not wait for its import
    import nibabel as nib


@dataclass(frozen=True)
class Volume:
    """One sequence as it was read.

    Attributes:
        values: real numbers [x, y, z] as stored.
        image: its geometry.
        where: it was read; begins sentences.
    """

    values: Image
    image: nib.Nifti1Image
    where: str


def together(
    volumes: Mapping[str, Volume], register: bool, warnings: list[str]
) -> tuple[dict[str, Image], dict[str, Motion]]:
    """Bring sequences onto FLAIR's grid: by what their headers say, or registered to FLAIR.

    Args:
        volumes: `flair` and any of `pre`, `post`.
        register: find how each was moved against FLAIR, too, and undo it; see `find_motion`.
        warnings: of the scan; sentences are added.

    Returns:
        Values on FLAIR's grid, [x, y, z] as FLAIR is stored, and the motions that were found, of the others alone.

    Raises:
        DataError: values are no picture, before or afterwards.
        UserError: registration was asked for, and its extra is not installed.
    """
    for volume in volumes.values():
        check_values(volume.values, volume.where)
    flair, motions, sequences = volumes["flair"], {}, {}
    for key, volume in volumes.items():
        if register and key != "flair":
            motions[key] = find_motion(volume.values, volume.image, flair.values, flair.image)
            warnings.extend(motions[key].warnings(volume.where))
        motion = motions[key].matrix if key in motions and not motions[key].still else None
        sequences[key] = on_grid(
            volume.values, volume.image, flair.image, flair.values.shape, volume.where, warnings, motion
        )
    return sequences, motions
