"""Stage 8: choose thresholds and clean-up on validation patients, apply them to test patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from brainseg.data.splits import SplitParams, read_split
from brainseg.files import atomic_folder, require_free, temporary_folder, write_csv, write_json
from brainseg.inference.postprocess import PostprocessParams
from brainseg.inference.selection import choose_all, load_trained, predict_patients, save_chosen
from brainseg.model.dataset import split_volumes
from brainseg.params import load_section
from brainseg.progress import progress
from brainseg.trust.rows import patient_rows
from stages._command import PARAMS, ParamsFile, run_command


def postprocess(
    data: Annotated[Path, typer.Argument(help="Folder of slice sets from clahe.")],
    split: Annotated[Path, typer.Argument(help="split.csv.")],
    trained: Annotated[Path, typer.Argument(help="Folder of trained models, NAME.safetensors each.")],
    models: Annotated[Path, typer.Argument(help="Folder to write: models with their choices.")],
    predictions: Annotated[Path, typer.Argument(help="Folder to write: MODEL/PATIENT.npz of test patients.")],
    metrics: Annotated[Path, typer.Argument(help="JSON to write: validation Dice before and after.")],
    features: Annotated[Path, typer.Argument(help="CSV to write: what can be seen of these masks without the truth.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Choose threshold, smallest component, hole filling and largest component on validation patients.

    The section `postprocess` has the candidates. Each is kept only if it raises the mean whole-volume Dice
    there; then all are applied to the test patients. The average of the networks is a model of its own,
    `ensemble`, with its own choices. What can be seen of the test patients' masks without their truth is written
    beside their Dice, for how far masks can be trusted.
    """
    settings = load_section(params, "postprocess", PostprocessParams)
    leaky = load_section(params, "split", SplitParams).leaky
    require_free(predictions, models)
    networks, table = load_trained(trained), read_split(split)
    with temporary_folder(predictions.parent) as scratch:
        chosen = choose_all(networks, split_volumes(data, table, "val", progress), settings, scratch)
    choices = {name: each.choice for name, each in chosen.items()}
    with atomic_folder(predictions) as folder:
        found = predict_patients(networks, split_volumes(data, table, "test", progress), chosen, folder)
        rows = [row for patient in found for row in patient_rows(*patient, choices)]
    with atomic_folder(models) as folder:
        save_chosen(folder, trained, chosen, leaky=leaky)
    write_csv(features, pd.DataFrame(rows))
    write_json(metrics, {"leaky": leaky} | {name: each.summary for name, each in chosen.items()})


if __name__ == "__main__":
    run_command(postprocess)
