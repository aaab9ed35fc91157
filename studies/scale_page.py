"""docs/scale.md from what was measured: tables, and a straight line through the two largest runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAPER = (10_000, 1_000_000)
FLAT_MIB = 0.5
"""A stage whose peak grows by less than this with each patient is called flat: it is what the tables need."""
Runs = Mapping[int, Mapping[str, Any]]


def page(results: Mapping[str, Any]) -> str:
    """The page's text.

    Args:
        results: content of studies/results/scale.json.
    """
    runs = {int(count): found for count, found in results["all"].items()}
    idle = runs | {int(count): found for count, found in results.get("before training", {}).items()}
    machine = next(reversed(runs.values()))["machine"]
    return "\n".join(
        [_HEAD.format(machine=machine), *_stages(runs), _DVC, *_dvc(idle), _PAPER, *_paper(runs, idle), ""]
    )


def line(runs: Runs, *path: str) -> tuple[float, float]:
    """Intercept and slope of the straight line through the two largest runs, of a figure that lies at `path`.

    A slope below 0 is noise, and is 0.
    """
    *_, (few, a), (many, b) = sorted((count, _at(found, path)) for count, found in runs.items())
    slope = max(0.0, (b - a) / (many - few))
    return b - slope * many, slope


def _at(found: Mapping[str, Any], path: tuple[str, ...]) -> float:
    value: Any = found
    for key in path:
        value = value[key]
    return float(value)


def _stages(runs: Runs) -> list[str]:
    counts = sorted(runs)
    rows = [_row("stage", *(f"{count} patients" for count in counts), "MiB more a patient"), _rule(len(counts) + 2)]
    for stage in runs[counts[-1]]["stages"]:
        cells = [_cost(runs[count]["stages"][stage]) for count in counts]
        slope = line(runs, "stages", stage, "peak_mib")[1]
        rows.append(_row(stage, *cells, "flat" if slope < FLAT_MIB else f"{slope:.1f}"))
    return rows


def _cost(taken: Mapping[str, float]) -> str:
    return f"{taken['seconds']:.1f} s, {taken['peak_mib']:.0f} MiB"


def _dvc(runs: Runs) -> list[str]:
    counts = sorted(runs)
    rows = [_row("", *(f"{count} patients" for count in counts)), _rule(len(counts) + 1)]
    rows += [
        _row(f"`dvc {what}`", *(f"{runs[count]['dvc'][what]:.1f} s" for count in counts))
        for what in ("commit", "status", "repro")
    ]
    for where in ("data", "cache"):
        sizes = [runs[count]["disk"][where] for count in counts]
        rows.append(_row(where, *(f"{size['files']} files, {size['mib']:.0f} MiB" for size in sizes)))
    return rows


def _paper(runs: Runs, idle: Runs) -> list[str]:
    largest = max(runs)
    growing = {stage: line(runs, "stages", stage, "peak_mib") for stage in runs[largest]["stages"]}
    growing = {stage: found for stage, found in growing.items() if found[1] >= FLAT_MIB}
    figures = [
        ("files in DVC's cache", line(idle, "disk", "cache", "files"), "{:.0f}", 1.0),
        ("`dvc repro` with nothing to do, minutes", line(idle, "dvc", "repro"), "{:.1f}", 60.0),
        *((f"memory of {stage}, GiB", found, "{:.1f}", 1024.0) for stage, found in growing.items()),
    ]
    rows = [_row("", *(f"{count:,} patients" for count in PAPER)), _rule(len(PAPER) + 1)]
    for name, (start, slope), how, unit in figures:
        rows.append(_row(name, *(how.format((start + slope * count) / unit) for count in PAPER)))
    return rows


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return _row(*["---"] * columns)


_HEAD = """# How cost grows

Made by `python -m studies.scale page` from `studies/results/scale.json`, which `measure` and `idle` fill.
Synthetic patients of 12 slices of 64 x 64 pixels, an epoch of training each, on {machine}.
Real patients have about four times the slices and sixteen times the pixels: seconds and disk grow by both, files by the
first.

## Each stage

Seconds, and the most memory that its process, or the largest of its worker processes, held at a time.
"""
_DVC = """
## DVC

`status` and `repro` with nothing to do. The largest run has the stages before training alone.
"""
_PAPER = """
## On paper

Straight lines through the two largest runs, not measured.
"""
