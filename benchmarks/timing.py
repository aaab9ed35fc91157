"""Two ways of doing the same work, timed in turns so that both meet the same disturbances."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

Unit = Literal["slices/s", "ms/slice", "s/patient"]
Side = Callable[[], object]
COLUMNS = ("what", "unit", "ours", "theirs", "ratio", "(min - max)")


@dataclass(frozen=True)
class Comparison:
    """What was timed, and the result.

    Attributes:
        what: the work.
        ours: what our side does, for the reader.
        theirs: what the other side does.
        unit: how to show the speeds.
        pairs: seconds per slice, ours and theirs, one tuple per turn; at least one.
    """

    what: str
    ours: str
    theirs: str
    unit: Unit
    pairs: tuple[tuple[float, float], ...]

    @property
    def ratios(self) -> list[float]:
        """Their time over ours, turn by turn: above 1 ours is faster."""
        return [theirs / ours for ours, theirs in self.pairs]

    @property
    def speeds(self) -> tuple[float, float]:
        """Median speed of both sides, in `unit`."""
        ours, theirs = (median(column) for column in zip(*self.pairs, strict=True))
        if self.unit == "slices/s":
            return 1 / ours, 1 / theirs
        return (1e3 * ours, 1e3 * theirs) if self.unit == "ms/slice" else (ours, theirs)


def time_pairs(ours: Side, theirs: Side, slices: int, pairs: int) -> tuple[tuple[float, float], ...]:
    """Run A B A B ... after one untimed turn, which pays for imports, allocations and the page cache.

    Args:
        ours: one side's work on all slices.
        theirs: the other side's.
        slices: how many slices one call works on.
        pairs: timed turns, at least 1.

    Returns:
        Seconds per slice, ours and theirs, per turn.
    """
    ours()
    theirs()
    return tuple((_seconds(ours) / slices, _seconds(theirs) / slices) for _ in range(pairs))


def _seconds(work: Side) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def format_comparisons(comparisons: list[Comparison]) -> str:
    """An aligned table, and below it what each side does."""
    rows = [COLUMNS, *(_cells(comparison) for comparison in comparisons)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        texts = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(texts + numbers))
    lines.insert(1, "  ".join("-" * width for width in widths))
    legend = [
        f"\n{comparison.what}\n  ours:   {comparison.ours}\n  theirs: {comparison.theirs}" for comparison in comparisons
    ]
    return "\n".join([*lines, *legend])


def _cells(comparison: Comparison) -> tuple[str, ...]:
    ratios = comparison.ratios
    speeds = (f"{speed:.1f}" for speed in comparison.speeds)
    spread = f"({min(ratios):.2f} - {max(ratios):.2f})"
    return (comparison.what, comparison.unit, *speeds, f"{median(ratios):.2f}", spread)
