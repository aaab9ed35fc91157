"""The raw tree, `kaggle_3m/<patient>/<patient>_<slice>.tif` and `_mask.tif`: listing and reading."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from brainseg.data.slices import U8, SliceSet, size_text
from brainseg.errors import DataError

TREE = "kaggle_3m"
MASK_SUFFIX = "_mask"
MOST_NUMBERS = 2**26
"""In one file: 4096 x 4096 with four channels, more than any slice has; or 512 x 512 x 256 of pages."""
_NUMBERED = re.compile(r"^(?P<case>.+)_(?P<number>\d+)$")


@dataclass(frozen=True)
class RawSlice:
    """One slice on disk: its number and the two files, of which either may be missing."""

    number: int
    image: Path | None
    mask: Path | None


def barcode(patient: str) -> str:
    """The barcode `TCGA_<site>_<participant>` of a folder `TCGA_<site>_<participant>_<date>`."""
    return "_".join(patient.split("_")[:3])


def institution(patient: str) -> str:
    """The tissue source site of a TCGA barcode: TCGA_<site>_<participant>_<date>."""
    parts = patient.split("_")
    return parts[1] if len(parts) >= 3 else "unknown"


def list_patients(raw: Path) -> list[Path]:
    """Patient folders of a raw tree, sorted by name.

    Raises:
        DataError: no `kaggle_3m` folder, or no patient folder in it.
    """
    tree = raw / TREE
    folders = sorted(path for path in tree.iterdir() if path.is_dir()) if tree.is_dir() else []
    if not folders:
        raise DataError(
            f"{tree} has no patient folders, expected {TREE}/<patient>/<patient>_<slice>.tif; run download."
        )
    return folders


def list_slices(folder: Path) -> tuple[list[RawSlice], list[Path]]:
    """Slices of one patient folder by rising number, and the files that are no slice of it."""
    images: dict[int, Path] = {}
    masks: dict[int, Path] = {}
    strangers = []
    for path in sorted(folder.iterdir()):
        is_mask = path.stem.endswith(MASK_SUFFIX)
        match = _NUMBERED.match(path.stem.removesuffix(MASK_SUFFIX))
        if path.suffix.lower() not in {".tif", ".tiff"} or not match or match["case"] != folder.name:
            strangers.append(path)
            continue
        side = masks if is_mask else images
        if int(match["number"]) in side:
            strangers.append(path)  # e.g. _1.tif beside _01.tif
            continue
        side[int(match["number"])] = path
    numbers = sorted(images.keys() | masks.keys())
    return [RawSlice(n, images.get(n), masks.get(n)) for n in numbers], strangers


def read_tif(path: Path) -> U8:
    """Decode one TIF: its values as they are meant to be seen (see `decode_tif`).

    Raises:
        DataError: as `decode_tif`.
    """
    return decode_tif(path)[0]


def decode_tif(path: Path) -> tuple[U8, bool]:
    """Decode one TIF, and say whether it stored white as its lowest value and was inverted.

    A palette of greys is looked up.

    Raises:
        DataError: unreadable or truncated, without its codec, of more than `MOST_NUMBERS`, a palette of colours, or
            inverted values that are no integers.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            _require_size(path, tif.series[0].shape)
            page = tif.pages[0]
            return _as_meant(path, np.asarray(tif.asarray()), page)
    except (DataError, MemoryError, PermissionError):
        raise
    except Exception as error:  # tifffile raises many kinds on damaged files
        if "imagecodecs" in str(error):
            raise DataError(
                f"{path} is whole but compressed{_by(error)}; pip install imagecodecs, or save the file uncompressed."
            ) from None
        raise DataError(f"{path} cannot be read as TIF ({why_unreadable(error)}); fetch it again.") from None


def _by(error: Exception) -> str:
    """The compression that tifffile's error names."""
    found = re.search(r"COMPRESSION\.(\w+)", str(error))
    return f" as {found[1]}" if found else ""


def why_unreadable(error: Exception) -> str:
    """What tifffile's error means to a person."""
    return "it does not begin as a TIF does" if "not a TIFF file" in str(error) else "it is damaged, or was cut off"


def _require_size(path: Path, shape: tuple[int, ...]) -> None:
    if math.prod(map(int, shape)) > MOST_NUMBERS:
        raise DataError(
            f"{path} claims {size_text(shape)} numbers, expected at most 2^26 in a file: its header is damaged, it is "
            "no scan, or it is a stack to be saved as one slice a file."
        )


def _as_meant(path: Path, values: Any, page: Any) -> tuple[U8, bool]:
    photometric = getattr(page.photometric, "name", "")
    if photometric == "PALETTE" and page.colormap is not None:
        greys = page.colormap[0]
        if (page.colormap != greys).any():
            raise DataError(f"{path} has a palette of colours, expected grey values or RGB; save it as one of these.")
        # TIF has 16 bits there; programs that fill them from 8 bits do it by 256 or by 257
        return (greys >> 8).astype(np.uint8)[values], False
    if photometric != "MINISWHITE":
        return values, False
    if values.dtype.kind not in "ub":
        raise DataError(f"{path} stores white as its lowest value, in {values.dtype}; save it with black as 0.")
    return (~values if values.dtype.kind == "b" else np.iinfo(values.dtype).max - values), True


def read_patient(folder: Path) -> SliceSet:
    """Read a verified patient folder (see integrity.check_patient) into memory."""
    entries, _ = list_slices(folder)
    images = np.stack([read_tif(entry.image) for entry in entries if entry.image])
    masks = np.stack([read_tif(entry.mask) for entry in entries if entry.mask]) > 0
    return SliceSet(images, masks, np.ones(masks.shape, bool), np.array([entry.number for entry in entries]))
