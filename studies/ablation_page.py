"""docs/ablation.md, from the plan and the committed results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from brainseg.model.catalogue import ENSEMBLE, MODELS

HEAD = """# What each part of the recipe is worth

The figures are whole-volume Dice on the {n} validation patients of the committed split (seed 2019). The threshold is
0.5, without flips and clean-up. Test patients were not used. Each row changes one setting. All rows train for a short
time, so their figures lie below those of the full recipe:

```
{budget}
```

| column | what it is |
| --- | --- |
| `change` | Change of the mean Dice against the `base` rows ({base:.3f}); in the first round against those with CLAHE |
| `patient` | Median of the patients' changes, which a single patient cannot move far |
| `better` | Patients whose Dice rose |
| `slices`, `min` | Slices trained on; minutes of wall time, with two rows side by side on two cores |
| `row` | Name of the row, and what it sets in addition to the command above |

Repeated runs of one setting differ by chance: their means have a standard deviation of {chance:.3f}
({noisy:.3f} with CLAHE). If the mean of a single row changes by less than {twice:.3f}, the change may be chance alone.
Such a row is called "no different" below.

`python -m studies.ablation table` makes this page from studies/results/ablation.json, which has the whole `dvc exp run`
line of every row. `python -m studies.ablation run --only NAME` computes a missing row.
"""
COLUMNS = (
    "| what | mean | median | change | patient | better | slices | min | row |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---|"
)


def page(plan: Mapping[str, Any], results: Mapping[str, Any], leak: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        plan: content of ablation.yaml.
        results: content of studies/results/ablation.json, by row.
        leak: content of studies/results/leak.json, for the group that asks for it.
    """
    patients = _base(results, "base")
    chance, noisy = _chance(plan, results, clahe=False), _chance(plan, results, clahe=True)
    budget = f"dvc exp run {_flags(plan['budget'])} train_unet"
    mean = float(np.mean(list(patients.values())))
    parts = [HEAD.format(n=len(patients), budget=budget, base=mean, chance=chance, noisy=noisy, twice=2 * chance)]
    for group in plan["groups"]:
        rows = [(row, results[row["name"]]) for row in group["rows"] if row["name"] in results]
        if not rows:
            continue
        lines = _LAYOUTS[group.get("target", "train")](rows, _base(results, group.get("base", "base")))
        lines += _leaks(leak) if group.get("leak") else []
        parts.append(
            "\n".join(
                [f"## {group['name']}", "", *([group["says"].strip(), ""] if "says" in group else []), *lines, ""]
            )
        )
    return "\n".join(parts)


def _base(results: Mapping[str, Any], name: str) -> dict[str, float]:
    """Dice by patient, mean over the repetitions of the row that others are held against."""
    rows = [row["val_dice_by_patient"] for key, row in results.items() if re.fullmatch(rf"{name}(-\d+)?", key)]
    return {patient: float(np.mean([row[patient] for row in rows])) for patient in rows[0]}


def _trained(rows: list[tuple[Any, Any]], patients: dict[str, float]) -> list[str]:
    lines = [COLUMNS]
    for row, found in rows:
        changes = np.array([found["val_dice_by_patient"][patient] - dice for patient, dice in patients.items()])
        better = (changes > 0).sum()
        minutes = found["seconds"] / 60
        lines.append(
            f"| {row['what']} | {found['val_dice']:.3f} | {found['val_dice_median']:.3f} | {changes.mean():+.3f} | "
            f"{np.median(changes):+.3f} | {better} of {len(changes)} | {found['train_slices']} | {minutes:.1f} | "
            f"{_name(row)} |"
        )
    return lines


def _tested(rows: list[tuple[Any, Any]], _: dict[str, float]) -> list[str]:
    def cells(entry: Mapping[str, Any]) -> list[str]:
        parts = (entry["slice"], "dice"), (entry["volume"], "dice_mean")
        return [f"{part[key]:.3f} (n {part['n']})" for part, key in parts]

    head = [
        "| what | model | Dice by slice | Dice by patient or part of one | row |",
        "|---|---|---:|---:|---|",
    ]
    return head + _by_model(rows, "test", cells)


def _postprocessed(rows: list[tuple[Any, Any]], _: dict[str, float]) -> list[str]:
    def cells(entry: Mapping[str, Any]) -> list[str]:
        steps = ", ".join(f"{key} {value}" for key, value in entry["chosen"].items())
        return [f"{entry['dice_plain']:.3f}", f"{entry['dice_chosen']:.3f}", steps]

    head = ["| what | model | threshold 0.5 | with the chosen steps | steps | row |", "|---|---|---:|---:|---|---|"]
    return (
        head
        + _by_model(rows, "val", cells)
        + [line for row, found in rows if "trail" in found for line in _steps(row["name"], found["trail"])]
    )


def _steps(name: str, trail: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each candidate of a step gives the ensemble, after the steps kept before it."""
    lines = ["", f"Steps of the {ENSEMBLE}, `{name}`:", "", "| step | candidate | mean | kept |", "|---|---|---:|---|"]
    for row in trail:
        kept = "yes" if row["kept"] else "no"
        lines.append(f"| {row['step'].replace('_', ' ')} | {row['candidate']} | {row['dice']:.4f} | {kept} |")
    return lines


def _leaks(leak: Mapping[str, Any]) -> list[str]:
    """At full length: the same slices with and without others of their patients in training."""
    lines = [
        "",
        "| model | slices | patients | Dice with the leak | without | change per patient (95% interval) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for model, found in leak.items():
        change = found["by_patient"]
        lines.append(
            f"| {model} | {found['slices']} | {found['patients']} | {found['leaky_slice_dice']:.3f} | "
            f"{found['honest_slice_dice']:.3f} | {change['difference']:+.3f} "
            f"({change['low']:.3f} to {change['high']:.3f}) |"
        )
    return lines


def _by_model(rows: list[tuple[Any, Any]], kind: str, cells: Callable[[Mapping[str, Any]], list[str]]) -> list[str]:
    """A line per row and model, `cells` between what was changed and the row's name."""
    return [
        f"| {' | '.join([row['what'], model, *cells(found[kind][model])])} | {_name(row)} |"
        for row, found in rows
        for model in MODELS
        if model in found[kind]  # a row may be older than a network
    ]


def _name(row: Mapping[str, Any]) -> str:
    return f"`{row['name']}`" + (f" `{_flags(row['set'])}`" if "set" in row else "")


def _flags(settings: Mapping[str, Any]) -> str:
    return " ".join(f"-S {key}={value}" for key, value in settings.items())


_LAYOUTS = {"train": _trained, "evaluate": _tested, "postprocess": _postprocessed}


def _chance(plan: Mapping[str, Any], results: Mapping[str, Any], *, clahe: bool) -> float:
    """Pooled standard deviation of the mean Dice of rows that differ in `train.replicate` alone; 0 without any."""
    settings: dict[str, list[float]] = {}
    for row in (row for group in plan["groups"] for row in group["rows"]):
        same = {key: value for key, value in row.get("set", {}).items() if key != "train.replicate"}
        if "val_dice" in results.get(row["name"], {}) and same.get("clahe.enabled", False) == clahe:
            settings.setdefault(f"{row.get('network')} {same}", []).append(results[row["name"]]["val_dice"])
    repeated = [values for values in settings.values() if len(values) > 1]
    squares = sum(float(np.var(values)) * len(values) for values in repeated)
    return float(np.sqrt(squares / sum(len(values) - 1 for values in repeated))) if repeated else 0.0
