"""Cross-validation by patient: every patient is a test patient once.

On one machine, `python -m studies.crossval queue` queues one experiment a fold, and `dvc queue start -j 2` runs them.
On several, `python -m studies.crossval run --fold K` runs one in any clone, and shares it (docs/cluster.md). Either way
`python -m studies.crossval gather` writes crossval.csv and crossval.json in metrics from those that are done, here or
kept in studies/results/folds.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
import yaml

from brainseg.errors import DataError, UserError
from brainseg.evaluation.statistics import bootstrap_ci
from brainseg.files import write_csv, write_json
from studies import exchange, fold_results
from studies.command import run_app

RESULTS = Path("metrics")
TABLE, SUMMARY = RESULTS / "crossval.csv", RESULTS / "crossval.json"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def queue(folds: Annotated[int, typer.Option(help="Number of folds.")] = 5) -> None:
    """Queue one experiment a fold."""
    for fold in range(folds):
        subprocess.run([*_line(folds, fold, ["--queue"]), "evaluate"], check=True)


@app.command()
def run(
    fold: Annotated[int, typer.Option(min=0, help="Which one; the first is 0.", show_default=False)],
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    remote: Annotated[
        str | None, typer.Option(metavar="GIT", help="Share it by this git remote and DVC's default remote.")
    ] = None,
) -> None:
    """Run one fold here, keep what the tables need of it, and share it; what is done already is not done again.

    A run that was killed goes on where it was.
    """
    if fold >= folds:
        raise DataError(f"--fold {fold} is none of {folds} folds; the first is 0, the last {folds - 1}.")
    name = f"{fold_results.PREFIX}{fold}"
    here = name in fold_results.experiments()
    if remote is not None:
        exchange.require(remote)
        exchange.fetch(remote, fold_results.PREFIX)
    if here or name in fold_results.experiments():
        typer.echo(f"fold {fold} is done already; dvc exp remove {name} lets it be run again.")
    else:
        line = [*_line(folds, fold, ["--pull"] if remote is not None else []), "evaluate"]
        if status := subprocess.run(line).returncode:
            raise UserError(f"fold {fold} ended with exit status {status}, its words stand above; run it again.")
        here = True
    if here:
        fold_results.keep(name)
        if remote is not None:
            exchange.share(remote, name)


@app.command()
def keep() -> None:
    """Keep what the tables need of each fold that was run here in studies/results/folds, to be committed."""
    for name in fold_results.experiments():
        fold_results.keep(name)
        typer.echo(f"{fold_results.KEPT / name}")


def _line(folds: int, fold: int, how: list[str]) -> list[str]:
    sets = ["-S", f"split.folds={folds}", "-S", f"split.fold={fold}"]
    return [sys.executable, "-m", "dvc", "exp", "run", *how, "--name", f"{fold_results.PREFIX}{fold}", *sets]


@app.command()
def gather(
    remote: Annotated[
        str | None, typer.Option(metavar="GIT", help="Take the folds that other clones have shared by it, too.")
    ] = None,
) -> None:
    """Add the folds that are done to crossval.csv and sum up in crossval.json."""
    if remote is not None:
        exchange.require(remote)
        exchange.fetch(remote, fold_results.PREFIX)
    known = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame()
    params, tables = (fold_results.texts(file) for file in (fold_results.PARAMS, fold_results.PER_PATIENT))
    parts = {fold: _fold(fold, params[fold], table) for fold, table in tables.items()}
    if known.size:
        parts = {fold: known[known["fold"] == fold] for fold in known["fold"].unique().tolist()} | parts
    if not parts:
        raise DataError("no fold is done; queue or run them first.")
    table = pd.concat([parts[fold] for fold in sorted(parts)], ignore_index=True)
    seed = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["seed"]
    write_json(SUMMARY, summarise(table, seed))
    write_csv(TABLE, table)
    typer.echo(f"folds {', '.join(map(str, sorted(parts)))}: {TABLE} and {SUMMARY}")


def summarise(table: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Figures of each fold and of all patients together.

    Args:
        table: a row per model and patient: fold, recipe, model, patient, dice.
        seed: of the bootstrap.

    Returns:
        model -> `pooled` (each patient once, from the fold that had it in its test) and `folds`.

    Raises:
        DataError: the folds come from different recipes, or a patient is in two of them.
    """
    if table["recipe"].nunique() > 1:
        folds = table.groupby("recipe")["fold"].unique().tolist()
        raise DataError(
            f"the folds come from different parameters ({folds}); remove the older ones from DVC's experiments, from "
            f"{fold_results.KEPT} and from {TABLE}."
        )
    if table.duplicated(["model", "patient"]).any():
        raise DataError("a patient is in the test of two folds; all folds must come from one number of folds.")
    return {"folds_done": int(table["fold"].nunique())} | {
        str(model): {
            "pooled": _figures(rows["dice"], seed),
            "folds": {str(fold): _figures(part["dice"], seed) for fold, part in rows.groupby("fold")},
        }
        for model, rows in table.groupby("model", sort=False)
    }


def _figures(dice: pd.Series[float], seed: int) -> dict[str, Any]:
    low, high = bootstrap_ci(dice.tolist(), 2000, seed)
    return {
        "dice_mean": float(dice.mean()),
        "dice_median": float(dice.median()),
        "dice_min": float(dice.min()),
        "dice_ci95_low": low,
        "dice_ci95_high": high,
        "n": len(dice),
    }


def _fold(fold: int, params_text: str, rows: str) -> pd.DataFrame:
    """What the fold's `evaluate` wrote of each patient, with a digest of its parameters but the fold."""
    params = yaml.safe_load(params_text)
    del params["split"]["fold"]
    recipe = hashlib.sha256(yaml.safe_dump(params).encode()).hexdigest()[:8]
    table = pd.read_csv(io.StringIO(rows))
    table.insert(0, "fold", fold)
    table.insert(1, "recipe", recipe)
    return table


if __name__ == "__main__":
    run_app(app)
