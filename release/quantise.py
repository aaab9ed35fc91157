"""int8 graphs for OpenVINO: calibrated on training slices, and shipped only if they cost next to nothing.

`python -m release.quantise measure` quantises the pipeline's own networks and holds them against float32 on validation
patients (studies/results/int8.json); `python -m release.quantise write` then puts the shipped networks' graphs beside
them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from brainseg.compiled import import_openvino
from brainseg.data import slices
from brainseg.data.splits import read_split
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.files import sha256, write_json
from brainseg.inference.export import to_graph
from brainseg.inference.graphs import write_graph
from brainseg.inference.models import load_models
from brainseg.inference.openvino import serialised
from brainseg.inference.presets import FAST, PRESETS
from brainseg.inference.runtimes import FLOAT32, INT8
from brainseg.model.catalogue import ENSEMBLE, NETWORKS
from brainseg.model.store import ModelInfo, load_model
from brainseg.preprocess.inputs import network_input
from brainseg.progress import progress
from brainseg.shipped import FOLDER
from studies.command import run_app
from studies.patients import segmented

MOST = 0.01
"""Mean whole-volume Dice that int8 may cost the ensemble; the card says what it does cost."""
SLICES_EACH = 4
MEASURED = Path("studies/results/int8.json")
Data = Annotated[Path, typer.Option(help="Folder of slice sets from clahe.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure(
    data: Data = Path("data/clahe"),
    split: Path = Path("splits/split.csv"),
    models: Path = Path("models"),
    out: Path = MEASURED,
) -> None:
    """Quantise the pipeline's networks; compare Dice of float32, int8 and --fast on validation patients."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path in models.iterdir():
            shutil.copy(path, folder)
        quantise(folder, data)
        table = read_split(split)
        preset = PRESETS[FAST]
        quick = load_models(folder, preset.model, precision=preset.precision)
        ways = {precision: load_models(folder, precision=precision) for precision in (FLOAT32, INT8)}
        ways[FAST] = replace(quick, tta=bool(preset.tta))
        dice = {
            way: [overlap(truth.masks, mask).dice for _, truth, mask in segmented(models, data, table, "val")]
            for way, models in ways.items()
        }
    cost = float(np.mean(dice["float32"]) - np.mean(dice["int8"]))
    figures = {way: {"dice_mean": np.mean(found), "dice_median": np.median(found)} for way, found in dice.items()}
    write_json(out, figures | {"cost": cost, "n": len(dice["int8"]), "split": "val", "model": ENSEMBLE})
    typer.echo(f"ensemble on {len(dice['int8'])} validation patients: int8 costs {cost:+.4f} mean Dice")


@app.command()
def write(data: Data = Path("data/clahe"), weights: Path = FOLDER, measured: Path = MEASURED) -> None:
    """Quantise the shipped networks, calibrated on their training patients.

    Raises:
        DataError: int8 costs `MOST` or more on validation patients, or was not measured.
    """
    if not measured.exists():
        raise DataError(f"{measured} does not exist; run `python -m release.quantise measure` first.")
    cost = json.loads(measured.read_text(encoding="utf-8"))["cost"]
    if cost >= MOST:
        raise DataError(f"int8 costs {cost:.4f} mean Dice on validation patients, {MOST} or more: it is not shipped.")
    quantise(weights, data)


def quantise(folder: Path, data: Path) -> None:
    """Write the int8 graph of every network beside them, by post-training quantisation.

    Args:
        folder: with the networks' .safetensors.
        data: folder of slice sets, preprocessed as for training; the networks' training patients are used.
    """
    import_openvino()  # first: without its telemetry
    import nncf

    for name in NETWORKS:
        path = folder / f"{name}.safetensors"
        network, info = load_model(path)
        inputs = list(calibration(info, data))
        mixed = nncf.QuantizationPreset.MIXED  # ReLU6 gives values of one sign, batch norm of both
        graph = nncf.quantize(to_graph(network, info), nncf.Dataset(inputs), subset_size=len(inputs), preset=mixed)
        write_graph(serialised(graph), path, sha256(path), INT8)


def calibration(info: ModelInfo, data: Path) -> Iterator[npt.NDArray[np.float32]]:
    """Network inputs [1, channels, s, s] of `SLICES_EACH` slices, evenly spaced, of each training patient."""
    for patient in progress(info.training["patients"], f"{info.name}, calibration"):
        inputs = network_input(slices.load(data / f"{patient}.npz"), info.inputs)
        for index in np.linspace(0, len(inputs) - 1, SLICES_EACH + 2)[1:-1].round().astype(int):
            yield inputs[index : index + 1]


if __name__ == "__main__":
    run_app(app)
