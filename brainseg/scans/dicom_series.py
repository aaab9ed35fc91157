"""The series that a folder of DICOM files holds, and which sequence each of them is."""

from __future__ import annotations

import re
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


def read_series(folder: Path) -> list[Series]:
    """The image series in `folder` and the folders in it, each with its slices in no order.

    Raises:
        DataError: none is there, or a file is damaged.
    """
    import pydicom

    series: dict[str, Series] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if is_dicom(path)):
        try:
            check_inflated(path, pydicom.filereader.read_file_meta_info(path))
            dataset = pydicom.dcmread(path)
        except (DataError, PermissionError, MemoryError):
            raise
        except Exception as error:  # pydicom raises many kinds on damaged files
            raise DataError(f"{path} cannot be read as DICOM ({type(error).__name__}); copy it again.") from None
        kind = dataset.file_meta.get("MediaStorageSOPClassUID")
        if "PixelData" not in dataset and (kind is None or "Image Storage" in kind.name):
            raise DataError(f"{path} is a DICOM image without its pixels; it is cut off, copy it again.")
        if "PixelData" in dataset:
            series[str(dataset.get("SeriesInstanceUID", ""))].append(dataset)
    if not series:
        raise DataError(f"{folder} holds no DICOM images; name a folder with a series.")
    return list(series.values())


def tell_apart(folder: Path, series: list[Series]) -> dict[str, Series]:
    """Which series is which sequence; one series is FLAIR, whatever it is called.

    Raises:
        DataError: a series is not recognised, or two claim one sequence.
    """
    if len(series) == 1:
        return {"flair": series[0]}
    found: dict[str, Series] = {}
    for datasets in series:
        key = _sequence(datasets[0])
        if key is None or key in found:
            names = "; ".join(sorted(repr(_title(other[0])) for other in series))
            why = "is not recognised" if key is None else f"is {key} as another one"
            raise DataError(
                f"{folder} holds {len(series)} series ({names}), of which {_title(datasets[0])!r} {why}; "
                "name the folders of one series each with --flair, --pre and --post."
            )
        found[key] = datasets
    if "flair" not in found:
        raise DataError(f"{folder} holds no series called FLAIR; name its folder with --flair.")
    return found


def _sequence(dataset: Any) -> str | None:
    title = _title(dataset).lower()
    if "flair" in title or "dark fluid" in title:
        return "flair"
    if not re.search(r"t1|mprage|spgr|bravo|tfe", title):
        return None
    contrast = bool(dataset.get("ContrastBolusAgent")) or re.search(r"post|gd|gad|\+ ?c\b|contrast|\bce\b", title)
    before = re.search(r"\bpre\b|without|w/o|\bnon", title)
    return "post" if contrast and not before else "pre"


def _title(dataset: Any) -> str:
    return str(dataset.get("SeriesDescription") or dataset.get("ProtocolName") or "no description")


def only_series(folder: Path, series: list[Series]) -> Series:
    """The one series of a folder that stands for one sequence.

    Raises:
        DataError: there are several.
    """
    if len(series) > 1:
        names = "; ".join(sorted(repr(_title(other[0])) for other in series))
        raise DataError(f"{folder} holds {len(series)} series ({names}), expected one; put them into folders.")
    return series[0]
