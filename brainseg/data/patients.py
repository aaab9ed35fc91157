"""A row per patient: how many slices, how much tumour."""

from __future__ import annotations

import pandas as pd


def patient_table(index: pd.DataFrame) -> pd.DataFrame:
    """Sum up index.csv by patient.

    Args:
        index: columns patient, institution, slice, labeled, tumour_px at least.

    Returns:
        patient, institution, slices, labeled, tumour_px; sorted by patient.
    """
    groups = index.groupby(["patient", "institution"], sort=True)
    table = groups.agg(slices=("slice", "size"), labeled=("labeled", "sum"), tumour_px=("tumour_px", "sum"))
    return table.reset_index()
