"""How much of a figure is leakage? The same slices, predicted with and without their neighbours in training.

`dvc exp run --name leak-full -S split.by=slice -S filter_labeled.empty_per_labeled=0 evaluate` trains the original
recipe: labelled slices only, split at random. `python -m studies.leak` holds its Dice on each test slice with tumour
against that of the cross-validated networks, which never saw the patient, and writes
studies/results/leak.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from brainseg.data import slices
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.evaluation.statistics import paired
from brainseg.files import write_json
from brainseg.model.catalogue import MODELS
from brainseg.params import load_seed
from studies.command import run_app
from studies.fold_results import predictions, with_masks

OUT = Path("studies/results/leak.json")
RESAMPLES = 2000
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    experiment: Annotated[str, typer.Argument(help="The experiment whose slices were split at random.")] = "leak-full",
    data: Annotated[Path, typer.Option(help="Folder of slice sets, for the truth.")] = Path("data/clahe"),
    params: Annotated[Path, typer.Option(help="params.yaml.")] = Path("params.yaml"),
) -> None:
    """Compare both on the same slices, patient by patient."""
    import dvc.api

    if not json.loads(dvc.api.read("metrics/test.json", rev=experiment))["leaky"]:
        raise DataError(f"{experiment} was split by patient; expected an experiment with split.by=slice.")
    folds, results = with_masks(), {}
    for model in MODELS:
        leaky = _dice(experiment, model, data)
        honest = pd.concat([_dice(name, model, data) for name in folds])
        both = leaky.merge(honest, on=["patient", "slice"], suffixes=("_leaky", "_honest"))
        means = both.groupby("patient")[["dice_leaky", "dice_honest"]].mean()
        test = paired(means["dice_honest"].tolist(), means["dice_leaky"].tolist(), RESAMPLES, load_seed(params))
        results[model] = {
            "slices": len(both),
            "patients": len(means),
            "leaky_slice_dice": float(both["dice_leaky"].mean()),
            "honest_slice_dice": float(both["dice_honest"].mean()),
            "by_patient": test._asdict(),
        }
        typer.echo(f"{model}: {results[model]}")
    write_json(OUT, results)


def _dice(experiment: str, model: str, data: Path) -> pd.DataFrame:
    """patient, slice and Dice of the slices with tumour that an experiment had in its test."""
    rows = []
    for patient, found in predictions(experiment, model):
        truth = slices.load(data / f"{patient}.npz")
        for number, mask in zip(found.slices, found.mask, strict=True):
            expected = truth.masks[int(np.searchsorted(truth.slices, number))]
            if expected.any():
                rows.append((patient, int(number), overlap(expected, mask).dice))
    return pd.DataFrame(rows, columns=["patient", "slice", "dice"])


if __name__ == "__main__":
    run_app(app)
