"""The top table: on the page, and as metrics/summary.md for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, MODELS
from brainseg.report.literature import PUBLISHED
from brainseg.report.text_table import COLUMNS, LEAKY_WARNING, cells, few_warning, legend

PHANTOM_WARNING = "SYNTHETIC PATIENTS: these figures show that the pipeline runs, and nothing about people."


def lead(test: Mapping[str, Any]) -> tuple[str, str]:
    """The one figure to take home, and what it is.

    Args:
        test: content of metrics/test.json.
    """
    volume = test[ENSEMBLE]["volume"]
    patients = f"{volume['n']} test patient" + "s" * (volume["n"] != 1)
    said = f"mean whole-volume Dice of the ensemble on {patients}"
    if volume["n"] > 1:
        said += f"; 95% interval {volume['dice_ci95_low']:.3f} to {volume['dice_ci95_high']:.3f}"
        said += f", median {volume['dice_median']:.3f}, worst patient {volume['dice_min']:.3f}"
    return f"{volume['dice_mean']:.3f}", said + "."


def result_rows(test: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row per model, as text, with the columns of `COLUMNS`: those of the table in the terminal.

    Args:
        test: content of metrics/test.json.
    """
    return [(CATALOGUE[name].label, *cells(test[name])) for name in MODELS]


def published_rows() -> list[tuple[str, str, str, str]]:
    """Figures of others: who, mean, median, protocol."""

    def text(value: float | None) -> str:
        return "-" if value is None else f"{value:g}"

    return [(entry.who, text(entry.dice_mean), text(entry.dice_median), entry.protocol) for entry in PUBLISHED]


def paired_sentences(paired: Mapping[str, Any]) -> list[str]:
    """What the paired tests of the networks against the first say, one sentence each.

    Args:
        paired: content of metrics/paired.json.
    """
    return [
        f"{CATALOGUE[row['b']].label} against {CATALOGUE[row['a']].label} on the same {row['n']} patients: "
        f"{row['difference']:+.3f} mean whole-volume Dice ({row['low']:+.3f} to {row['high']:+.3f}), "
        f"{row['better']} better and {row['worse']} worse, Wilcoxon p = {row['p']:.2g}, "
        f"rank-biserial effect {row['effect']:+.2f}: {row['verdict']}."
        for row in [*([paired] if paired else []), *paired.get("more", [])]
    ]


def warnings(leaky: bool, phantom: bool) -> list[str]:
    """What has to be said loudly."""
    return [LEAKY_WARNING] * leaky + [PHANTOM_WARNING] * phantom


def summary_markdown(test: Mapping[str, Any], paired: Mapping[str, Any], *, phantom: bool) -> str:
    """The content of metrics/summary.md.

    Args:
        test: content of metrics/test.json.
        paired: content of metrics/paired.json.
        phantom: the patients are synthetic.
    """
    counts = test[ENSEMBLE]
    figure, said = lead(test)
    lines = [f"> **{text}**\n" for text in warnings(bool(test["leaky"]), phantom)]
    lines += [
        f"**{figure}** {said}\n",
        markdown(COLUMNS, result_rows(test)),
        f"{legend(counts)}\n",
        *(f"{text}\n" for text in few_warning(counts["volume"]["n"])),
        *(f"{text}\n" for text in paired_sentences(paired)),
        "Figures of others on this data, whole volumes. Their protocols differ, so they cannot be compared directly:\n",
        markdown(("who", "mean", "median", "protocol"), published_rows()),
    ]
    return "\n".join(lines)


def markdown(columns: tuple[str, ...], rows: list[Any]) -> str:
    """A table as Markdown: the head's cells, and as many in each row."""
    body = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in body) + "\n"
