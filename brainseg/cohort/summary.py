"""One line a case on the terminal, and one table of a cohort."""

from __future__ import annotations

import csv
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import brainseg
from brainseg.cohort.outputs import SUMMARY, SUMMARY_RECORD, record_name, staging
from brainseg.cohort.predict import Outcome
from brainseg.cohort.records import publish

SHOWN = 2
"""So many reasons of a case stand on the terminal."""
COLUMNS = (
    "case", "status", "tumour_voxels", "tumour_ml", "largest_diameter_mm", "rano_diameter_mm", "rano_perpendicular_mm",
    "rano_product_mm2", "parts", "side", "brain_ml", "slices", "trust",
    "expected_dice", "dice", "trained_on", "warnings", "error",
)  # fmt: skip


def line(outcome: Outcome) -> str:
    """What the terminal says of one case, warnings included."""
    if outcome.status == "failed":
        return f"error: {outcome.case}: {outcome.error}"
    if outcome.report is None:
        return f"{outcome.case}: done before (--redo does it again)"
    notes = [f"  {text}" for text in outcome.report.get("notes", [])]
    return "\n".join(
        [f"{outcome.case}: {_size(outcome.report)}", *notes, *_reasons(outcome.report), *_warnings(outcome)]
    )


def _size(report: dict[str, Any]) -> str:
    tumour = report["tumour"]
    if not tumour["voxels"]:
        text = "no tumour"
    elif tumour["volume_ml"] is None:
        text = f"tumour of {tumour['voxels']} voxels in {len(tumour['slices'])} slices"
    else:
        text = (
            f"tumour of {tumour['volume_ml']:.1f} ml in {len(tumour['slices'])} slices, "
            f"{tumour['largest_diameter_mm']:.0f} mm across"
        )
    trust = report["trust"]
    if tumour["voxels"]:
        text += f"; expected Dice {trust['dice']:.2f} (90% have {trust['dice_low']:.2f} or more)"
    text += f": {trust['level']}"
    return text + (f"; Dice {report['score']['dice']:.4f}" if "score" in report else "")


def _reasons(report: dict[str, Any]) -> list[str]:
    """The worst of what made the level so; the JSON has all."""
    trust = report["trust"]
    new = [text for text in trust["reasons"] if text not in report["warnings"]]
    return [f"  {trust['level']}: {text}" for text in new[:SHOWN]]


def _warnings(outcome: Outcome) -> list[str]:
    return [f"  warning: {text}" for text in (outcome.report or {})["warnings"]]


def write_summary(outcomes: Sequence[Outcome], out: Path) -> str:
    """Write summary.csv, a row a case, those of earlier runs included, and say how the run went.

    Args:
        outcomes: of this run.
        out: folder to write into, with the JSON of cases done before.

    Returns:
        Text for the terminal; where cases were scored, with their Dice.

    Raises:
        DataError: a summary.csv is there that brainseg did not write, or that was changed since.
    """
    rows = [_row(outcome, out) for outcome in sorted(outcomes, key=lambda outcome: outcome.case)]
    with staging(out) as staged:
        write_table(staged / SUMMARY, COLUMNS, rows)
        publish(staged, out, SUMMARY_RECORD, {"case": SUMMARY, "brainseg": brainseg.__version__})
    counts = Counter(outcome.status for outcome in outcomes)
    text = f"{len(outcomes)} cases: " + ", ".join(
        f"{counts[status]} {said}"
        for status, said in (("done", "segmented"), ("skipped", "done before"), ("failed", "failed"))
        if counts[status]
    )
    dice = [row["dice"] for row in rows if row["dice"] is not None]
    if dice:
        mean, median = statistics.mean(dice), statistics.median(dice)
        fitted = sum(bool(row["trained_on"]) for row in rows)
        text += f"; whole-volume Dice of {len(dice)}: mean {mean:.4f}, median {median:.4f}"
        text += f", a fit for the {fitted} that the weights were trained on" if fitted else ""
    return f"{text}; {out / SUMMARY}"


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """CSV with line feeds, floats to 6 significant digits; nothing where a value is unknown."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            plain = {key: _no_formula(value) for key, value in row.items()}
            writer.writerow(
                {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in plain.items()}
            )


def _no_formula(text: Any) -> Any:
    """With an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if isinstance(text, str) and text.startswith(tuple("=+-@\t\r")) else text


def _row(outcome: Outcome, out: Path) -> dict[str, Any]:
    report = outcome.report
    if outcome.status == "skipped":
        report = json.loads((out / record_name(outcome.case)).read_text(encoding="utf-8"))
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"case": outcome.case, "status": outcome.status}
    if report is None:
        return row | {"error": outcome.error}
    tumour = report["tumour"]
    return row | {
        "tumour_voxels": tumour["voxels"],
        "tumour_ml": tumour["volume_ml"],
        "largest_diameter_mm": tumour["largest_diameter_mm"],
        **{f"rano_{key}": value for key, value in (tumour.get("rano") or {}).items() if f"rano_{key}" in COLUMNS},
        "parts": tumour.get("parts"),
        "side": tumour.get("side"),
        "brain_ml": report.get("brain", {}).get("volume_ml"),
        "slices": len(tumour["slices"]),
        "trust": report.get("trust", {}).get("level"),
        "expected_dice": report.get("trust", {}).get("dice"),
        "dice": report.get("score", {}).get("dice"),
        "trained_on": report.get("score", {}).get("trained_on"),
        "warnings": "; ".join(report["warnings"]),
    }
