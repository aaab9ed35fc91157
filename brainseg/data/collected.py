"""What lies beside a tree that `brainseg collect` made: whose masks are a person's own, and where they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from brainseg.errors import DataError
from brainseg.params import parse_json, read_text

RECORD = "collected.json"
MAX_BYTES = 64 << 20


class Collected(BaseModel):
    """The record.

    Attributes:
        brainseg: version that made the tree.
        patients: of each whose mask a person stands for, what is known of it.
    """

    brainseg: str
    patients: dict[str, dict[str, Any]]


def read_collected(tree: Path) -> frozenset[str]:
    """Patients of a tree whose masks are a person's own; none where no record lies beside it.

    Args:
        tree: the folder of patients.

    Raises:
        DataError: the record is damaged.
    """
    path = tree.resolve().parent / RECORD
    if not path.is_file():
        return frozenset()
    try:
        return frozenset(Collected.model_validate(parse_json(read_text(path, MAX_BYTES))).patients)
    except (ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path} is no record of brainseg collect ({first}); collect again.") from None
