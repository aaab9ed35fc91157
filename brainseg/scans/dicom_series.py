"""The series that a folder of DICOM files holds: their headers first, the pixels of those that are chosen."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from brainseg.errors import DataError
from brainseg.scans.dicom_checks import Series, check_inflated

_PREAMBLE, _MARK = 128, b"DICM"


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark behind its preamble."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_PREAMBLE + len(_MARK))[_PREAMBLE:] == _MARK


def read_headers(folder: Path) -> list[Series]:
    """The image series in `folder` and the folders in it, without pixels, each with its slices in no order.

    A study has series of thousands of slices that nobody asked for.

    Raises:
        DataError: none is there, or a file is damaged.
    """
    series: dict[str, Series] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if is_dicom(path)):
        dataset = _read(path, pixels=False)
        kind = dataset.file_meta.get("MediaStorageSOPClassUID")
        if kind is None or "Image Storage" in kind.name:  # no reports, segmentations, presentation states
            if "Rows" not in dataset:
                raise _cut_off(path)
            series[str(dataset.get("SeriesInstanceUID", ""))].append(dataset)
    if not series:
        raise DataError(f"{folder} holds no DICOM images; name a folder with a series.")
    return list(series.values())


def read_pixels(series: Series) -> Series:
    """The same files, whole.

    Raises:
        DataError: a file is damaged, or has no pixels.
    """
    whole = [_read(Path(header.filename), pixels=True) for header in series]
    for dataset in whole:
        if "PixelData" not in dataset:
            raise _cut_off(dataset.filename)
    return whole


def first_header(folder: Path) -> Any | None:
    """The header of one file in `folder` or the folders in it; None where there is no DICOM.

    Raises:
        DataError: the file is damaged.
    """
    path = next((path for path in sorted(folder.rglob("*")) if is_dicom(path)), None)
    return None if path is None else _read(path, pixels=False)


def _cut_off(path: Path | str) -> DataError:
    return DataError(f"{path} is a DICOM image without its pixels; it is cut off, copy it again.")


def _read(path: Path, *, pixels: bool) -> Any:
    import pydicom

    try:
        check_inflated(path, pydicom.filereader.read_file_meta_info(path))
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except (DataError, PermissionError, MemoryError):
        raise
    except Exception:  # pydicom raises many kinds on damaged files
        raise DataError(f"{path} cannot be read as DICOM; it is damaged, copy it again.") from None
