"""`python -m benchmarks.stages`: time and memory of each stage's last run, as a Markdown table."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from brainseg.errors import UserError
from brainseg.files import atomic_path

CHECKOUT = Path(__file__).resolve().parents[1]
COLUMNS = ("finished", "stage", "seconds", "peak_mib")


class TimingsError(UserError):
    """The log of stages is missing or is not what stages/_command.py writes."""


@dataclass(frozen=True)
class StageCost:
    """One finished run: wall time in seconds, and the peak resident memory of its process in MiB."""

    seconds: float
    peak_mib: float


def main(
    log: Annotated[Path, typer.Option(help="What every finished stage adds a line to.")] = Path("logs/stages.csv"),
    out: Annotated[Path, typer.Option(help="The Markdown file to write.")] = Path("docs/timings.md"),
) -> None:
    """Write a table of the time and peak memory of each stage's last finished run."""
    from benchmarks.machine import describe

    try:
        names, runs = stage_names(CHECKOUT / "dvc.yaml"), read_log(log)
        text = timings(names, runs, describe())
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(f"{out}: {sum(name in runs for name in names)} of {len(names)} stages")


def stage_names(path: Path) -> list[str]:
    """The stages of a dvc.yaml in its own order, which is the pipeline's."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))["stages"])


def read_log(path: Path) -> dict[str, StageCost]:
    """The last run of each stage; lines are in the order in which stages finished.

    Raises:
        TimingsError: the log is missing, or a line of it is not a run.
    """
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            header, *rows = list(csv.reader(handle)) or [[]]
    except FileNotFoundError:
        raise TimingsError(f"{path} does not exist; `dvc repro` writes it, stage by stage.") from None
    if tuple(header) != COLUMNS:
        raise TimingsError(
            f"{path} begins with {','.join(header)!r}, expected {','.join(COLUMNS)!r}; remove it and run the stages."
        )
    runs = {}
    for number, row in enumerate(rows, 2):
        try:
            _, stage, seconds, peak = row
            run = StageCost(float(seconds), float(peak))
        except ValueError:
            run = StageCost(math.nan, math.nan)
        if not (math.isfinite(run.seconds) and math.isfinite(run.peak_mib)):
            raise TimingsError(f"{path}, line {number} is {','.join(row)!r}, expected {','.join(COLUMNS)}; remove it.")
        runs[stage] = run
    return runs


def timings(names: list[str], runs: dict[str, StageCost], machine: str) -> str:
    """The whole page.

    Args:
        names: stages in the order to show them in.
        runs: by stage; a stage without one has dashes in the table. Others are left out.
        machine: one line about it.

    Raises:
        TimingsError: none of the stages has a run.
    """
    shown = [runs[name] for name in names if name in runs]
    if not shown:
        raise TimingsError(f"the log has no run of any of {', '.join(names)}; run `dvc repro`.")
    cells = [("stage", "seconds", "peak MiB"), ("---", "---:", "---:")]
    for name in names:
        cells.append((name, *(_numbers(runs[name]) if name in runs else ("-", "-"))))
    total = StageCost(sum(run.seconds for run in shown), max(run.peak_mib for run in shown))
    whole = "total" if len(shown) == len(names) else f"total ({len(shown)} of {len(names)} stages)"
    cells.append((whole, *_numbers(total)))
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"""# Time and memory of each stage

{table}

{machine}.

The last finished run of each stage: wall time after Python's start, and the peak resident memory of the
stage's process; the total adds the times and takes the highest peak. A training that was interrupted counts
from where it went on. Made by `python -m benchmarks.stages`.
"""


def _numbers(run: StageCost) -> tuple[str, str]:
    return f"{run.seconds:.1f}", f"{run.peak_mib:.0f}"


if __name__ == "__main__":
    typer.run(main)
