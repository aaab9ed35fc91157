"""A row for each mask whose truth is known: what the trust in other masks is learnt from."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainseg.data.raw import institution
from brainseg.data.slices import Bool, Float64, Int, SliceSet
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import VolumePrediction
from brainseg.trust.features import FEATURES, features
from brainseg.trust.opinions import Opinions
from brainseg.trust.setups import all_setups

Words = npt.NDArray[Any]
"""Of str; NumPy's name for them ends in an underscore, which reads as a link in the reference."""
KEYS = ("setup", "patient", "fold", "institution")
FIGURES = ("dice", "true_volume", "predicted_volume")
COLUMNS = (*KEYS, *FIGURES, *FEATURES)
"""Of the CSV. `setup` is one of `SETUPS`; `fold` is that of the networks, which have seen none of its patients; the
volumes are in voxels."""


@dataclass(frozen=True)
class Rows:
    """Masks by networks that had not seen the patient, beside the truth.

    Attributes:
        setup, patient, fold, institution: str [n].
        dice: float [n] in 0..1, of the mask and the truth.
        true_volume, predicted_volume: int [n], voxels.
        features: name -> float [n], all of `FEATURES`.
    """

    setup: Words
    patient: Words
    fold: Words
    institution: Words
    dice: Float64
    true_volume: Int
    predicted_volume: Int
    features: Mapping[str, Float64]

    def __len__(self) -> int:
        return len(self.dice)

    def of(self, chosen: Bool | Int) -> Rows:
        """Some of the rows, by a mask or by numbers."""
        plain = {name: getattr(self, name)[chosen] for name in (*KEYS, *FIGURES)}
        return Rows(**plain, features={name: values[chosen] for name, values in self.features.items()})


def row(setup: str, patient: str, fold: int | str, opinions: Opinions, truth: Bool) -> dict[str, Any]:
    """One line of the CSV, by the names of `COLUMNS`.

    Args:
        setup: of `SETUPS`.
        patient: its name, which tells where the scan was made.
        fold: of the networks; 0 where there is one split.
        opinions: what networks that had not seen the patient say.
        truth: bool [n, height, width].
    """
    found = overlap(truth, opinions.mask)
    volumes = {"true_volume": found.tp + found.fn, "predicted_volume": found.tp + found.fp}
    keys = {"setup": setup, "patient": patient, "fold": fold, "institution": institution(patient)}
    return keys | {"dice": found.dice} | volumes | features(opinions)


def patient_rows(
    patient: str, whole: SliceSet, keep: Bool, found: VolumePrediction, choices: Mapping[str, Choice]
) -> list[dict[str, Any]]:
    """A line for every setup that can be had of a patient's prediction; `fold` is 0.

    Args:
        patient: its name.
        whole: its prepared volume.
        keep: bool [n], the slices that `found` is of.
        found: of all `MODELS`.
        choices: the post-processing of all `MODELS`.
    """
    setups = all_setups(found, whole, choices, keep)
    return [row(setup, patient, 0, opinions, whole.masks[keep]) for setup, opinions in setups]


def read_rows(path: Path) -> Rows:
    """Read a CSV of such lines.

    Raises:
        DataError: the file is missing, has no rows, lacks a column, names a patient twice, or holds what is no number
            or no Dice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            lines, there = list(reader), reader.fieldnames or []
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `python -m studies.trust gather` makes it.") from None
    except (csv.Error, UnicodeDecodeError):
        raise DataError(f"{path} is not a CSV table in UTF-8; make it again.") from None
    if missing := [name for name in COLUMNS if name not in there]:
        raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; make it again.")
    return rows_of(lines, str(path))


def rows_of(lines: Sequence[Mapping[str, Any]], where: str = "the rows") -> Rows:
    """Lines as `row` makes them, or as text, in columns; errors as in `read_rows`."""
    if not lines:
        raise DataError(f"{where} hold no patient, expected one a line.")
    names = Counter((str(line["setup"]), str(line["patient"])) for line in lines)
    if twice := sorted(patient for (_, patient), times in names.items() if times > 1):
        raise DataError(f"{where} hold {twice[0]} twice; the folds must come from one division of the patients.")
    numbers = {name: [_number(line, name, where) for line in lines] for name in (*FIGURES, *FEATURES)}
    for name, figures in numbers.items():
        most = {"dice": 1.0}.get(name, math.inf)
        if name in FIGURES and not all(0 <= figure <= most for figure in figures):
            raise DataError(f"{where} hold a {name} below 0 or above {most:g}, which cannot be; make them again.")
    return Rows(
        **{name: np.array([str(line[name]) for line in lines]) for name in KEYS},
        dice=np.array(numbers["dice"]),
        true_volume=np.array(numbers["true_volume"], np.int64),
        predicted_volume=np.array(numbers["predicted_volume"], np.int64),
        features={name: np.array(numbers[name]) for name in FEATURES},
    )


def _number(line: Mapping[str, Any], name: str, where: str) -> float:
    try:
        number = float(line[name])
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {name} of {line['patient']} is {line[name]!r}, expected a finite number.")
    return number
