"""Stage 9: one honest table, and pictures of the best, median and worst test patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg.data import slices
from brainseg.data.splits import SplitParams, read_split
from brainseg.errors import DataError
from brainseg.evaluation import tables
from brainseg.evaluation.metrics import evaluate
from brainseg.evaluation.overlays import write_overlays
from brainseg.evaluation.report import format_table
from brainseg.evaluation.statistics import EvaluateParams, summarise
from brainseg.files import write_csv, write_json
from brainseg.inference.predictor import ENSEMBLE, load_prediction
from brainseg.model.dataset import select, split_slices
from brainseg.model.networks import NETWORKS
from brainseg.params import load_section, load_seed
from stages._command import PARAMS, ParamsFile, run

MODELS = (*NETWORKS, ENSEMBLE)


def evaluate_models(
    data: Annotated[Path, typer.Argument(help="Folder of slice sets, for the truth and the pictures.")],
    split: Annotated[Path, typer.Argument(help="split.csv.")],
    predictions: Annotated[Path, typer.Argument(help="Folder from postprocess.")],
    metrics: Annotated[Path, typer.Argument(help="Folder for test.json, per_patient.csv, dice_by_patient.csv.")],
    overlays: Annotated[Path, typer.Argument(help="Folder to write: best.png, median.png, worst.png.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Score U-Net, U-Net++ and their ensemble on the test patients, and print the table.

    Per labelled slice and per whole volume, with bootstrap intervals by patient. A patient without a
    prediction, or a prediction without a patient, is an error. `evaluate.bootstrap` is the number of resamples.
    """
    settings, seed = load_section(params, "evaluate", EvaluateParams), load_seed(params)
    division = load_section(params, "split", SplitParams)
    wanted = split_slices(read_split(split), "test")
    truths = {p: select(slices.load(data / f"{p}.npz"), numbers) for p, numbers in wanted.items()}
    masks = {}
    for model in MODELS:
        found = {path.stem: load_prediction(path) for path in sorted((predictions / model).glob("*.npz"))}
        for patient, prediction in found.items():
            if patient in truths and prediction.slices.tolist() != truths[patient].slices.tolist():
                path = predictions / model / f"{patient}.npz"
                raise DataError(f"{path} is of other slices than the split's test slices; run postprocess again.")
        masks[model] = {patient: prediction.mask for patient, prediction in found.items()}

    results = {model: evaluate(truths, masks[model]) for model in MODELS}
    summary: dict[str, Any] = {"leaky": division.leaky, "split_by": division.by}
    summary |= {model: summarise(result, settings, seed) for model, result in results.items()}
    per_patient = tables.per_patient(results)
    write_overlays(overlays, truths, masks, per_patient, settings.overlays, division.leaky)
    write_csv(metrics / "per_patient.csv", per_patient)
    write_csv(metrics / "dice_by_patient.csv", tables.dice_by_patient(results))
    write_json(metrics / "test.json", summary)
    typer.echo(format_table(json.loads((metrics / "test.json").read_text())))


if __name__ == "__main__":
    run(evaluate_models)
