"""What `brainseg.segment` was given, as a scan: an array, paths, or nibabel's image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from brainseg.errors import DataError, doubt
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.cases import find_cases
from brainseg.scans.geometry import check_field, check_size
from brainseg.scans.scan import SEQUENCES, Image, Scan, Spacing, check_values, fill_sequences, missing_warning
from brainseg.segmentation.axes import axis_doubts


def scan_of(volume: Any, spacing: Spacing | None, trust: bool, changes: Sequence[str] = ()) -> Scan:
    """The scan to segment.

    Args:
        volume: see `brainseg.segment`.
        spacing: of an array alone.
        trust: doubts are warnings.
        changes: what is to be done with the scan; see `Case`.

    Raises:
        DataError: nothing that can be segmented, a spacing beside what has one of its own, or changes of an array.
        NotTrusted: it is probably not what it is taken for.
        UserError: the changes need an extra that is not installed.
    """
    if isinstance(volume, np.ndarray | list | tuple):
        if changes:
            raise DataError("register and n4 change scans as they are read; give a path, or change the array before.")
        return _of_array(np.asarray(volume), spacing, trust)
    if spacing is not None:
        raise DataError("a file or an image has its own spacing; leave out spacing.")
    if isinstance(volume, str | os.PathLike):
        return _of_paths([Path(volume)], {}, trust, changes)
    if isinstance(volume, Mapping):
        if unknown := sorted({str(key) for key in volume} - {*SEQUENCES}):
            raise DataError(f"the volume has {', '.join(unknown)}, expected paths under flair, pre and post.")
        return _of_paths([], {key: Path(path) for key, path in volume.items()}, trust, changes)
    if hasattr(volume, "affine") and hasattr(volume, "dataobj"):
        return _of_nibabel(volume, trust, changes)
    raise DataError(
        f"the volume is of type {type(volume).__name__}, expected an array, a path, a mapping of paths, or "
        "an image of nibabel."
    )


def _of_paths(inputs: Sequence[Path], sequences: Mapping[str, Path], trust: bool, changes: Sequence[str]) -> Scan:
    cases = find_cases(inputs, sequences, changes=changes)
    if len(cases) != 1:
        raise DataError(
            f"{inputs[0]} holds {len(cases)} scans, expected one; name one, or use brainseg predict for all."
        )
    return cases[0].read(trust=trust)


def _of_nibabel(image: Any, trust: bool, changes: Sequence[str]) -> Scan:
    """By way of a file, so that the same is looked at, and refused, as by `brainseg predict`."""
    import nibabel as nib

    check_size(image.shape[:3], "the image")
    with TemporaryDirectory() as folder:
        path = Path(folder, "image.nii")
        plain = image if isinstance(image, nib.Nifti1Image) else nib.Nifti1Image.from_image(image)
        plain.to_filename(path)
        return _of_paths([path], {}, trust, changes)


def _of_array(volume: Image, spacing: Spacing | None, trust: bool) -> Scan:
    if volume.ndim not in (3, 4) or (volume.ndim == 4 and volume.shape[3] != 3):
        raise DataError(f"the volume is {volume.shape}, expected [n, height, width] or [n, height, width, 3].")
    if spacing is not None and (len(spacing) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing)):
        raise DataError(f"the spacing is {spacing}, expected millimetres between slices, rows and columns.")
    channels = {name: volume[..., i] for i, name in enumerate(SEQUENCES)} if volume.ndim == 4 else {"flair": volume}
    for name, values in channels.items():
        check_values(values, f"the volume's {name}")
    given = tuple(channels)
    warnings: list[str] = []
    for sentence in axis_doubts(channels["flair"]):
        doubt(sentence, trust, warnings)
    if spacing is not None:
        check_field(volume.shape[:3], spacing, "the volume", trust, warnings)
    return Scan(
        name="volume",
        images=volume if volume.ndim == 4 else fill_sequences(channels),
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        slices=np.arange(len(volume)),
        given=given,
        sources=(),
        warnings=tuple(warnings + missing_warning(given)),
        origin=ArrayOrigin(),
    )
