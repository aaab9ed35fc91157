"""Is every slice of the raw tree fit to work on? Asked before any work starts."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainseg.data.raw import MASK_SUFFIX, TREE, RawSlice, list_patients, list_slices, read_tif
from brainseg.data.slices import U8, size_text
from brainseg.errors import DataError, DatasetError
from brainseg.progress import progress

# Decoding releases the interpreter's lock only in part: more threads gain nothing.
THREADS = 2
_TEXTS = ("data.csv", "README.md")


@dataclass(frozen=True)
class SliceRecord:
    """What one pass over the files tells of a slice."""

    patient: str
    slice: int
    tumour_px: int


@dataclass(frozen=True)
class _Decoded:
    """One slice after decoding; None where a file is missing, unreadable or wrong."""

    number: int
    size: tuple[int, ...] | None
    image_hash: bytes | None
    tumour_px: int | None
    problems: list[str]


def scan(raw: Path) -> list[SliceRecord]:
    """Decode every file of a raw tree once, verify it, and count tumour pixels.

    Verified: each slice has an image uint8 [height, width, 3] and a mask uint8 [height, width] of the same
    size, one size in a stack; masks hold 0 and 255, or 0 and 1 (as some tools write them), nothing else;
    numbers follow each other without a gap; no number and no picture (unless it is all black) comes twice
    in a stack; no file is there that is not of the dataset.

    Args:
        raw: folder that holds `kaggle_3m`.

    Returns:
        One record per slice, by patient and rising slice number.

    Raises:
        DataError: there is no patient.
        DatasetError: lists every problem, by patient and slice.
    """
    folders = list_patients(raw)
    problems = [
        f"{path} is not of the dataset; remove it."
        for path in sorted((raw / TREE).iterdir())
        if path.is_file() and path.name not in _TEXTS
    ]
    records: list[SliceRecord] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for folder in progress(folders, "Checking"):
            found, wrong = check_patient(folder, pool)
            records += found
            problems += wrong
    if problems:
        raise DatasetError(f"{raw / TREE} is not fit to work on; mend it or run download again:", problems)
    return records


def check_patient(folder: Path, pool: ThreadPoolExecutor) -> tuple[list[SliceRecord], list[str]]:
    """Verify one patient folder as `scan` does.

    Args:
        folder: `<patient>` with `<patient>_<slice>.tif` and `_mask.tif`.
        pool: threads that decode the files.

    Returns:
        Records of the slices whose mask is sound, and one sentence for each problem.
    """
    entries, strangers = list_slices(folder)
    problems = [_stranger(path, folder.name) for path in strangers]
    if not entries:
        problems.append(f"{folder} holds no {folder.name}_<slice>.tif; restore or remove that folder.")
        return [], problems
    decoded = list(pool.map(_decode, entries))
    for slice_ in decoded:
        problems += slice_.problems
    problems += _stack_problems(folder, decoded)
    records = [SliceRecord(folder.name, d.number, d.tumour_px) for d in decoded if d.tumour_px is not None]
    return records, problems


def _stranger(path: Path, patient: str) -> str:
    case, _, number = path.stem.removesuffix(MASK_SUFFIX).rpartition("_")
    if case == patient and number.isdigit() and path.suffix.lower() in {".tif", ".tiff"}:
        return f"{path} is slice {int(number)} a second time; keep one of them."
    return f"{path} is no slice, expected {patient}_<slice>.tif or {patient}_<slice>_mask.tif; remove it."


def _decode(entry: RawSlice) -> _Decoded:
    """Read both files of a slice and note what is wrong with either or between them."""
    problems: list[str] = []
    image = _read(entry.image, problems)
    mask = _read(entry.mask, problems)
    if entry.image is None:
        problems.append(f"{entry.mask} has no image beside it; restore the image or remove the mask.")
    if entry.mask is None:
        problems.append(f"{entry.image} has no mask beside it; restore the mask, all 0 if there is no tumour.")
    if image is not None and (image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3):
        problems.append(f"{entry.image} is {_kind(image)}, expected uint8 [height, width, 3].")
        image = None
    if mask is not None and (mask.dtype != np.uint8 or mask.ndim != 2):
        problems.append(f"{entry.mask} is {_kind(mask)}, expected uint8 [height, width].")
        mask = None
    if image is not None and mask is not None and image.shape[:2] != mask.shape:
        problems.append(f"{entry.mask} is {size_text(mask.shape)} pixels, its image {size_text(image.shape[:2])}.")
    if mask is not None and not _is_binary(mask):
        values = np.unique(mask).tolist()
        problems.append(f"{entry.mask} holds the values {_few(values)}, expected 0 and 255 (or 0 and 1).")
        mask = None
    return _Decoded(
        number=entry.number,
        size=None if image is None else image.shape[:2],
        image_hash=None if image is None or not image.any() else hashlib.blake2b(image.tobytes()).digest(),
        tumour_px=None if mask is None else int(np.count_nonzero(mask)),
        problems=problems,
    )


def _read(path: Path | None, problems: list[str]) -> U8 | None:
    try:
        return None if path is None else read_tif(path)
    except DataError as error:
        problems.append(str(error))
        return None


def _is_binary(mask: U8) -> bool:
    return np.count_nonzero(mask) in (np.count_nonzero(mask == 255), np.count_nonzero(mask == 1))


def _kind(array: U8) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _few(values: list[int], shown: int = 6) -> str:
    return ", ".join(map(str, values[:shown])) + (", ..." if len(values) > shown else "")


def _stack_problems(folder: Path, decoded: list[_Decoded]) -> list[str]:
    """What is wrong between the slices of a patient: gaps, sizes, the same picture twice."""
    problems = []
    numbers = [d.number for d in decoded]
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    if missing:
        span = f"{numbers[0]} to {numbers[-1]}"
        problems.append(f"{folder} has slices {span} without {_few(missing)}; restore what is missing.")
    sizes = Counter(d.size for d in decoded if d.size is not None)
    usual = sizes.most_common(1)[0][0] if sizes else ()
    first: dict[bytes, int] = {}
    for d in decoded:
        name = f"{folder / folder.name}_{d.number}.tif"
        if d.size is not None and d.size != usual:
            found, expected = size_text(d.size), size_text(usual)
            problems.append(f"{name} is {found} pixels, expected {expected} as in the rest of the stack.")
        if d.image_hash is not None and first.setdefault(d.image_hash, d.number) != d.number:
            problems.append(f"{name} is the same picture as slice {first[d.image_hash]}; restore the right one.")
    return problems
