"""The tables of docs/trust.md, from metrics/crossval_trust.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brainseg.model.catalogue import ENSEMBLE
from brainseg.report.headline import markdown

FIGURES = {
    "pearson_r": "Pearson r of expected and real Dice",
    "mean_absolute_error": "mean absolute error of the expected Dice",
    "auroc_dice_below_070": "AUROC of finding a Dice below 0.7",
    "auroc_dice_below_080": "AUROC of finding a Dice below 0.8",
    "aurc": "AURC",
    "augrc": "AUGRC",
    "dice_of_80_percent": "mean Dice of the 80% most trusted",
    "dice_low_coverage": "share whose Dice is not below its bound (meant: 0.9)",
    "volume_coverage": "share whose volume lies in its interval (meant: 0.9)",
    "volume_width": "half width of that interval, as a factor",
}


def trust_table(root: Path) -> str:
    """What the expected Dice is worth out of fold, beside one feature alone, the oracle and chance."""
    found = _read(root, "metrics/crossval_trust.json")
    own, alone = found["trust"], found["volume_gap_alone"]
    rows = [
        (
            label,
            f"{own[name]['value']:.3f} ({own[name]['ci95_low']:.3f} to {own[name]['ci95_high']:.3f})",
            f"{alone[name]['value']:.3f}" if name in alone else "",
            *(f"{own[f'{name}_{rank}']:.3f}" if f"{name}_{rank}" in own else "" for rank in ("oracle", "chance")),
        )
        for name, label in FIGURES.items()
        if name in own
    ]
    head = ("figure", "expected Dice (95% interval)", "difference of the volumes alone", "oracle", "chance")
    every = _read(root, "metrics/crossval.json")[ENSEMBLE]["pooled"]
    below, little = own["n_dice_below_070"], own["n_dice_below_080"]
    return markdown(head, rows) + (
        f"\n{own['n']} patients of `{found['made_from']}` (`metrics/crossval_trust.json`); masks with a "
        f"Dice below 0.7: {below}, below 0.8: {little}. Their mean Dice is {own['dice_mean']:.3f}; that of all "
        f"{every['n']} patients of the cross-validation is {every['dice_mean']:.3f}.\n"
    )


def trust_levels(root: Path) -> str:
    """How good the masks of each level are, out of fold, and what each setup is worth."""
    found = _read(root, "metrics/crossval_trust.json")
    limits = _read(root, "brainseg/trust/calibration.json")["setups"][found["setup"]]["levels"]
    from_to = {
        "good": f"{limits['good']:.2f} or more",
        "check": f"{limits['unreliable']:.2f} to {limits['good']:.2f}",
        "unreliable": f"below {limits['unreliable']:.2f}",
    }
    levels = [
        (
            f"`{level}`",
            from_to[level],
            str(of["n"]),
            *(f"{of[key]:.3f}" if key in of else "" for key in ("dice_mean", "dice_min")),
        )
        for level, of in found["trust"]["levels"].items()
    ]
    names = ("pearson_r", "mean_absolute_error", "dice_low_coverage", "volume_coverage", "volume_width")
    setups = [
        (f"`{name}`", *(f"{of[each]['value']:.3f}" if each in of else "" for each in names))
        for name, of in {found["setup"]: found["trust"], **found["setups"]}.items()
    ]
    head = ("setup", "Pearson r", "mean absolute error", "bound holds", "interval holds", "its half width")
    heads = ("level", "expected Dice", "masks", "mean Dice", "lowest Dice")
    return f"{markdown(heads, levels)}\n{markdown(head, setups)}"


def trust_features(root: Path) -> str:
    """Each feature, its correlation with Dice, and what is lost without it."""
    found = _read(root, "metrics/crossval_trust.json")["features"]
    rows = [
        (
            f"`{name}`",
            of["sentence"],
            f"{of['pearson_r']:+.2f}",
            "yes" if of["in_model"] else "no",
            f"{of['without']['pearson_r']:+.3f}",
            f"{of['without']['mean_absolute_error']:+.4f}",
        )
        for name, of in found.items()
    ]
    head = ("feature", "what it is", "r with Dice", "in the model", "r without it", "error without it")
    return markdown(head, rows)


def _read(root: Path, name: str) -> Any:
    return json.loads((root / name).read_text(encoding="utf-8"))
