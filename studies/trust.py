"""How far masks can be trusted, learnt from patients of a cross-validation and tried on others of them.

`python -m studies.trust gather` collects the rows that each fold's stages wrote; `python -m studies.trust` learns from
them, fold by fold from the others, writes what came of it to metrics/crossval_trust.json, and the constants learnt from
all rows to brainseg/trust/calibration.json.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from brainseg.errors import DataError
from brainseg.files import sha256, write_csv, write_json
from brainseg.params import load_seed
from brainseg.trust.features import FEATURES
from brainseg.trust.fit import NO_DIGEST, Told, fit, out_of_fold
from brainseg.trust.metrics import coverage, figures, interval, mean_absolute_error, median_width, pearson
from brainseg.trust.model import CALIBRATION
from brainseg.trust.rows import Rows, read_rows
from studies.command import run_app
from studies.crossval import experiments

ROWS, RESULT = Path("metrics/crossval_trust.csv"), Path("metrics/crossval_trust.json")
OF_FOLD = "metrics/trust_features.csv"
"""What the stages of one fold write of its test patients; a row's `fold` there is 0."""
BASELINE = "volume_gap"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def gather(out: Annotated[Path, typer.Option(help="CSV to write.")] = ROWS) -> None:
    """Collect the rows of all folds that are done."""
    import dvc.api

    found = [
        pd.read_csv(io.StringIO(dvc.api.read(OF_FOLD, rev=name)), dtype={"patient": str}).assign(fold=fold)
        for name, fold in experiments().items()
    ]
    if not found:
        raise DataError("no fold is done; queue them with `python -m studies.crossval queue` first.")
    write_csv(out, pd.concat(found, ignore_index=True).sort_values(["fold", "patient"]))
    typer.echo(f"{sum(map(len, found))} patients of {len(found)} folds: {out}")


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    rows: Annotated[Path, typer.Option(help="CSV of `gather`.")] = ROWS,
    result: Annotated[Path, typer.Option(help="JSON to write: what it is worth.")] = RESULT,
    calibration: Annotated[Path, typer.Option(help="JSON to write: the constants.")] = CALIBRATION,
    params: Annotated[Path, typer.Option(help="params.yaml, for the seed.")] = Path("params.yaml"),
) -> None:
    """Learn how far masks can be trusted, and try it on the patients left out."""
    if context.invoked_subcommand is not None:
        return
    table, seed = read_rows(rows), load_seed(params)
    if len(set(table.fold.tolist())) < 3:
        raise DataError(f"{rows} has {len(set(table.fold.tolist()))} folds, expected three or more; gather them first.")
    found = study(table, seed)
    write_json(result, found)
    write_json(calibration, fit(table, tuple(FEATURES), sha256(rows)).model_dump())
    for name in ("pearson_r", "mean_absolute_error", "dice_low_coverage", "volume_coverage", "volume_width"):
        each = found["trust"][name]
        typer.echo(f"{name}: {each['value']:.3f} ({each['ci95_low']:.3f} to {each['ci95_high']:.3f})")


def study(rows: Rows, seed: int) -> dict[str, Any]:
    """What an expected Dice, learnt without the fold that it is tried on, is worth.

    Returns:
        trust: see `worth`; volume_gap_alone: the same with nothing but the difference of the networks' volumes;
        features: of each its sentence, its correlation with Dice, whether the model of all rows has it, and by how
        much correlation and error of the expected Dice change without it.
    """
    told = out_of_fold(rows)
    final = fit(rows, tuple(FEATURES), NO_DIGEST)
    return {
        "trust": worth(rows, told, seed),
        f"{BASELINE}_alone": worth(rows, out_of_fold(rows, [BASELINE]), seed),
        "features": {
            name: {
                "sentence": feature.sentence,
                "pearson_r": float(np.nan_to_num(pearson(rows.features[name], rows.dice))),
                "in_model": name in final.terms,
                "without": _without(rows, name, told),
            }
            for name, feature in FEATURES.items()
        },
    }


def worth(rows: Rows, told: Told, seed: int) -> dict[str, Any]:
    """Figures of `told` beside what is true, with intervals by patient; levels as each fold's calibration has them."""
    there = rows.predicted_volume > 0
    ratio = (rows.true_volume / np.maximum(rows.predicted_volume, 1))[there]
    low, high = told.volume_low[there], told.volume_high[there]
    ceiling = np.ones(len(rows))
    return figures(told.dice, rows.dice, seed) | {
        "dice_low_coverage": interval(coverage, told.dice_low, ceiling, rows.dice, seed=seed),
        "dice_low_mean": float(told.dice_low.mean()),
        "volume_coverage": interval(coverage, low, high, ratio, seed=seed),
        "volume_width": interval(median_width, low, high, seed=seed),
        "levels": _levels(rows, told),
    }


def _levels(rows: Rows, told: Told) -> dict[str, Any]:
    """How good the masks of each level are."""
    found = {}
    for name in ("good", "check", "unreliable"):
        real = rows.dice[told.level == name]
        found[name] = {"n": len(real)} | (
            {"dice_mean": float(real.mean()), "dice_min": float(real.min())} if len(real) else {}
        )
    return found


def _without(rows: Rows, name: str, told: Told) -> dict[str, float]:
    rest = out_of_fold(rows, [other for other in FEATURES if other != name])
    return {
        "pearson_r": pearson(rest.dice, rows.dice) - pearson(told.dice, rows.dice),
        "mean_absolute_error": mean_absolute_error(rest.dice, rows.dice) - mean_absolute_error(told.dice, rows.dice),
    }


if __name__ == "__main__":
    run_app(app)
