"""Masks of any origin, measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from brainseg.cohort.records import Record, whole_records
from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.radiogenomics.cohort import RadiogenomicsParams, measure
from brainseg.scans.masks import read_numbered_mask
from brainseg.scans.nifti_file import is_nifti


def find_masks(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The masks of what the user named.

    Args:
        paths: see `read_mask`; and folders that `brainseg predict` wrote, which stand for all masks in them.

    Returns:
        Mask files and folders of mask slices, in the order given, and the names of predict's cases without tumour.

    Raises:
        DataError: no result in such a folder has tumour.
    """
    masks: list[Path] = []
    without: list[str] = []
    for path in paths:
        records = whole_records(path) if path.is_dir() else {}
        records = {case: record for case, record in records.items() if "tumour" in record.content}
        empty = [case for case, record in records.items() if not record.content["tumour"]["voxels"]]
        full = [_mask(path, record) for case, record in records.items() if case not in empty]
        if records and not full:
            raise DataError(f"{path} holds {len(records)} results of brainseg predict, all without tumour.")
        masks += full or [path]
        without += empty
    return masks, without


def _mask(out: Path, record: Record) -> Path:
    """The file, or the folder of the slices, which is called after the case."""
    mask = out / next(name for name in record.files if name.endswith((f"{MASK_SUFFIX}.nii.gz", f"{MASK_SUFFIX}.tif")))
    return mask if mask.parent.samefile(out) or is_nifti(mask) else mask.parent


def shapes_of_files(paths: Sequence[Path], params: RadiogenomicsParams) -> pd.DataFrame:
    """Measure mask files and folders of mask slices.

    Args:
        paths: see `read_mask`.
        params: see `RadiogenomicsParams`.

    Returns:
        A row per mask in the order given: mask, unit (mm where the file says its spacing, otherwise px), and the
        columns of `measure`.

    Raises:
        DataError: a mask cannot be read, or is empty.
    """
    rows = []
    for path in paths:
        mask, spacing, numbers = read_numbered_mask(path)
        if not mask.any():
            raise DataError(f"{path} is empty: there is no tumour to measure; leave it out.")
        unit = "px" if spacing is None else "mm"
        rows.append({"mask": str(path), "unit": unit} | measure(mask, numbers, params, spacing))
    return pd.DataFrame(rows)
