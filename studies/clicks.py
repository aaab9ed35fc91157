"""What clicks are worth: a simulated annotator corrects masks of patients that the networks had not seen.

`python -m studies.clicks train --fold K` trains the network of clicks on the training patients of a fold of the
cross-validation, from that fold's U-Net; a training that was stopped goes on. `python -m studies.clicks --fold K` then
clicks the fold's test patients, replaces the fold's rows in metrics/clicks.csv, and sums up all rows in
metrics/clicks.json. Without `--fold` both take the pipeline's own run, and its validation and test patients; these rows
count until there are folds. Ways to answer without learning are clicked beside the network, and without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from brainseg.correct.annotator import corrections, fewest_pixels
from brainseg.correct.answer import Answerer, Prepared
from brainseg.correct.clicks.network import load_answerer
from brainseg.correct.geodesic import GeodesicAnswerer
from brainseg.data.slices import Bool, SliceSet, Volume
from brainseg.data.splits import read_split
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.evaluation.statistics import bootstrap_ci
from brainseg.files import write_csv, write_json
from brainseg.inference.models import load_models
from brainseg.inference.predictor import predict_volume
from brainseg.inference.runtimes import FLOAT32
from brainseg.model.dataset import select, split_volumes
from brainseg.params import load_seed
from brainseg.progress import progress
from studies.command import run_app
from studies.fold_results import PREFIX

ROWS, RESULT, TRUST = Path("metrics/clicks.csv"), Path("metrics/clicks.json"), Path("metrics/crossval_trust.json")
WORK = Path("trained_clicks")
OWN = -1
"""The column `fold` of the pipeline's own run."""
REACHED = 0.9
AFTER = (0, 1, 3, 5, 10)
FEW = 5
"""Clicks that the least trusted get, where the others get none."""
SHARE = 0.2
Fold = Annotated[int | None, typer.Option(help="Of the cross-validation; the pipeline's own run where left out.")]
Data = Annotated[Path, typer.Option(help="Folder of slice sets from clahe.")]
Split = Annotated[Path, typer.Option(help="split.csv of the own run.")]
Models = Annotated[Path, typer.Option(help="Networks of the own run, as `dvc repro` writes them.")]
Work = Annotated[Path, typer.Option(help="Folder for the networks of clicks, and for what folds are made of.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="params.yaml, for the seed.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Run:
    """A run of the pipeline: who is in which split, the networks, and where its network of clicks lies."""

    fold: int
    split: pd.DataFrame
    models: Path
    clicks: Path


def run_of(fold: int | None, split: Path, models: Path, work: Path) -> Run:
    """The pipeline's own run, or a fold, whose split and networks are taken from its experiment.

    Raises:
        DataError: a file is missing, or there is no such experiment.
    """
    if fold is None:
        return Run(OWN, read_split(split), models, work / "own" / "clicks.safetensors")
    folder = work / f"fold-{fold}"
    if not (folder / "split.csv").exists():
        _fetch(f"{PREFIX}{fold}", folder)
    return Run(fold, read_split(folder / "split.csv"), folder / "models", folder / "clicks.safetensors")


def _fetch(experiment: str, folder: Path) -> None:
    from dvc.api import DVCFileSystem

    try:
        files = DVCFileSystem(rev=experiment)
        files.get("models", str(folder / "models"), recursive=True)
        files.get("splits/split.csv", str(folder / "split.csv"))  # last: it says that all is there
    except Exception as error:  # DVC's, git's and those of file systems
        raise DataError(
            f"{experiment} cannot be read ({error}); queue the folds with `python -m studies.crossval queue`."
        ) from None


@app.command()
def train(
    fold: Fold = None,
    data: Data = Path("data/clahe"),
    split: Split = Path("splits/split.csv"),
    models: Models = Path("models"),
    work: Work = WORK,
    params: ParamsFile = Path("params.yaml"),
    epochs: Annotated[int, typer.Option(help="Passes over the training patients.")] = 24,
    rehearsals: Annotated[int, typer.Option(help="Spoilt masks of each patient in an epoch.")] = 3,
    slices: Annotated[int, typer.Option(help="Slices learnt from of each.")] = 4,
    batch_size: Annotated[int, typer.Option(help="Slices per step.")] = 8,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 0.001,
) -> None:
    """Train the network of clicks on a run's training patients, starting from its U-Net."""
    from brainseg.correct.clicks.model import from_segmentation
    from brainseg.correct.clicks.training import ClickTrainParams, finish, gather
    from brainseg.correct.clicks.training import train as learn
    from brainseg.model.recipe import TrainParams
    from brainseg.model.store import save_model
    from brainseg.params import load_section

    run = run_of(fold, split, models, work)
    shared = load_section(params, "train", TrainParams)
    recipe = ClickTrainParams(
        epochs=epochs,
        rehearsals=rehearsals,
        slices=slices,
        batch_size=batch_size,
        lr=lr,
        weight_decay=shared.weight_decay,
        ema_decay=shared.ema_decay,
        dice_weight=shared.dice_weight,
        augment=shared.augment,
    )
    network, info = from_segmentation(run.models / "unet.safetensors")
    patients = sorted(set(run.split.loc[run.split["split"] == "train", "patient"]))
    if known := sorted(set(info.training["patients"]) - set(patients)):
        raise DataError(f"{run.models / 'unet.safetensors'} has learnt from {known[0]}, whom the split holds out.")
    seed = load_seed(params)
    state, losses = learn(
        network,
        gather(data, patients, info.inputs),
        recipe,
        seed,
        checkpoints=run.clicks.parent / "checkpoints",
        tell=lambda epoch, loss: typer.echo(f"epoch {epoch}/{epochs}  loss {loss:.4f}"),
    )
    record = {"patients": patients, "seed": seed, "started_from": "unet", "loss": losses, "recipe": recipe.model_dump()}
    changes = {"name": "clicks", "postprocess": None, "training": record, "metrics": {}}
    save_model(run.clicks, state, info.model_copy(update=changes))
    finish(run.clicks.parent / "checkpoints")
    typer.echo(f"{run.clicks}")


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    fold: Fold = None,
    data: Data = Path("data/clahe"),
    split: Split = Path("splits/split.csv"),
    models: Models = Path("models"),
    work: Work = WORK,
    params: ParamsFile = Path("params.yaml"),
    precision: Annotated[str, typer.Option(help="Of the network of clicks: float32 or int8.")] = FLOAT32,
    most: Annotated[int, typer.Option(min=1, help="Clicks on each patient at most.")] = 20,
    trust: Annotated[Path, typer.Option(help="JSON of studies.trust, for who is least trusted.")] = TRUST,
    rows: Annotated[Path, typer.Option(help="CSV to add to.")] = ROWS,
    result: Annotated[Path, typer.Option(help="JSON to write.")] = RESULT,
) -> None:
    """Click the patients whom a run's networks had not seen, and sum up what all runs gave."""
    if context.invoked_subcommand is not None:
        return
    run, seed = run_of(fold, split, models, work), load_seed(params)
    answerers: dict[str, Answerer] = {"geodesic": GeodesicAnswerer()}
    if run.clicks.exists():
        answerers["network"] = load_answerer(run.clicks, precision)
    found = pd.DataFrame([row for patient in held_out(run, data) for row in clicked(*patient, answerers, most)])
    found.insert(0, "fold", run.fold)
    if rows.exists():
        known = pd.read_csv(rows, dtype={"patient": str})
        found = pd.concat([known[known["fold"] != run.fold], found], ignore_index=True)
    found = found.sort_values(["fold", "answerer", "patient", "clicks"], ignore_index=True)
    counted = found[found["fold"] != OWN] if (found["fold"] != OWN).any() else found
    summary = summarise(counted, expected_dice(trust), seed)
    write_csv(rows, found)
    write_json(result, summary)
    for name, figures in summary["answerers"].items():
        dice = ", ".join(f"{figures['dice'][str(after)]['mean']:.4f} after {after}" for after in AFTER)
        typer.echo(f"{name}, {figures['n']} patients: Dice {dice}; NoC@90 {figures['noc_90']['mean']:.2f}")


def held_out(run: Run, data: Path) -> Iterator[tuple[str, Prepared, Bool, Bool]]:
    """Patients that the run's networks had not seen: of a fold its test, of the own run the validation patients, too.

    Yields:
        patient, the head with the networks' probability, the truth, and the automatic mask.

    Raises:
        DataError: the networks have learnt from one of them.
    """
    loaded = load_models(run.models)
    for side in ("val", "test") if run.fold == OWN else ("test",):
        for patient, whole, keep in split_volumes(data, run.split, side, progress):
            if patient in loaded.patients:
                raise DataError(f"the networks of {run.models} have learnt from {patient}, whom the split holds out.")
            found = predict_volume(loaded.networks, whole, {loaded.name: loaded.choice}, tta=loaded.tta, keep=keep)
            kept: SliceSet = select(whole, whole.slices[keep])
            case = Prepared(Volume(kept.images, kept.brain, kept.slices), found.probabilities[loaded.name])
            yield patient, case, kept.masks, found.masks[loaded.name]


def clicked(
    patient: str, case: Prepared, truth: Bool, mask: Bool, answerers: Mapping[str, Answerer], most: int
) -> Iterator[dict[str, Any]]:
    """A row of each number of clicks: Dice, and the fewest pixels that a brush touches for the same Dice."""
    to_reach = fewest_pixels(truth, mask, REACHED)
    for name, answerer in answerers.items():
        for clicks, corrected in enumerate(corrections(answerer, case, truth, mask, most)):
            dice = overlap(truth, corrected).dice
            row = {"answerer": name, "patient": patient, "clicks": clicks, "dice": dice}
            yield row | {"brush_px": fewest_pixels(truth, mask, dice), "brush_px_to_90": to_reach, "most": most}


def expected_dice(trust: Path) -> dict[str, float]:
    """How good a mask each patient was expected to have, before anybody had seen the truth; empty where not known."""
    if not trust.exists():
        return {}
    masks = json.loads(trust.read_text(encoding="utf-8"))["masks"]
    return {str(row["patient"]): float(row["expected"]) for row in masks}


def summarise(rows: pd.DataFrame, expected: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Figures of each answerer over all patients.

    Args:
        rows: what `clicked` gave, with `fold`.
        expected: Dice by patient, for who is least trusted.
        seed: of the bootstrap.

    Raises:
        DataError: a patient was clicked in two folds.
    """
    if rows.duplicated(["answerer", "patient", "clicks"]).any():
        raise DataError("a patient was clicked in two folds; remove the rows of those of another number of folds.")
    return {
        "folds": sorted({int(fold) for fold in rows["fold"]}),
        "answerers": {
            str(name): _figures(part, expected, seed) for name, part in rows.groupby("answerer", sort=True)
        },
    }  # fmt: skip


def _figures(rows: pd.DataFrame, expected: Mapping[str, float], seed: int) -> dict[str, Any]:
    most = int(rows["most"].max())
    table = rows.pivot_table(index="patient", columns="clicks", values="dice").reindex(columns=range(most + 1))
    table = table.ffill(axis=1)  # nothing was wrong any more
    reached = table >= REACHED
    noc = np.where(reached.any(axis=1), reached.to_numpy().argmax(1), most)
    first = rows[rows["clicks"] == 0].set_index("patient")
    after = rows[rows["clicks"] <= FEW].groupby("patient")["brush_px"].last()
    return {
        "n": len(table),
        "dice": {str(k): _mean(table[min(k, most)], seed) for k in AFTER},
        "noc_90": {
            "mean": float(noc.mean()),
            "median": float(np.median(noc)),
            "most": most,
            "never": int((~reached.any(axis=1)).sum()),
            "patients": {str(k): int((noc[reached.any(axis=1)] == k).sum()) for k in range(most + 1)},
        },
        "least_trusted": _least_trusted(table, expected, seed),
        "brush": {
            "px_to_90_median": float(first["brush_px_to_90"].median()),
            f"px_as_{FEW}_clicks_median": float(after.median()),
        },
    }


def _mean(dice: pd.Series[float], seed: int) -> dict[str, float]:
    low, high = bootstrap_ci(dice.tolist(), 2000, seed)
    return {"mean": float(dice.mean()), "ci95_low": low, "ci95_high": high}


def _least_trusted(table: pd.DataFrame, expected: Mapping[str, float], seed: int) -> dict[str, Any] | None:
    """Mean Dice of all where only the fifth with the lowest expected Dice is clicked; None where trust is not known."""
    if not set(table.index) <= expected.keys():
        return None
    chosen = sorted(table.index, key=lambda patient: (expected[patient], patient))[: round(SHARE * len(table))]
    mixed = table[0].where(~table.index.isin(chosen), table[min(FEW, int(table.columns.max()))])
    return {"clicked": len(chosen), f"dice_after_{FEW}": _mean(mixed, seed)}


if __name__ == "__main__":
    run_app(app)
