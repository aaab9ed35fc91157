"""Who is in which split: by patient (stratified, optionally k-fold) or by slice (the leaky original recipe)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from brainseg.data.table import read_table
from brainseg.errors import DataError
from brainseg.params import Params

SPLITS = ("train", "val", "test")
COLUMNS = {"patient": str, "slice": int, "split": str}


class SplitParams(Params):
    """How patients (or slices) are divided.

    Attributes:
        by: `patient` keeps every slice of a patient on one side; `slice` is the original recipe, which leaks.
        val: share of patients (slices) for validation, 0 to 1.
        test: share for the test; unused where `folds` is above 1 (then each fold is the test once).
        folds: 1 for a single split, otherwise the number of folds, by patient.
        fold: which fold is the test, 0 to folds - 1.
    """

    by: Literal["patient", "slice"]
    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    folds: int = Field(ge=1, le=110)
    fold: int = Field(ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> SplitParams:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test is {self.val + self.test:g}, which leaves nothing to train on")
        if self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, expected 0 to {self.folds - 1} for {self.folds} folds")
        if self.by == "slice" and self.folds > 1:
            raise ValueError("folds are made by patient only, set split.by to patient or split.folds to 1")
        return self

    @property
    def leaky(self) -> bool:
        """Whether a patient can be on two sides."""
        return self.by == "slice"


def make_split(index: pd.DataFrame, params: SplitParams, seed: int) -> pd.DataFrame:
    """Assign every slice of the index to train, val or test.

    Args:
        index: one row per slice with `patient`, `slice`, `institution`, `tumour_px`.
        params: the shares and the unit.
        seed: the same seed and index give the same split.

    Returns:
        patient, slice, split; in the order of the index.

    Raises:
        DataError: too few patients (slices) to give each split at least one.
    """
    if params.by == "slice":
        units, strata = np.arange(len(index)), (index["tumour_px"] > 0).astype(int).to_numpy()
    else:
        units, strata = _patients_and_strata(index)
    test, rest = _test_part(units, strata, params, seed)
    val_share = params.val if params.folds > 1 else params.val / (1 - params.test)
    train, val = _draw(rest, strata[np.isin(units, rest)], val_share, seed + 1, "val")
    side = dict.fromkeys(train, "train") | dict.fromkeys(val, "val") | dict.fromkeys(test, "test")
    keys = np.arange(len(index)) if params.by == "slice" else index["patient"].to_numpy()
    return index[["patient", "slice"]].assign(split=[side[key] for key in keys])


def read_split(path: Path) -> pd.DataFrame:
    """Read split.csv.

    Raises:
        DataError: the file is missing, is no CSV, lacks a column, holds values of another kind, names a
            split that does not exist, or a slice twice.
    """
    table = read_table(path, COLUMNS)
    if strange := set(table["split"]) - set(SPLITS):
        raise DataError(f"{path} names the split {min(strange)!r}, expected {', '.join(SPLITS)}; run split.")
    return table


def _patients_and_strata(index: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Patients and their stratum: institution crossed with small or large tumour within it.

    Strata of a single patient cannot be divided; they are pooled.
    """
    grouped = index.groupby("patient", sort=True)
    table = grouped.agg(institution=("institution", "first"), tumour_px=("tumour_px", "sum"))
    middle = table.groupby("institution")["tumour_px"].transform("median")
    strata = table["institution"] + np.where(table["tumour_px"] > middle, " large", " small")
    counts = strata.map(strata.value_counts())
    strata = strata.where(counts > 1, "rare")
    if (strata == "rare").sum() == 1:
        strata = strata.where(strata != "rare", strata[strata != "rare"].mode().iloc[0] if len(strata) > 1 else "rare")
    return table.index.to_numpy(), strata.to_numpy()


def _test_part(units: np.ndarray, strata: np.ndarray, params: SplitParams, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if params.folds == 1:
        rest, test = _draw(units, strata, params.test, seed, "test")
        return test, rest
    if len(units) < params.folds + 2:
        raise DataError(f"{len(units)} patients are too few for {params.folds} folds; lower split.folds.")
    smallest = min(np.unique(strata, return_counts=True)[1])
    labels = strata if smallest >= params.folds else np.array([s.split(" ")[0] for s in strata])
    if min(np.unique(labels, return_counts=True)[1]) < params.folds:
        counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
        labels = np.array([label if counts[label] >= params.folds else "rare" for label in labels])
    from sklearn.model_selection import StratifiedKFold  # here: it takes a second, and only this stage draws

    folds = StratifiedKFold(params.folds, shuffle=True, random_state=seed)
    with np.errstate(all="ignore"):
        rest, test = list(folds.split(units, labels))[params.fold]
    return units[test], units[rest]


def _draw(units: np.ndarray, strata: np.ndarray, share: float, seed: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Divide units into (rest, drawn), stratified as far as the numbers allow."""
    n = round(share * len(units))
    if n < 1 or n >= len(units):
        raise DataError(f"{len(units)} units to divide leave {n} for {name}; use more data or change split.{name}.")
    kinds, counts = np.unique(strata, return_counts=True)
    stratify = len(kinds) <= min(n, len(units) - n) and counts.min() > 1
    labels = strata if stratify else np.zeros(len(units))
    from sklearn.model_selection import StratifiedShuffleSplit

    divide = StratifiedShuffleSplit(1, test_size=n, random_state=seed)
    rest, drawn = next(divide.split(units, labels))
    return units[np.sort(rest)], units[np.sort(drawn)]
