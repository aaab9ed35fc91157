"""What a DICOM series says of itself: whether it is one MR acquisition of one person, and can be decoded."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainseg.errors import DataError, doubt
from brainseg.scans.geometry import check_size

Series = list[Any]  # of pydicom.Dataset
_MOST_INFLATED = 2**30
"""Bytes of one deflated file; 18 MB can be made to unpack to any size."""
_CHUNK = 2**22


def check_series(folder: Path, datasets: Series, trust: bool, warnings: list[str]) -> None:
    """Refuse what is no MR series, and name what highdicom would only refuse.

    Args:
        folder: for messages.
        datasets: of one SeriesInstanceUID.
        trust: take doubts for warnings.
        warnings: of the scan; sentences are added.

    Raises:
        DataError: colours, no codec, sizes, attributes missing or malformed, positions doubled or missing, or several
            files that are volumes.
        NotTrusted: another modality than MR, or several patients or studies.
    """
    _check_kind(folder, datasets, trust, warnings)
    _check_codec(folder, datasets)
    first = datasets[0]
    try:
        volume = many_frames(first)
    except (TypeError, ValueError):
        raise DataError(f"the series in {folder} has a NumberOfFrames that is no number; export it again.") from None
    if volume and len(datasets) > 1:
        raise DataError(
            f"the series in {folder} is {len(datasets)} files of many frames each, expected one; keep one of them."
        )
    frames = int(first.get("NumberOfFrames") or 0) if volume else len(datasets)
    check_size((frames, int(first.get("Rows") or 0), int(first.get("Columns") or 0)), f"the series in {folder}")
    if first.get("SamplesPerPixel", 1) != 1 or first.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise DataError(f"the series in {folder} is a colour picture (a screenshot?), expected grey values.")
    if not volume:
        _check_slices(folder, datasets)
    for dataset in datasets:
        if (there := len(dataset.PixelData)) < (needed := _pixel_bytes(dataset)):
            path = dataset.filename
            raise DataError(f"{path} has {there} of {needed} bytes of pixels; it is cut off, copy it again.")


def _pixel_bytes(dataset: Any) -> int:
    """So many its header promises; 0 where it is compressed, or does not say, which is told later."""
    try:
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            return 0
        numbers = [int(dataset.get(key) or 1) for key in ("NumberOfFrames", "SamplesPerPixel")]
        numbers += [int(dataset[key].value) for key in ("Rows", "Columns", "BitsAllocated")]
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0
    return math.prod(numbers) // 8


def _check_kind(folder: Path, datasets: Series, trust: bool, warnings: list[str]) -> None:
    modalities = _values(datasets, "Modality")
    if modalities - {"MR", ""}:
        found = ", ".join(sorted(modalities - {""}))
        doubt(f"the series in {folder} has the modality {found}, expected MR", trust, warnings)
    elif "" in modalities:
        warnings.append(f"the series in {folder} does not say its modality: taken for MR")
    for keyword, what in (("PatientID", "patients"), ("StudyInstanceUID", "studies")):
        if len(values := _values(datasets, keyword)) > 1:
            doubt(f"the series in {folder} mixes {len(values)} {what} ({keyword}), expected one", trust, warnings)
    greys = {f"{dataset.get('PhotometricInterpretation')} {inverted_by(dataset)}" for dataset in datasets}
    for values, what in (
        (_values(datasets, "FrameOfReferenceUID"), "frames of reference (FrameOfReferenceUID)"),
        (greys, "kinds of grey (PhotometricInterpretation, PresentationLUTShape)"),
    ):
        if len(values) > 1:
            raise DataError(
                f"the series in {folder} mixes {len(values)} {what}; expected one; keep the slices of one acquisition."
            )


def check_together(found: Mapping[str, Series], folder: Path, trust: bool, warnings: list[str]) -> None:
    """Whether the sequences belong together.

    Raises:
        NotTrusted: they are of several patients.
    """
    firsts = [datasets[0] for datasets in found.values()]
    if len(values := _values(firsts, "PatientID")) > 1:
        sentence = f"the sequences beside {folder} are of {len(values)} patients (PatientID), expected one"
        doubt(sentence, trust, warnings)
    elif len(_values(firsts, "StudyInstanceUID")) > 1:
        warnings.append("the sequences are of several studies: the head may have changed, or lie otherwise")
    elif len(_values(firsts, "FrameOfReferenceUID")) > 1:
        warnings.append("the sequences have several frames of reference: the head may have moved between them")


def inverted_by(dataset: Any) -> str:
    """What in the file wants its lowest value shown white; empty if nothing does."""
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        return "MONOCHROME1"
    return "PresentationLUTShape INVERSE" if dataset.get("PresentationLUTShape") == "INVERSE" else ""


def many_frames(dataset: Any) -> bool:
    """Whether one file holds a volume; some exporters say of each slice that it has one frame."""
    return "PerFrameFunctionalGroupsSequence" in dataset or int(dataset.get("NumberOfFrames") or 1) != 1


def check_inflated(path: Path, meta: Any) -> None:
    """Unpack a deflated file piece by piece, so that a bomb does not fill the memory.

    Raises:
        DataError: it unpacks to more than `_MOST_INFLATED` bytes.
    """
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    packed = path.read_bytes()[128 + 4 + 12 + int(meta.FileMetaInformationGroupLength) :]
    unpack, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed and not unpack.eof and size <= _MOST_INFLATED:
        size += len(unpack.decompress(packed, _CHUNK))
        packed = unpack.unconsumed_tail
    if size > _MOST_INFLATED:
        raise DataError(
            f"{path} unpacks to more than {_MOST_INFLATED:,} bytes, expected one DICOM image; leave it out."
        )


def _check_codec(folder: Path, datasets: Series) -> None:
    from pydicom.pixels import get_decoder

    for uid in {dataset.file_meta.get("TransferSyntaxUID") for dataset in datasets} - {None}:
        try:
            decoder = get_decoder(uid)
        except NotImplementedError:
            remedy = "which nothing here can decode; decompress"
        else:
            if decoder.is_available:
                continue
            needed = (text.split(" requires ")[-1] for text in decoder.missing_dependencies)
            packages = ", or ".join(re.sub("^gdcm", "python-gdcm", text) for text in needed)
            remedy = f"which needs {packages}; install that with pip, or decompress"
        raise DataError(
            f"the slices in {folder} are whole but compressed as {uid.name} ({uid}), {remedy} the series, e.g. by "
            "gdcmconv --raw."
        )


def _check_slices(folder: Path, datasets: Series) -> None:
    """One file a slice: numbers, sizes, orientations, doubled positions, gaps."""
    for keyword, count in (("ImageOrientationPatient", 6), ("ImagePositionPatient", 3), ("PixelSpacing", 2)):
        for dataset in datasets:
            _numbers(folder, dataset, keyword, count)
    attributes = (
        ("ImageOrientationPatient", "orientations"),
        ("Rows", "heights"),
        ("Columns", "widths"),
        ("PixelSpacing", "pixel sizes"),
    )
    for keyword, what in attributes:
        values = {_rounded(dataset.get(keyword)) for dataset in datasets}
        if len(values) > 1:
            raise DataError(
                f"the series in {folder} has slices of {len(values)} {what} (a localiser, or two series in one); "
                "expected one; keep the slices of one acquisition."
            )
    directions = np.array(datasets[0].ImageOrientationPatient, float).reshape(2, 3)
    if abs(np.linalg.norm(np.cross(*directions)) - 1) > 0.01:
        raise DataError(f"the series in {folder} has axes that are not at right angles; export it again.")
    if min(map(float, datasets[0].PixelSpacing)) <= 0:
        raise DataError(f"the series in {folder} has pixels of {datasets[0].PixelSpacing} mm; export it again.")
    _check_places(
        folder, sorted(float(np.cross(*directions) @ np.array(d.ImagePositionPatient, float)) for d in datasets)
    )


def _check_places(folder: Path, places: list[float]) -> None:
    steps = np.diff(places)
    if not len(steps):
        return
    if steps.min() < 1e-3:
        raise DataError(
            f"the series in {folder} has two slices at {places[int(steps.argmin())]:.1f} mm; "
            "expected each position once; keep one acquisition or echo."
        )
    usual = float(np.median(steps))
    if steps.max() > 1.5 * usual:
        at = int(steps.argmax())
        missing = round(steps[at] / usual) - 1
        raise DataError(
            f"the series in {folder} lacks {missing} slice{'s' if missing > 1 else ''} between {places[at]:.1f} and "
            f"{places[at + 1]:.1f} mm (its slices are {usual:.1f} mm apart); export it whole."
        )


def _values(datasets: Series, keyword: str) -> set[str]:
    return {str(dataset.get(keyword) or "") for dataset in datasets}


def _numbers(folder: Path, dataset: Any, keyword: str, count: int) -> None:
    """Refuse an attribute that is not `count` numbers."""
    value = dataset.get(keyword)
    if value is None or value == "":
        raise DataError(f"a slice in {folder} has no {keyword}; expected an axial, coronal or sagittal MR series.")
    try:
        numbers = [float(item) for item in value]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise DataError(f"a slice in {folder} has the {keyword} {value}, expected {count} numbers; export it again.")


def _rounded(value: Any) -> Any:
    try:
        return tuple(round(float(item), 3) for item in value)
    except TypeError:
        return value
