"""The JSON that a prediction left: found, checked, and said in the words of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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


def volume_text(report: Report) -> str:
    """The tumour's size in millilitres, or in voxels where the scan has no spacing."""
    tumour = report.tumour
    if not tumour.voxels:
        return "no tumour was found"
    return f"{tumour.voxels:,} voxels" if tumour.volume_ml is None else f"{tumour.volume_ml:.1f} ml"


def facts(report: Report, slices: int) -> list[tuple[str, str]]:
    """What the page says of a case, label and value.

    Args:
        report: of the case.
        slices: of the scan, with tumour or without.
    """
    tumour = report.tumour
    millimetres = tumour.largest_diameter_mm
    across = f"{tumour.largest_diameter_px:.0f} pixels" if millimetres is None else f"{millimetres:.0f} mm"
    rows = [("Tumour volume", volume_text(report))]
    if tumour.slices:
        rows += [
            ("Largest diameter", f"{across}, axial"),
            ("Tumour slices", f"{len(tumour.slices)} of {slices}: {_span(tumour.slices)}"),
        ]
    if (trust := report.trust) is not None and tumour.slices:
        low, high = (f"{voxels:,}" for voxels in (trust.volume_low, trust.volume_high))
        text = f"{low} to {high} voxels"
        if trust.volume_low_ml is not None and trust.volume_high_ml is not None:
            text = f"{trust.volume_low_ml:.1f} to {trust.volume_high_ml:.1f} ml"
        rows.insert(1, ("90% interval", text))
    if report.score is not None:
        rows.append(("Dice with the true mask", f"{report.score.dice:.3f}"))
    return [*rows, ("Model", report.made_by.model), ("Made by", f"brainseg {report.made_by.brainseg}")]


def warnings(report: Report) -> list[str]:
    """The JSON's warnings, with files by name alone: a path may tell more than the page has to."""
    return _without_paths(report, report.warnings)


def trust_shown(report: Report) -> dict[str, Any] | None:
    """What the page says of trust: the bar's figures, a sentence, and the reasons; None where nothing is known."""
    trust = report.trust
    if trust is None:
        return None
    return {
        "dice": trust.dice,
        "level": trust.level,
        "text": f"expected Dice {trust.dice:.2f}; 90% of such masks have {trust.dice_low:.2f} or more",
        "reasons": _without_paths(report, trust.reasons),
    }


def _without_paths(report: Report, texts: list[str]) -> list[str]:
    for path in report.input.values():
        texts = [text.replace(str(path), path.name) for text in texts]
    return texts


def page_content(
    report: Report,
    slices: list[int],
    more: list[str],
    start_mm: tuple[float, ...],
    doubtful: Mapping[int, tuple[float, ...]],
    layers: Sequence[str] = (),
) -> dict[str, Any]:
    """All that the page asks for, ready for JSON; no path is in it.

    Args:
        report: of the case.
        slices: the axial slices' numbers in the files, feet first.
        more: sentences beside the JSON's own warnings.
        start_mm: where to look first, in the volumes' space.
        doubtful: numbers of slices in doubt, and where to look in each.
        layers: what can be shown beside FLAIR and mask; see `Volumes.more`.
    """
    return {
        "case": report.case,
        "facts": facts(report, len(slices)),
        "warnings": [*warnings(report), *more],
        "trust": trust_shown(report),
        "doubtful": [{"slice": slices[0] + slices.index(number), "mm": place} for number, place in doubtful.items()],
        "edge": report.unsure_edge is not None,
        "layers": list(layers),
        "tumour": bool(report.tumour.voxels),
        "start_mm": start_mm,
        "first_slice": slices[0],
    }


def _span(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
