"""The weights that the package ships: trained on every patient at hand, for patients that nobody has seen.

`python -m release.weights train` trains every network with the recipe of params.yaml on all patients of data/clahe;
`python -m release.weights write` puts them, in half precision and with a model card, into brainseg/weights;
`python -m release.graphs write` then makes the graphs of them, and `python -m release.weights card` the card alone;
`python -m release.weights verify` computes the figures that their JSON claims again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from brainseg.data import slices
from brainseg.data.index import read_index
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.files import atomic_path, write_csv
from brainseg.inference.models import load_models, record_of
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import predict_volume
from brainseg.inference.selection import write_ensemble
from brainseg.model.catalogue import ENSEMBLE, MODELS, NETWORKS
from brainseg.model.store import load_info, load_state, save_model
from brainseg.progress import progress
from brainseg.shipped import FOLDER, SUMS, halve, write_sums
from release.card import model_card
from studies.command import run_app

WORK, RESULTS = Path("trained_release"), Path("studies/results")
TOLERANCE = 1e-4
Data = Annotated[Path, typer.Option(help="Folder of slice sets from clahe.")]
Weights = Annotated[Path, typer.Option(help="Folder of the shipped files.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(data: Data = Path("data/clahe"), index: Path = Path("data/index.csv"), work: Path = WORK) -> None:
    """Train every network on every patient; the last epoch is kept, since nobody is left to validate on."""
    table = read_index(index)
    work, data, index, params = (path.resolve() for path in (work, data, index, Path("params.yaml")))
    write_csv(work / "split.csv", table[["patient", "slice"]].assign(split="train"))
    for name in NETWORKS:
        model = work / f"{name}.safetensors"
        if model.exists():
            typer.echo(f"{name}: {model} is there")
            continue
        stage = ["stages.train", name, data, index, work / "split.csv", model, work / "metrics"]
        options = ["--no-validate", "--checkpoints", work / "checkpoints", "--params", params]
        line = [sys.executable, "-m", *map(str, [*stage, *options])]
        # from there, so that the log of the pipeline's own stages knows nothing of it
        subprocess.run(line, cwd=work, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, check=True)


@app.command()
def write(
    data: Data = Path("data/clahe"),
    work: Path = WORK,
    models: Path = Path("models"),
    metrics: Path = Path("metrics"),
    weights: Weights = FOLDER,
    results: Path = RESULTS,
) -> None:
    """Write half-precision weights, their JSON and the model card.

    The choices of post-processing are those that validation patients gave in the pipeline's own run (`models`).
    """
    crossval = _json(metrics / "crossval.json") if (metrics / "crossval.json").exists() else {}
    choices = {name: _json(models / f"{name}.json")["postprocess"] for name in MODELS}
    weights.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        info = load_info(work / f"{name}.safetensors")
        info = info.model_copy(update={"postprocess": choices[name], "metrics": {}})
        save_model(weights / f"{name}.safetensors", halve(load_state(work / f"{name}.safetensors")), info)
    write_ensemble(weights, choices[ENSEMBLE], {})
    write_sums(weights / SUMS)  # what is read below is held against them
    fitted = fitted_dice(data, weights)
    for name in NETWORKS:
        path = weights / f"{name}.safetensors"
        info = load_info(path).model_copy(update={"metrics": _claims(name, fitted, crossval)})
        save_model(path, load_state(path), info)
    write_ensemble(weights, choices[ENSEMBLE], _claims(ENSEMBLE, fitted, crossval))
    write_sums(weights / SUMS)
    card(metrics, weights, results)


@app.command()
def card(metrics: Path = Path("metrics"), weights: Weights = FOLDER, results: Path = RESULTS) -> None:
    """Write the model card alone, from the files beside it, in `metrics` and in `results`."""
    with atomic_path(weights / "MODEL_CARD.md") as temporary:
        temporary.write_text(model_card(weights, metrics, results), encoding="utf-8")


def _claims(name: str, fitted: dict[str, Any], crossval: dict[str, Any]) -> dict[str, Any]:
    return {"fitted": fitted[name]} | ({"cross_validated": crossval[name]["pooled"]} if name in crossval else {})


@app.command()
def verify(data: Data = Path("data/clahe"), weights: Weights = FOLDER) -> None:
    """Segment the patients that the weights were trained on, and hold the Dice against what their JSON claims."""
    found = fitted_dice(data, weights)
    for name in MODELS:
        claimed = _json(weights / f"{name}.json")["metrics"]["fitted"]
        gap = max(abs(found[name][key] - claimed[key]) for key in claimed)
        typer.echo(f"{name}: {found[name]}, claimed {claimed}")
        if gap > TOLERANCE:
            raise DataError(f"{name} gives other figures than its JSON claims, by up to {gap:.6f}.")


def fitted_dice(data: Path, weights: Path) -> dict[str, dict[str, float]]:
    """Whole-volume Dice of the shipped files on the patients that they were trained on: not a test.

    Args:
        data: folder of slice sets, preprocessed as for training.
        weights: folder of the shipped files.

    Returns:
        model -> `dice_mean`, `dice_median`, `n`.

    Raises:
        DataError: a file is missing or damaged.
    """
    models = load_models(weights, device="cpu", runtime="torch")
    choices: dict[str, Choice | None] = {
        name: record_of(info.postprocess, weights / f"{name}.safetensors").choice
        for name, (_, info) in models.networks.items()
    }
    choices[ENSEMBLE] = models.choice
    scores: dict[str, list[float]] = {name: [] for name in choices}
    for patient in progress(models.networks[NETWORKS[0]][1].training["patients"], "patients"):
        whole = slices.load(data / f"{patient}.npz")
        for name, mask in predict_volume(models.networks, whole, choices, tta=models.tta).masks.items():
            scores[name].append(overlap(whole.masks, mask).dice)
    return {
        name: {
            "dice_mean": round(float(np.mean(dice)), 6),  # as files.write_json does: header and JSON say the same
            "dice_median": round(float(np.median(dice)), 6),
            "n": len(dice),
        }
        for name, dice in scores.items()
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; make it first.") from None


if __name__ == "__main__":
    run_app(app)
