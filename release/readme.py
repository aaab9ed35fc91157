"""The figures of README.md, docs/results.md and docs/trust.md, from the committed files of results.

`python -m release.readme` fills the blocks between `<!-- name -->` and `<!-- /name -->`. A test holds the pages equal
to what it would write: no figure there is typed by hand.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.model.catalogue import CATALOGUE, ENSEMBLE, MODELS
from brainseg.report.headline import markdown
from brainseg.report.literature import PUBLISHED
from brainseg.terminal import say
from release.trust_tables import trust_features, trust_levels, trust_table
from studies.command import run_app

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/results.md", "docs/trust.md")
LITERATURE = "`brainseg/report/literature.py`"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Fill the blocks of figures in `PAGES`."""
    for name in PAGES:
        before = (ROOT / name).read_text(encoding="utf-8")
        after = filled(before, ROOT)
        if after != before:
            with atomic_path(ROOT / name) as part:
                part.write_text(after, encoding="utf-8")
        say(f"{name}: {'filled' if after != before else 'as it should be'}")


def filled(page: str, root: Path) -> str:
    """The page with every block written anew from the results under `root`.

    Raises:
        DataError: a block has no end, or there is no block at all.
    """
    found = re.findall(r"^<!-- (\w+) -->$", page, re.MULTILINE)
    if not found:
        raise DataError(f"the page has no block; expected lines such as <!-- {next(iter(BLOCKS))} -->.")
    for name in found:
        block = re.compile(rf"^<!-- {name} -->$.*?^<!-- /{name} -->$", re.DOTALL | re.MULTILINE)
        text = f"<!-- {name} -->\n{BLOCKS[name](root).strip()}\n<!-- /{name} -->"
        page, count = block.subn(lambda _, text=text: text, page)  # type: ignore[misc]
        if count != 1:
            raise DataError(f"the block '{name}' is there {count} times; expected it once, with an end.")
    return page


def results(root: Path) -> str:
    """The README's table: what to expect, what others report, what a leak is worth; each row names its file."""
    pooled = _read(root, "metrics/crossval.json")[ENSEMBLE]["pooled"]
    test = _read(root, "metrics/test.json")[ENSEMBLE]["volume"]
    leak = _read(root, "studies/results/leak.json")["unet"]
    buda, readers = PUBLISHED[:2]
    rows = [
        (
            f"**Ensemble, cross-validated by patient: {pooled['n']} patients that the networks never saw**",
            f"**{pooled['dice_mean']:.3f}** ({_interval(pooled)})",
            f"{pooled['dice_median']:.3f}",
            "`metrics/crossval.json`",
        ),
        (
            f"Ensemble, {test['n']} test patients of the committed run",
            f"{test['dice_mean']:.3f} ({_interval(test)})",
            f"{test['dice_median']:.3f}",
            "`metrics/test.json`",
        ),
        (f"{buda.who}: {buda.protocol}", f"{buda.dice_mean:.3f}", f"{buda.dice_median:.3f}", LITERATURE),
        ("Human readers against each other, as cited there", f"{readers.dice_mean:.2f}", "", LITERATURE),
        (
            f"U-Net, Dice per slice on {leak['slices']} slices with tumour, split by patient",
            f"{leak['honest_slice_dice']:.3f}",
            "",
            "`studies/results/leak.json`",
        ),
        (
            "The same slices, split at random: a leak, because training saw other slices of the same patients",
            f"{leak['leaky_slice_dice']:.3f}",
            "",
            "`studies/results/leak.json`",
        ),
    ]
    return markdown(("what", "mean Dice (95% interval)", "median", "from"), rows)


def committed_run(root: Path) -> str:
    """All models on the test patients of the committed run."""
    test = _read(root, "metrics/test.json")
    rows = []
    for name in MODELS:
        volume, per_slice, empty = (test[name][part] for part in ("volume", "slice", "empty_slices"))
        rows.append(
            (
                CATALOGUE[name].label,
                f"{volume['dice_mean']:.3f} ({_interval(volume)})",
                f"{volume['dice_median']:.3f}",
                f"{volume['dice_min']:.3f}",
                f"{per_slice['dice']:.3f}",
                f"{volume['hd95_px_mean']:.1f}",
                f"{volume['nsd_2px_mean']:.3f}",
                f"{empty['false_positive_rate']:.1%}",
            )
        )
    counts = test[ENSEMBLE]
    table = markdown(
        ("model", "volume Dice (95% interval)", "median", "min", "slice Dice", "HD95", "NSD", "false pos."), rows
    )
    with (root / "splits" / "split.csv").open(encoding="utf-8", newline="") as handle:
        sides = {(row["patient"], row["split"]) for row in csv.DictReader(handle)}
    patients = Counter(side for _, side in sides)
    return table + (
        f"\nPatients: {patients['train']} to train, {patients['val']} to validate, {patients['test']} to test "
        f"(`splits/split.csv`). Slices in the test: {counts['slice']['n']} with tumour, {counts['empty_slices']['n']} "
        "without (`metrics/test.json`).\n"
    )


def crossval_table(root: Path) -> str:
    """All models, pooled over the folds, and each fold's mean."""
    found = _read(root, "metrics/crossval.json")
    rows = []
    for name in MODELS:
        pooled, folds = found[name]["pooled"], found[name]["folds"]
        means = ", ".join(f"{folds[fold]['dice_mean']:.3f}" for fold in sorted(folds, key=int))
        values = [f"{pooled[key]:.3f}" for key in ("dice_median", "dice_min")]
        rows.append((CATALOGUE[name].label, f"{pooled['dice_mean']:.3f} ({_interval(pooled)})", *values, means))
    table = markdown(("model", "volume Dice (95% interval)", "median", "min", "mean of each fold"), rows)
    patients = found[ENSEMBLE]["pooled"]["n"]
    return f"{table}\n{patients} patients in {found['folds_done']} folds (`metrics/crossval.json`).\n"


def leak_table(root: Path) -> str:
    """The same slices, with and without other slices of their patients in training."""
    found = _read(root, "studies/results/leak.json")
    rows = []
    for name in MODELS:
        row, by = found[name], found[name]["by_patient"]
        rows.append(
            (
                CATALOGUE[name].label,
                f"{row['leaky_slice_dice']:.3f}",
                f"{row['honest_slice_dice']:.3f}",
                f"{by['difference']:+.3f} ({by['low']:+.3f} to {by['high']:+.3f})",
                f"{by['p']:.2g}",
            )
        )
    counts = found[ENSEMBLE]
    table = markdown(("model", "split by slice", "split by patient", "mean difference per patient", "Wilcoxon p"), rows)
    return f"{table}\n{counts['slices']} slices of {counts['patients']} patients (`studies/results/leak.json`).\n"


def post_processing(root: Path) -> str:
    """What was chosen on validation patients, and what it was worth there."""
    found = _read(root, "metrics/val.json")
    rows = []
    for name in MODELS:
        entry, chosen = found[name], found[name]["chosen"]
        rows.append(
            (
                CATALOGUE[name].label,
                f"{chosen['threshold']:g}" + (" of the peak" if chosen["scale_to_peak"] else ""),
                f"{chosen['min_component_px']}",
                "yes" if chosen["fill_holes"] else "no",
                f"{entry['dice_plain']:.3f}",
                f"{entry['dice_chosen']:.3f}",
            )
        )
    head = ("model", "threshold", "smallest component, voxels", "holes filled", "Dice before", "Dice after")
    cut = _read(root, "metrics/skull_strip.json")["tumour_cut"]["fraction"]
    return markdown(head, rows) + (
        f"\n{found[ENSEMBLE]['n']} validation patients (`metrics/val.json`). The brain mask cuts off "
        f"{cut:.2%} of all tumour pixels (`metrics/skull_strip.json`).\n"
    )


BLOCKS: dict[str, Callable[[Path], str]] = {
    "results": results,
    "test": committed_run,
    "crossval": crossval_table,
    "leak": leak_table,
    "postprocess": post_processing,
    "trust": trust_table,
    "trust_levels": trust_levels,
    "trust_features": trust_features,
}


def _interval(entry: dict[str, Any]) -> str:
    return f"{entry['dice_ci95_low']:.3f} to {entry['dice_ci95_high']:.3f}"


def _read(root: Path, name: str) -> Any:
    return json.loads((root / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_app(app)
