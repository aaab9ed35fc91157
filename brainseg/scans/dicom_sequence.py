"""Which MR sequence a DICOM series is: by its times where it has them, and by its description.

The limits are wide: they part what is made on purpose for another contrast, at 1.5 and 3 T. FLAIR has an inversion time
that nulls fluid (1.6 to 2.8 s) and a long echo time, T2 the latter alone, T1 a short echo time (Bernstein, King, Zhou,
Handbook of MRI Pulse Sequences, 2004, chapters 6.2 and 16).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainseg.scans.dicom_checks import Series, many_frames

FLAIR, T1 = "FLAIR", "T1"
T2, PD, T2_STAR, STIR, UNKNOWN, DOUBTFUL = "T2", "proton density", "T2*", "STIR", "unknown", "doubtful"
LONG_TI, SHORT_TI = 1400.0, 400.0
LONG_TE, SHORT_TE, GRADIENT_TE = 60.0, 40.0, 12.0
LONG_TR, FLAIR_TR, INVERTED_TR = 1800.0, 3500.0, 4500.0
"""Milliseconds. A series called FLAIR that does not say its inversion time needs `INVERTED_TR`."""

_BESIDE = (
    ("localiser", r"\bloc\b|locali[sz]er|scout|survey|3[- ]?plane|three[- ]?plane|smartbrain|\baahead"),
    ("derived", r"\bmip\b|minip|\bfused?\b|screen ?(shot|save)|subtraction|\bsub\b"),
    ("diffusion", r"dwi|\bdti|diff|\badc\b|trace|tensor|fraction|\bfa\b|\bb[ _-]?[01]?\d{3}\b"),
    ("angiography", r"\bmra\b|\btof\b|angio|\bmrv\b|venogr"),
    ("perfusion", r"perf|\bdsc\b|\bdce\b|\basl\b|pcasl|\b(r?cbf|r?cbv|mtt|ttp|tmax)\b"),
    (T2_STAR, r"swi\b|\bswan\b|venobold|t2 ?\*|t2_?star|\bhemo\b|\bpha(se)?\b|\bqsm\b"),
    ("functional", r"\bbold\b|fmri|resting|field ?map"),
    ("spectroscopy", r"spectro|\bmrs\b|\bsvs\b|\bcsi\b|\bpress\b"),
)
"""What is no candidate, by its description."""
_CONTRAST = re.compile(r"post(?!er)|gd|gad|\+ ?c\b|contrast|\bce\b|\bkm\b|t1c\b|t1ce\b|gado")
_BEFORE = re.compile(r"\bpre\b|without|w/o|\bnon|unenhanced|\bnativ")
_NO_AGENT = {"", "none", "no", "n", "0", "no contrast", "without"}


@dataclass(frozen=True)
class Seen:
    """What a series says of itself.

    Attributes:
        series: its slices' headers.
        uid, number, title: of the series; the title is never empty.
        kind: `FLAIR`, `T1` or what else it is; `UNKNOWN` where nothing says it, `DOUBTFUL` where two things contradict.
        why: by what, for a sentence.
        contrast: after contrast agent.
        plane: `axial`, `coronal`, `sagittal`, or `several` orientations.
        slices: files or frames.
        thickness: mm, 0 where unknown.
        original: as acquired, no reformat.
        times: TR, TE and TI in ms, None where unknown.
    """

    series: Series
    uid: str
    number: str
    title: str
    kind: str
    why: str
    contrast: bool
    plane: str
    slices: int
    thickness: float
    original: bool
    times: tuple[float | None, float | None, float | None]

    @property
    def height(self) -> float:
        """Of the stack, in mm where the thickness is known."""
        return self.slices * (self.thickness or 1.0)

    def __str__(self) -> str:
        """One line of a table."""
        times = " ".join(
            f"{name} {value:g}" for name, value in zip(("TR", "TE", "TI"), self.times, strict=True) if value
        )
        what = f"{self.kind} after contrast agent" if self.contrast and self.kind == T1 else self.kind
        size = f"{self.slices} {self.plane} slices"
        return f"series {self.number or '?'}, {self.title!r}: {size}{f', {times} ms' if times else ''}: {what}"


def look_at(series: Series) -> Seen:
    """Tell the sequence of one series from its headers."""
    first = series[0]
    title = str(first.get("SeriesDescription") or first.get("ProtocolName") or "no description")
    image_type = {str(part).upper() for part in _listed(_find(first, "ImageType"))}
    times = (
        _number(first, "RepetitionTime"),
        _number(first, "EffectiveEchoTime") or _number(first, "EchoTime"),
        _number(first, "InversionTime") or _number(first, "InversionTimes"),
    )
    plane = _plane(series)
    kind, why = _kind(first, title.lower(), image_type, plane, times)
    agent = str(_find(first, "ContrastBolusAgent") or "").strip().lower()
    contrast = bool(agent not in _NO_AGENT or _CONTRAST.search(title.lower())) and not _BEFORE.search(title.lower())
    return Seen(
        series=series,
        uid=str(first.get("SeriesInstanceUID", "")),
        number=str(first.get("SeriesNumber") or ""),
        title=title,
        kind=kind,
        why=why,
        contrast=contrast,
        plane=plane,
        slices=_frames(series),
        thickness=_number(first, "SpacingBetweenSlices") or _number(first, "SliceThickness") or 0.0,
        original="DERIVED" not in image_type and "SECONDARY" not in image_type,
        times=times,
    )


def _kind(first: Any, title: str, image_type: set[str], plane: str, times: tuple[float | None, ...]) -> tuple[str, str]:
    """Kind and why."""
    if plane == "several" or "LOCALIZER" in image_type:
        return "localiser", "its ImageType or orientations"
    if image_type & {"ADC", "TRACEW", "FA", "DIFFUSION", "TENSOR"} or _number(first, "DiffusionBValue"):
        return "diffusion", "its ImageType or b-value"
    if image_type & {
        "PROJECTION IMAGE",
        "MIP",
        "MNIP",
        "SUBTRACTION",
        "POST_PROCESSED",
        "PERFUSION",
        "ASL",
        "PHASE MAP",
    }:
        return "derived", "its ImageType"
    for kind, words in _BESIDE:
        if re.search(words, title):
            return kind, "its description"
    said, measured = _by_title(title), _by_times(first, *times)
    if not said or not measured or said == measured:
        return said or measured or UNKNOWN, "its times" if measured else "its description"
    tr, _, ti = times
    if said == FLAIR and measured == T2 and not ti and (tr or 0) >= INVERTED_TR:
        return FLAIR, "its description; it does not say its inversion time"
    if said == T1 and measured == PD:
        return T1, "its description"
    return DOUBTFUL, f"it is called {said}, and its times are those of {measured}"


def _by_title(title: str) -> str:
    if re.search(r"flair|dark[-_ ]?fluid", title):
        return T1 if re.search(r"t1", title) and not re.search(r"t2", title) else FLAIR
    if "stir" in title:
        return STIR
    if "tirm" in title:
        return ""  # of any inversion time
    if re.search(r"t1|mp-?rage|f?spgr|bravo|\btfe\b|\bffe\b", title):
        return T1
    if re.search(r"t2|ciss|fiesta", title):
        return T2
    return PD if re.search(r"\bpd\b|proton", title) else ""


def _by_times(first: Any, tr: float | None, te: float | None, ti: float | None) -> str:
    if not tr or not te:
        return ""
    sequence = {str(part).upper() for part in _listed(first.get("ScanningSequence"))}
    if te >= LONG_TE:
        if tr >= FLAIR_TR and ((ti or 0) >= LONG_TI or (not ti and "IR" in sequence)):
            return FLAIR
        if ti and ti <= SHORT_TI:
            return STIR
        return T2 if tr >= LONG_TR and not ti else ""
    if te >= SHORT_TE:
        return STIR if ti and ti <= SHORT_TI else ""
    if "GR" in sequence and te >= GRADIENT_TE and not ti:
        return T2_STAR
    if ti and ti <= SHORT_TI and tr >= LONG_TR:
        return STIR
    return T1 if ti or tr < LONG_TR else PD


def _plane(series: Series) -> str:
    """Along which of the patient's axes the slices are stacked."""
    normals = set()
    for dataset in series:
        directions = _find(dataset, "ImageOrientationPatient")
        try:
            normal = np.cross(*np.array([float(item) for item in directions]).reshape(2, 3))
            normals.add(tuple(np.abs(normal).round(2).tolist()))
        except (TypeError, ValueError):
            return "unoriented"
    planes = {("sagittal", "coronal", "axial")[int(np.argmax(normal))] for normal in normals}
    return planes.pop() if len(planes) == 1 else "several"


def _frames(series: Series) -> int:
    try:
        return int(series[0].NumberOfFrames) if many_frames(series[0]) else len(series)
    except (TypeError, ValueError, AttributeError):
        return len(series)


def _find(dataset: Any, keyword: str) -> Any:
    """An attribute at the top, or in the groups of an enhanced file that all frames share, or the first one has."""
    if (value := dataset.get(keyword)) is not None:
        return value
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in _listed(dataset.get(groups))[:1]:
            for element in group:
                for item in _listed(element.value if element.VR == "SQ" else None)[:1]:
                    if (value := item.get(keyword)) is not None:
                        return value
    return None


def _number(dataset: Any, keyword: str) -> float | None:
    values = _listed(_find(dataset, keyword))
    try:
        number = float(values[0])
    except (IndexError, TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
