"""Masks of any origin, measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from brainseg.errors import DataError
from brainseg.radiogenomics.cohort import RadiogenomicsParams, measure
from brainseg.scans.masks import read_mask


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
        mask, spacing = read_mask(path)
        if not mask.any():
            raise DataError(f"{path} is empty: there is no tumour to measure; leave it out.")
        rows.append({"mask": str(path), "unit": "px" if spacing is None else "mm"} | measure(mask, params, spacing))
    return pd.DataFrame(rows)
