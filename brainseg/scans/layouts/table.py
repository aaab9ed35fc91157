"""A table of patients: `case`, `flair`, and where they are `pre` and `post`."""

from __future__ import annotations

import csv
from pathlib import Path

from brainseg.errors import DataError
from brainseg.params import read_text
from brainseg.scans.case import Case
from brainseg.scans.formats import FORMATS
from brainseg.scans.scan import SEQUENCES

COLUMNS = ("case", "flair", "pre", "post")
MOST_BYTES = 2**24
_SEPARATORS = ",;\t"


def read_table(path: Path) -> list[Case]:
    """The cases of a CSV with a header, separated by commas, semicolons or tabs; other columns are not looked at.

    Args:
        path: of the table; paths in it are taken from its folder.

    Raises:
        DataError: no such table, or rows that name nothing, what is not there, or what is no sequence: all of them.
    """
    rows = _rows(path)
    problems: list[str] = []
    cases = [case for number, row in rows if (case := _case(path, number, row, problems)) is not None]
    if problems:
        raise DataError(
            f"{path} has {len(problems)} rows that cannot be read; expected files that are there:", problems
        )
    if not cases:
        raise DataError(f"{path} has no rows, expected one for each case below the columns' names.")
    return cases


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Number of the line, and its cells by column; rows of nothing are left out."""
    if not path.is_file():
        raise DataError(f"{path} does not exist, expected a CSV with the columns {', '.join(COLUMNS)}.")
    try:
        lines = read_text(path, MOST_BYTES).removeprefix("\ufeff").splitlines()
        header = lines[0] if lines else ""
        reader = csv.DictReader(lines, delimiter=max(_SEPARATORS, key=header.count), strict=True, restval="")
        rows = [(reader.line_num, {key: (row[key] or "").strip() for key in COLUMNS if key in row}) for row in reader]
    except ValueError as error:
        raise DataError(f"{path} cannot be read as a table ({error}); save it as CSV in UTF-8.") from None
    except csv.Error:
        raise DataError(
            f"{path} cannot be read as a table: a quoted cell does not end, or is too long; save it as CSV again."
        ) from None
    found = list(reader.fieldnames or [])
    if missing := [column for column in COLUMNS[:2] if column not in found]:
        raise DataError(
            f"{path} has the columns {', '.join(found) or 'none'} and no {missing[0]}; expected {', '.join(COLUMNS)}."
        )
    return [(number, row) for number, row in rows if any(row.values())]


def _case(table: Path, number: int, row: dict[str, str], problems: list[str]) -> Case | None:
    """One row's case; None, and a sentence more, where it is none."""
    if not row["case"] or not row["flair"]:
        problems.append(f"line {number} has no {'flair' if row['case'] else 'case'}")
        return None
    paths = {key: table.parent / row[key] for key in SEQUENCES if row.get(key)}
    if absent := [path for path in paths.values() if not path.exists()]:
        problems.append(f"line {number}: {absent[0]} does not exist")
        return None
    for kind, known in FORMATS.items():
        if all(map(known.takes, paths.values())) or (
            len(paths) == 1 and known.cases(paths["flair"]) == [paths["flair"]]
        ):
            return Case(row["case"], kind, paths)
    expected = ", or ".join(known.sequences for known in FORMATS.values() if known.sequences)
    problems.append(f"line {number}: {', '.join(map(str, paths.values()))}: expected {expected}")
    return None
