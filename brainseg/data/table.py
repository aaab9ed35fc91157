"""Read the tables with a row per slice that the stages hand on: index.csv and split.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from brainseg.errors import DataError

KINDS = {int: ("i", "whole numbers"), bool: ("b", "True and False")}


def read_table(path: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    """Read a CSV table with a row per slice.

    Args:
        path: the file.
        columns: name -> str, int or bool; `patient` and `slice` among them.

    Returns:
        These columns in this order.

    Raises:
        DataError: the file is missing, is no CSV, lacks a column, holds values of another kind or a slice twice.
    """
    texts = {name: str for name, kind in columns.items() if kind is str}  # a patient's name may look like a number
    try:
        table = pd.read_csv(path, dtype=texts, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `dvc repro` makes it.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _damaged(path, f"is not a CSV table ({' '.join(str(error).split())})") from None
    if missing := [name for name in columns if name not in table.columns]:
        raise _damaged(path, f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    for name, kind in columns.items():
        code, words = KINDS.get(kind, ("", ""))
        if code and len(table) and table[name].dtype.kind != code:
            raise _damaged(path, f"holds more than {words} in the column {name}")
    if (twice := table[table.duplicated(["patient", "slice"])]).size:
        patient, number = twice.iloc[0][["patient", "slice"]]
        raise _damaged(path, f"has slice {number} of {patient} twice")
    return table[list(columns)]


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} {what}; remove it and run `dvc repro`.")
