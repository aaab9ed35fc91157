"""The table of results for the terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

LEAKY_WARNING = (
    "LEAKY: the split is by slice, so that slices of one patient are on both sides;"
    " these numbers say nothing about new patients. Set split.by to patient."
)
COLUMNS = (
    "model", "volume Dice", "95% CI", "median", "min", "slice Dice", "HD95", "NSD", "false pos.",
)  # fmt: skip
FEW = 5
"""With fewer test patients a mean says hardly anything about others, and that is said beside it."""


def few_warning(patients: int) -> list[str]:
    """One sentence where there are too few test patients, else none."""
    if patients >= FEW:
        return []
    counted = f"{patients} test patients" if patients > 1 else "1 test patient"
    return [f"Only {counted}: these figures say hardly anything about other patients."]


def format_table(metrics: Mapping[str, Any], width: int = 110) -> str:
    """Lay out the content of metrics/test.json for a person.

    Args:
        metrics: model -> what `summarise` gave, at least one; of the other entries only `leaky`
            matters: if true, a warning stands above and below the table.
        width: columns of the terminal.

    Returns:
        Plain text, a line per model; with a single patient there is no interval.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if index else "left")
    models = {name: entry for name, entry in metrics.items() if isinstance(entry, Mapping)}
    for name, entry in models.items():
        table.add_row(name, *cells(entry))
    warning = [LEAKY_WARNING] if metrics.get("leaky") else []
    written = io.StringIO()
    console = Console(file=written, width=width, color_system=None, highlight=False)
    any_model = next(iter(models.values()))  # all are scored on the same patients and slices
    few = few_warning(any_model["volume"]["n"])
    for part in (*warning, table, legend(any_model), *few, *warning):
        console.print(part)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines() if line.strip()) + "\n"


def legend(entry: Mapping[str, Any]) -> str:
    """What the columns mean, with the counts of `entry`, any model's part of metrics/test.json."""
    return (
        f"volume Dice, median, min: whole volumes of {entry['volume']['n']} test patients;"
        f" slice Dice: mean over {entry['slice']['n']} slices with tumour;"
        " HD95 in pixels and NSD (surface Dice at 2 px): mean over patients;"
        f" false pos.: share of {entry['empty_slices']['n']} slices without tumour that got some."
    )


def cells(entry: Mapping[str, Any]) -> list[str]:
    """A model's row without its name: its part of metrics/test.json in the order of `COLUMNS`."""
    per_slice, volume, empty = entry["slice"], entry["volume"], entry["empty_slices"]
    interval = f"{volume['dice_ci95_low']:.3f} to {volume['dice_ci95_high']:.3f}"
    return [
        f"{volume['dice_mean']:.3f}",
        interval if volume["n"] > 1 else "-",
        f"{volume['dice_median']:.3f}",
        f"{volume['dice_min']:.3f}",
        f"{per_slice['dice']:.3f}",
        f"{volume['hd95_px_mean']:.1f}",
        f"{volume['nsd_2px_mean']:.3f}",
        f"{empty['false_positive_rate']:.1%}",
    ]
