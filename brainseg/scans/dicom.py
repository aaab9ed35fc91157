"""DICOM series, read and put in order by highdicom."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from brainseg.errors import DataError
from brainseg.scans.affine import check_affine
from brainseg.scans.dicom_checks import (
    Series,
    check_inflated,
    check_series,
    check_together,
    inverted_by,
    many_frames,
)
from brainseg.scans.geometry import check_field
from brainseg.scans.nifti import NiftiOrigin, axial_size, from_nibabel, on_grid
from brainseg.scans.quiet import overheard
from brainseg.scans.scan import Scan, check_values


@dataclass(frozen=True)
class DicomOrigin(NiftiOrigin):
    """The FLAIR's slices, and the volume that they make as a NIfTI image."""

    series: tuple[Any, ...] = ()
    kind: str = "dicom"


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark behind its preamble."""
    from pydicom.misc import is_dicom as marked

    return path.is_file() and marked(path)


def read_dicom(folders: Mapping[str, Path], name: str | None = None, *, trust: bool = False) -> Scan:
    """Read FLAIR, and pre- and post-contrast where given or recognised, into an axial stack.

    Args:
        folders: `flair` and any of `pre`, `post`. `flair` alone may hold several series, also in folders of its own:
            they are told apart by their descriptions and contrast agent.
        name: of the case; that of the folder if None.
        trust: take doubts for warnings.

    Raises:
        DataError: no DICOM, series that cannot be told apart, slices missing or of several orientations, or values
            that are no picture.
        NotTrusted: no MR, several patients or studies, or sizes of no head.
    """
    said: list[str] = []
    with overheard(said, str(folders["flair"])):
        scan = _read(folders, name, trust)
    return replace(scan, warnings=(*scan.warnings, *said))


def _read(folders: Mapping[str, Path], name: str | None, trust: bool) -> Scan:
    warnings: list[str] = []
    if len(folders) == 1:
        found = tell_apart(folders["flair"], read_series(folders["flair"]))
    else:
        found = {key: _only(folder, read_series(folder)) for key, folder in folders.items()}
    where = {key: folders.get(key, folders["flair"]) for key in found}
    check_together(found, folders["flair"], trust, warnings)
    volumes = {key: _volume(where[key], datasets, trust, warnings) for key, datasets in found.items()}
    flair = volumes["flair"]
    shape = flair.shape
    sequences = {}
    for key, image in volumes.items():
        values = np.asarray(image.dataobj)
        check_values(values, f"the {key} series in {where[key]}")
        moved = None if key == "flair" else on_grid(values, image, flair, shape)
        if moved is not None:
            warnings.append(f"the {key} series has another grid than FLAIR and was resampled to it")
            check_values(moved, f"the {key} series in {where[key]}, resampled to the grid of FLAIR,")
        sequences[key] = values if moved is None else moved
    origin = DicomOrigin(flair, series=tuple(found["flair"]))
    sources = tuple(dict.fromkeys(folders.values()))
    return from_nibabel(name or folders["flair"].name, sequences, flair, sources, warnings, origin)


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


def _only(folder: Path, series: list[Series]) -> Series:
    if len(series) > 1:
        names = "; ".join(sorted(repr(_title(other[0])) for other in series))
        raise DataError(f"{folder} holds {len(series)} series ({names}), expected one; put them into folders.")
    return series[0]


def _volume(folder: Path, datasets: Series, trust: bool, warnings: list[str]) -> nib.Nifti1Image:
    """Sort the slices by position and stack them, with rescaling, bright as the file means it."""
    import highdicom

    check_series(folder, datasets, trust, warnings)
    how: Any = {"dtype": np.float32, "apply_presentation_lut": False}
    try:
        if many_frames(datasets[0]):
            image = highdicom.image.Image.from_dataset(datasets[0]).get_volume(**how).to_nibabel()
        elif len(datasets) == 1:
            image = _single(folder, datasets[0], warnings)
        else:
            image = highdicom.get_volume_from_series(datasets, rtol=0.05, **how).to_nibabel()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # pydicom and highdicom raise many kinds on headers that lie
        raise DataError(
            f"the slices in {folder} do not make a volume ({' '.join(str(error).split())[:200]}); expected one series "
            "of parallel slices of one size, evenly spaced."
        ) from None
    check_affine(image, f"the series in {folder}")
    check_field(*axial_size(image), f"the series in {folder}", trust, warnings)
    if not (why := inverted_by(datasets[0])):
        return image
    warnings.append(f"the series in {folder} stores white as its lowest value ({why}): inverted")
    values = np.asarray(image.dataobj)
    return nib.Nifti1Image(values.max() + values.min() - values, image.affine)


def _single(folder: Path, dataset: Any, warnings: list[str]) -> nib.Nifti1Image:
    """One slice alone; its thickness stands for the distance."""
    thickness = float(dataset.get("SliceThickness") or 0)
    if not thickness:
        warnings.append(f"the only slice in {folder} does not say its thickness: volumes are those of 1 mm")
        thickness = 1.0
    if not (math.isfinite(thickness) and thickness > 0):
        raise DataError(f"the only slice in {folder} has a thickness of {thickness:g} mm; export it again.")
    affine = np.eye(4)
    across, down = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    rows_mm, columns_mm = map(float, dataset.PixelSpacing)
    affine[:3, :3] = np.stack([across * columns_mm, down * rows_mm, np.cross(across, down) * thickness], 1)
    affine[:3, 3] = np.array(dataset.ImagePositionPatient, float)
    values = dataset.pixel_array.astype(np.float32) * float(dataset.get("RescaleSlope", 1))
    values += float(dataset.get("RescaleIntercept", 0))
    return nib.Nifti1Image(values.T[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
