"""The JSON that a prediction left: found and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, FiniteFloat, ValidationError, field_validator

from brainseg.errors import DataError
from brainseg.params import parse_json, read_text
from brainseg.scans.cases import Case
from brainseg.scans.formats import FORMATS

NAMED = 6
"""So many names of files in a sentence."""
MAX_BYTES = 16 << 20
"""Of a `<case>.json`, which takes some 2 KB, and some 500 bytes more for each slice."""
MAX_PATH = 4096
"""Characters of a path; Linux takes no more."""


class UnfinishedError(DataError):
    """A prediction was stopped in the middle of writing its files."""


class Tumour(BaseModel):
    """Sizes; millimetres and millilitres are None where the scan has no spacing."""

    voxels: int
    volume_ml: FiniteFloat | None
    slices: list[int]
    largest_diameter_mm: FiniteFloat | None
    largest_diameter_px: FiniteFloat


class MadeBy(BaseModel):
    """Version of brainseg, and its model."""

    brainseg: str
    model: str


class Trust(BaseModel):
    """How far the mask can be trusted; see `brainseg.trust.trust`."""

    dice: FiniteFloat
    dice_low: FiniteFloat
    level: Literal["good", "check", "unreliable"]
    volume_low: int
    volume_high: int
    volume_low_ml: FiniteFloat | None = None
    volume_high_ml: FiniteFloat | None = None
    reasons: list[str]
    doubtful_slices: list[int]


class Brain(BaseModel):
    """Where the networks looked; see `brainseg.trust.edge.as_text`."""

    mask: str | None = None


class Score(BaseModel):
    """The comparison with a person's mask; that of TIF slices lies beside them."""

    dice: FiniteFloat
    truth: Path | None = None
    truth_sha256: str | None = None


class Report(BaseModel):
    """Of `<case>.json`, what is shown; see `brainseg.cohort.results.report`."""

    case: str
    kind: str
    input: dict[Literal["flair", "pre", "post"], Path]
    series: dict[Literal["flair", "pre", "post"], str] = {}
    changes: tuple[Literal["register", "n4"], ...] = ()
    shape: tuple[int, int, int]
    scan_sha256: str
    input_sha256: str | None = None
    tumour: Tumour
    trust: Trust | None = None  # versions before 2 said nothing of it
    unsure_edge: str | None = None
    brain: Brain = Brain()
    score: Score | None = None
    warnings: list[str]
    made_by: MadeBy

    @field_validator("case")
    @classmethod
    def _is_a_name(cls, case: str) -> str:
        if case in ("", ".", "..") or Path(case).name != case:
            raise ValueError("it names files, so it cannot be a path")
        return case

    @field_validator("kind")
    @classmethod
    def _is_a_format(cls, kind: str) -> str:
        if kind not in FORMATS:
            raise ValueError(f"expected one of {', '.join(FORMATS)}")
        return kind

    @field_validator("input")
    @classmethod
    def _has_flair(cls, paths: dict[str, Path]) -> dict[str, Path]:
        if "flair" not in paths:
            raise ValueError("there is no flair in it")
        for path in map(str, paths.values()):
            if "\0" in path or len(path) > MAX_PATH:
                raise ValueError("it names a path that cannot be")
        return paths


@dataclass(frozen=True)
class Result:
    """What a prediction left of one case.

    Attributes:
        path: of the JSON; the mask lies beside it, where the scan's origin finds it.
        report: what the JSON says.
    """

    path: Path
    report: Report

    @property
    def case(self) -> Case:
        """The scan that was segmented, to be read again."""
        return Case.recorded(self.report.model_dump(include={"case", "kind", "input", "series", "changes"}))


def find_result(path: Path) -> Result:
    """The result that the user named.

    Args:
        path: the JSON, or the folder that it lies in if it is the only one there.

    Raises:
        DataError: nothing there, no JSON of `brainseg predict`, an unfinished one, or several.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; name the <case>.json that brainseg predict wrote.")
    if not path.is_dir():
        return Result(path, read_report(path))
    found, _ = results_in(path)
    if len(found) > 1:
        names = ", ".join(one.path.name for one in found[:NAMED]) + (", ..." if len(found) > NAMED else "")
        raise DataError(f"{path} holds {len(found)} results ({names}); name one of them.")
    return found[0]


def results_in(folder: Path) -> tuple[list[Result], list[UnfinishedError]]:
    """The results of a folder by name, and what was not finished.

    Raises:
        DataError: there is no result.
    """
    found, unfinished = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(Result(file, read_report(file)))
        except UnfinishedError as error:
            unfinished.append(error)
        except DataError:
            continue  # somebody else's
    if unfinished and not found:
        raise unfinished[0]
    if not found:
        raise DataError(
            f"{folder} holds no <case>.json that brainseg predict wrote; name its --out folder, or the file."
        )
    return found, unfinished


def read_report(path: Path) -> Report:
    """Read one `<case>.json`.

    Raises:
        DataError: no JSON, or not of `brainseg predict`.
        UnfinishedError: of a case that `predict` has not finished.
    """
    try:
        content = parse_json(read_text(path, MAX_BYTES))
        if isinstance(content, dict) and content.get("unfinished") is True:
            raise UnfinishedError(f"{path} is unfinished; run brainseg predict again.")
        return Report.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        why = f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    except ValueError as error:  # of JSON, and of UTF-8
        why = str(error)
    raise DataError(f"{path} is no <case>.json of brainseg predict ({why}); name the one beside the mask.")
