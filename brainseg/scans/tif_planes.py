"""What is the same of TIF slices and of the pages of one TIF: channels, values, and how they are written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from brainseg.data.slices import FLAIR, Bool, Int, size_text
from brainseg.errors import DataError
from brainseg.scans.scan import SEQUENCES, Image, Origin, Scan, check_values, fill_sequences, missing_warning


def scan_of_planes(
    stack: Image,
    numbers: Int,
    origin: Origin,
    *,
    name: str,
    source: Path,
    warnings: Sequence[str],
    truth: Bool | None,
) -> Scan:
    """A scan without spacing.

    Args:
        stack: [n, height, width] of FLAIR, or [n, height, width, 3] of pre-contrast, FLAIR and post-contrast; a fourth
            channel is left out with a warning.
        numbers: int64 [n], of the slices.
        origin: writes a mask of the stack.
        name: of the case.
        source: file or folder that was read.
        warnings: of what was read.
        truth: bool [n, height, width], where it was asked for.

    Raises:
        DataError: another number of channels, or values that are no picture.
    """
    stack, more = _sequences(stack, source)
    given = SEQUENCES if stack.ndim == 4 else ("flair",)
    images = stack if stack.ndim == 4 else fill_sequences({"flair": stack})
    check_values(images[..., FLAIR], f"FLAIR (the {'second' if stack.ndim == 4 else 'only'} channel) of {source}")
    return Scan(
        name=name,
        images=images,
        spacing=None,
        slices=numbers,
        given=given,
        sources=(source,),
        warnings=(*warnings, *more, *missing_warning(given)),
        origin=origin,
        truth=truth,
    )


def write_tif(path: Path, planes: Image) -> None:
    """Write a slice, or a stack as pages; a mask as 0 and 255.

    By way of memory: on a full disk tifffile's own error is no help.
    """
    if planes.dtype == bool:
        planes = planes.astype(np.uint8) * 255
    encoded = io.BytesIO()
    tifffile.imwrite(encoded, planes, photometric="minisblack")
    path.write_bytes(encoded.getbuffer())


def _sequences(stack: Image, source: Path) -> tuple[Image, list[str]]:
    """[n, height, width] or [n, height, width, 3], and warnings."""
    warnings = []
    channels = 1 if stack.ndim == 3 else stack.shape[-1]
    if stack.ndim not in (3, 4) or channels not in (1, 3, 4):
        raise DataError(
            f"the slices of {source} are {size_text(stack.shape[1:])}, expected [height, width] of FLAIR or "
            "[height, width, 3] of pre-contrast, FLAIR and post-contrast; save one slice a file, or pages alike."
        )
    if stack.dtype.kind not in "uif":
        raise DataError(f"the slices of {source} hold {stack.dtype}, expected 8-bit or 16-bit numbers; save them anew.")
    if stack.dtype != np.uint8:
        warnings.append(f"the slices are {stack.dtype}, not 8-bit: brightness is scaled by the volume's maximum")
    if channels == 4:
        warnings.append("the slices have a fourth channel (opacity), which was left out")
        stack = stack[..., :3]
    return stack[..., 0] if stack.ndim == 4 and channels == 1 else stack, warnings
