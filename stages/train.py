"""Stages 6 and 7: train one network."""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

import brainseg
from brainseg.data.index import read_index
from brainseg.data.splits import SplitParams, read_split
from brainseg.files import write_csv, write_json
from brainseg.model.dataset import gather
from brainseg.model.processes import is_first, launch
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.model.store import FORMAT, ModelInfo, save_model
from brainseg.model.training import Reporter, Trained, finish, train
from brainseg.params import load_section, load_seed
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.skull_strip import SkullStripParams
from brainseg.progress import progress
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def train_network(
    network: Annotated[str, typer.Argument(help="Which network.")],
    data: Annotated[Path, typer.Argument(help="Folder of slice sets from clahe.")],
    index: Annotated[Path, typer.Argument(help="index.csv from filter_labeled.")],
    split: Annotated[Path, typer.Argument(help="split.csv.")],
    out: Annotated[Path, typer.Argument(help="Model file to write, .safetensors; its JSON goes beside it.")],
    metrics: Annotated[Path, typer.Argument(help="Folder for train_NETWORK.json and history_NETWORK.csv.")],
    checkpoints: Annotated[Path, typer.Option(help="State of an unfinished training.")] = Path("checkpoints"),
    validate: Annotated[bool, typer.Option(help="Score each epoch on validation patients.")] = True,
    params: ParamsFile = PARAMS,
) -> None:
    """Train one network and keep its last epoch, or by `train.keep` the best on validation patients.

    Killed at any moment, the same command continues from the last whole epoch and ends with the same
    bytes as one that was never killed. All networks share the section `train`; that of the network's name has its
    encoder, its epochs and its learning rate.
    """
    warnings.filterwarnings("ignore", "The `srun` command is available")  # one process needs none of SLURM's
    train_params = load_section(params, "train", TrainParams)
    if launch(train_params.devices, train_params.nodes, "stages.train", sys.argv[1:]):
        return
    network_params = load_section(params, network, NetworkTrainParams)
    seed, tables = load_seed(params), (read_index(index), read_split(split))
    gathered = gather(data, *tables, train_params.inputs, lambda p: progress(p, "reading"), validate=validate)
    if is_first():
        say(f"{network}: {len(gathered.images)} slices of {len(gathered.patients)} patients to train on")
    curves = metrics / f"history_{network}.csv"
    reporter = _Told(network_params.epochs, curves)
    trained = train(network, network_params, train_params, gathered, seed, checkpoints / network, reporter)
    leaky = load_section(params, "split", SplitParams).leaky
    record = _record(trained, gathered.patients, len(gathered.images), seed, leaky)
    info = ModelInfo(
        format=FORMAT,
        name=network,
        architecture=network,
        network=network_params.network,
        inputs=train_params.inputs,
        skull_strip=load_section(params, "skull_strip", SkullStripParams),
        clahe=load_section(params, "clahe", ClaheParams),
        postprocess=None,
        training=record | {"train": train_params.model_dump(), "run": network_params.model_dump()},
        metrics={},
        brainseg=brainseg.__version__,
    )
    if not is_first():
        return
    _write_curves(curves, trained.history)  # no epoch was left to do where it was killed behind the last
    save_model(out, trained.state, info)
    write_json(metrics / f"train_{network}.json", {k: v for k, v in record.items() if not isinstance(v, list | dict)})
    finish(checkpoints / network)


def _record(trained: Trained, patients: list[str], slices: int, seed: int, leaky: bool) -> dict[str, object]:
    best, scores = trained.kept_row, trained.scores
    validated = {"val_dice": best["val_dice"], "val_dice_median": statistics.median(scores.values())} if scores else {}
    return {
        "leaky": leaky,
        **validated,
        "kept_epoch": best["epoch"],
        "epochs": trained.history[-1]["epoch"],
        "train_slices": slices,
        "train_patients": len(patients),
        "seed": seed,
        "patients": patients,
        "val_dice_by_patient": scores,
    }


def _write_curves(path: Path, history: list[dict[str, float]]) -> None:
    write_csv(path, pd.DataFrame(history).reindex(columns=["epoch", "lr", "train_loss", "val_dice"]))


class _Told(Reporter):
    """One line per epoch, with the time left at the present pace, and the curves so far, for whoever plots them."""

    def __init__(self, epochs: int, curves: Path):
        self.epochs, self.curves, self.started, self.done = epochs, curves, time.monotonic(), 0

    def resumed(self, epoch: int) -> None:
        if is_first():
            say(f"continuing after epoch {epoch}")

    def epoch(self, history: list[dict[str, float]]) -> None:
        if not is_first():
            return
        _write_curves(self.curves, history)
        row = history[-1]
        self.done += 1
        pace = (time.monotonic() - self.started) / self.done
        left = pace * (self.epochs - row["epoch"]) / 60
        loss = f"loss {row['train_loss']:.4f}  " if "train_loss" in row else ""
        score = f"validation Dice {row['val_dice']:.4f}  " if "val_dice" in row else ""
        say(f"epoch {row['epoch']}/{self.epochs}  {loss}{score}{pace:.0f} s an epoch, at most {left:.0f} min left")


if __name__ == "__main__":
    run_command(train_network)
