"""What the page says of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainseg.view.result import Report


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
