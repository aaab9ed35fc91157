"""Scans of one small plane as bytes, and what lies in a folder."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import tifffile

from tests.scans.heads import as_nifti

PLANE = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)
NIFTI = as_nifti(np.stack([PLANE, PLANE.T]), (12.0, 6.0, 6.0)).to_bytes()  # 144 mm, as a head


def _tif() -> bytes:
    encoded = io.BytesIO()
    tifffile.imwrite(encoded, PLANE)
    return encoded.getvalue()


TIF = _tif()


def snapshot(root: Path) -> dict[str, bytes | str | None]:
    """Everything below `root`: bytes of files, targets of links, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for folder, inner, files in os.walk(root):
        for path in (Path(folder) / name for name in [*inner, *files]):
            kept = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(root))] = kept
    return found
