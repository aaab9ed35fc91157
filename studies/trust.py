"""How far masks can be trusted, learnt from patients that the networks had not seen, and tried on others of them.

`python -m studies.trust gather` collects the rows that each fold of the cross-validation wrote. Until the folds are
there, `python -m studies.trust heldout` makes rows of the validation and test patients with the pipeline's own networks
(the shipped ones have learnt from all patients).
`python -m studies.trust` learns from whichever there are, fold by fold from the others, writes what came of it to
metrics/crossval_trust.json, and the constants learnt from all rows to brainseg/trust/calibration.json.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from brainseg.data.splits import read_split
from brainseg.errors import DataError
from brainseg.files import sha256, write_csv, write_json
from brainseg.inference.models import load_models, record_of
from brainseg.inference.predictor import predict_volume
from brainseg.model.dataset import split_volumes
from brainseg.params import load_seed
from brainseg.progress import progress
from brainseg.trust.features import FEATURES
from brainseg.trust.fit import Told, fit, out_of_fold
from brainseg.trust.metrics import mean_absolute_error, pearson
from brainseg.trust.model import CALIBRATION
from brainseg.trust.rows import Rows, patient_rows, read_rows
from brainseg.trust.setups import SETUPS
from brainseg.trust.worth import masks, worth
from studies import fold_results
from studies.command import run_app

ROWS, RESULT = Path("metrics/crossval_trust.csv"), Path("metrics/crossval_trust.json")
HELD_OUT = Path("metrics/heldout_trust.csv")
"""Taken where there are no `ROWS`."""
GROUPS = 5
"""The held-out patients, in the order of their names, are dealt out to so many folds."""
BASELINE = "volume_gap"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def gather(out: Annotated[Path, typer.Option(help="CSV to write.")] = ROWS) -> None:
    """Collect the rows of all folds that are done."""
    found = [  # a row's `fold` is 0 in what the fold itself wrote
        pd.read_csv(io.StringIO(text), dtype={"patient": str}).assign(fold=fold)
        for fold, text in fold_results.texts(fold_results.TRUST).items()
    ]
    if not found:
        raise DataError("no fold is done; queue them with `python -m studies.crossval queue` first.")
    table = pd.concat(found, ignore_index=True).sort_values(["setup", "fold", "patient"])
    write_csv(out, table)
    typer.echo(f"{table['patient'].nunique()} patients of {len(found)} folds: {out}")


@app.command()
def heldout(
    out: Annotated[Path, typer.Option(help="CSV to write.")] = HELD_OUT,
    data: Annotated[Path, typer.Option(help="Folder of slice sets from clahe.")] = Path("data/clahe"),
    split: Annotated[Path, typer.Option(help="split.csv of these networks.")] = Path("splits/split.csv"),
    weights: Annotated[Path, typer.Option(help="Folder of networks, as `dvc repro` writes it.")] = Path("models"),
) -> None:
    """Make rows of the patients that the pipeline's networks have not learnt from.

    Raises:
        DataError: they have learnt from one of them.
    """
    models, table = load_models(weights), read_split(split)
    if known := sorted(models.patients & set(table.loc[table["split"] != "train", "patient"])):
        raise DataError(f"the networks of {weights} were trained on {known[0]}, which {split} holds out of training.")
    choices = {name: record_of(info.postprocess, Path(name)).choice for name, (_, info) in models.networks.items()}
    choices[models.name] = models.choice
    rows = []
    for side in ("val", "test"):
        for patient, whole, keep in split_volumes(data, table, side, progress):
            found = predict_volume(models.networks, whole, choices, tta=models.tta, keep=keep)
            rows += patient_rows(patient, whole, keep, found, choices)
    made = pd.DataFrame(rows)
    patients = sorted(set(made["patient"]))
    made["fold"] = made["patient"].map({patient: i % GROUPS for i, patient in enumerate(patients)})
    write_csv(out, made.sort_values(["setup", "fold", "patient"]))
    typer.echo(f"{len(patients)} patients: {out}")


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    rows: Annotated[
        Path | None, typer.Option(help="CSV of `gather` or `heldout`; by default that which is there.")
    ] = None,
    result: Annotated[Path, typer.Option(help="JSON to write: what it is worth.")] = RESULT,
    calibration: Annotated[Path, typer.Option(help="JSON to write: the constants.")] = CALIBRATION,
    params: Annotated[Path, typer.Option(help="params.yaml, for the seed.")] = Path("params.yaml"),
) -> None:
    """Learn how far masks can be trusted, and try it on the patients left out."""
    if context.invoked_subcommand is not None:
        return
    rows = rows or (ROWS if ROWS.exists() else HELD_OUT)
    table, seed = read_rows(rows), load_seed(params)
    if len(set(table.fold.tolist())) < 3:
        raise DataError(f"{rows} has {len(set(table.fold.tolist()))} folds, expected three or more; gather them first.")
    if missing := [name for name in SETUPS if name not in table.setup]:
        raise DataError(f"{rows} has no rows of {', '.join(missing)}; make it again.")
    origin = {
        "made_from": rows.as_posix(),
        "rows_sha256": sha256(rows),
        "patients": sorted(set(table.patient.tolist())),
    }
    by_setup = {name: table.of(table.setup == name) for name in SETUPS}
    found = study(by_setup[SETUPS[0]], seed)
    others = {name: worth(by_setup[name], out_of_fold(by_setup[name]), seed) for name in SETUPS[1:]}
    write_json(result, origin | {"setup": SETUPS[0]} | found | {"setups": others})
    learnt = {name: fit(of, tuple(FEATURES)).model_dump() for name, of in by_setup.items()}
    write_json(calibration, origin | {"setups": learnt})
    typer.echo(f"{len(origin['patients'])} patients of {rows}")
    for name in ("pearson_r", "mean_absolute_error", "dice_low_coverage", "volume_coverage", "volume_width"):
        each = found["trust"][name]
        typer.echo(f"{name}: {each['value']:.3f} ({each['ci95_low']:.3f} to {each['ci95_high']:.3f})")


def study(rows: Rows, seed: int) -> dict[str, Any]:
    """What an expected Dice, learnt without the fold that it is tried on, is worth.

    Returns:
        trust: see `worth`; volume_gap_alone: the same with nothing but the difference of the networks' volumes;
        features: of each its sentence, its correlation with Dice, whether the model of all rows has it, and by how
        much correlation and error of the expected Dice change without it; masks: of each what was said, and the truth.
    """
    told = out_of_fold(rows)
    final = fit(rows, tuple(FEATURES))
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
        "masks": masks(rows, told),
    }


def _without(rows: Rows, name: str, told: Told) -> dict[str, float]:
    rest = out_of_fold(rows, [other for other in FEATURES if other != name])
    return {
        "pearson_r": pearson(rest.dice, rows.dice) - pearson(told.dice, rows.dice),
        "mean_absolute_error": mean_absolute_error(rest.dice, rows.dice) - mean_absolute_error(told.dice, rows.dice),
    }


if __name__ == "__main__":
    run_app(app)
