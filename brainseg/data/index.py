"""The index: every slice of every patient, its tumour pixels, and whether training keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from brainseg.data.integrity import SliceRecord
from brainseg.data.raw import institution
from brainseg.data.table import read_table
from brainseg.params import Params

COLUMNS = {"patient": str, "slice": int, "institution": str, "tumour_px": int, "labeled": bool, "kept": bool}


class FilterLabeledParams(Params):
    """Section `filter_labeled` of params.yaml.

    Attributes:
        empty_per_labeled: how many slices without tumour to keep per slice with tumour, within each
            patient; 0 keeps none (the original recipe), large values keep all.
    """

    empty_per_labeled: float = Field(ge=0, le=1000)


def build_index(records: Sequence[SliceRecord], params: FilterLabeledParams, seed: int) -> pd.DataFrame:
    """Decide for every slice whether training keeps it.

    Slices with tumour are kept. Of a patient's n others, round(empty_per_labeled * labelled) are drawn
    without replacement, all if that is n or more. The draw depends on the seed and the patient's name
    alone, so that neither another patient nor a larger ratio changes which slices come first.

    Args:
        records: every slice, each patient's in one piece.
        params: section `filter_labeled`.
        seed: the pipeline's seed.

    Returns:
        A row per record, in their order: patient (str), slice (int), institution (str), tumour_px (int),
        labeled (bool, tumour_px > 0), kept (bool).
    """
    index = pd.DataFrame(
        {
            "patient": [record.patient for record in records],
            "slice": [record.slice for record in records],
            "institution": [institution(record.patient) for record in records],
            "tumour_px": [record.tumour_px for record in records],
        }
    )
    index["labeled"] = index["tumour_px"] > 0
    index["kept"] = index["labeled"]
    for patient, rows in index.groupby("patient"):
        empty = rows.index[~rows["labeled"]].to_numpy()
        wanted = round(params.empty_per_labeled * int(rows["labeled"].sum()))
        order = np.random.default_rng([seed, *str(patient).encode()]).permutation(len(empty))
        index.loc[empty[order[:wanted]], "kept"] = True
    return index


def read_index(path: Path) -> pd.DataFrame:
    """Read what the stage `filter_labeled` wrote.

    Raises:
        DataError: the file is missing, is no CSV, lacks a column, holds values of another kind or a slice twice.
    """
    return read_table(path, COLUMNS)


def dataset_metrics(index: pd.DataFrame) -> dict[str, Any]:
    """Counts of the whole dataset and, under `institutions`, of each institution."""
    return {
        "patients": int(index["patient"].nunique()),
        "slices": len(index),
        "labeled": int(index["labeled"].sum()),
        "empty": int((~index["labeled"]).sum()),
        "kept": int(index["kept"].sum()),
        "tumour_px": int(index["tumour_px"].sum()),
        "institutions": {
            str(name): {
                "patients": int(rows["patient"].nunique()),
                "slices": len(rows),
                "labeled": int(rows["labeled"].sum()),
            }
            for name, rows in index.groupby("institution")
        },
    }


def institution_table(index: pd.DataFrame) -> pd.DataFrame:
    """Number of slices by institution and kind, for a bar plot.

    Returns:
        Columns institution (str), kind ("labeled" or "empty"), slices (int); two rows per institution.
    """
    rows = [
        {"institution": name, "kind": kind, "slices": int((part["labeled"] == wanted).sum())}
        for name, part in index.groupby("institution")
        for kind, wanted in (("labeled", True), ("empty", False))
    ]
    return pd.DataFrame(rows, columns=["institution", "kind", "slices"])
