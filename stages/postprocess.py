"""Stage 8: choose thresholds and clean-up on validation patients, apply them to test patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from brainseg.data import slices
from brainseg.data.splits import SplitParams, read_split
from brainseg.errors import DataError
from brainseg.files import atomic_folder, require_free, write_json
from brainseg.inference.postprocess import Choice, PostprocessParams, Record, apply, choose
from brainseg.inference.predictor import probabilities, save_prediction
from brainseg.model.catalogue import ENSEMBLE, NETWORKS
from brainseg.model.dataset import split_slices
from brainseg.model.store import load_model, save_model
from brainseg.params import load_section
from brainseg.progress import progress
from stages._command import PARAMS, ParamsFile, run


def postprocess(
    data: Annotated[Path, typer.Argument(help="Folder of slice sets from clahe.")],
    split: Annotated[Path, typer.Argument(help="split.csv.")],
    trained: Annotated[Path, typer.Argument(help="Folder of trained models, NAME.safetensors each.")],
    models: Annotated[Path, typer.Argument(help="Folder to write: models with their choices.")],
    predictions: Annotated[Path, typer.Argument(help="Folder to write: MODEL/PATIENT.npz of test patients.")],
    metrics: Annotated[Path, typer.Argument(help="JSON to write: validation Dice before and after.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Choose threshold, smallest component, hole filling and largest component on validation patients.

    The section `postprocess` has the candidates. Each is kept only if it raises the mean whole-volume Dice
    there; then all are applied to the test patients. The average of the networks is a model of its own,
    `ensemble`, with its own choices.
    """
    settings = load_section(params, "postprocess", PostprocessParams)
    leaky = load_section(params, "split", SplitParams).leaky
    require_free(predictions, models)
    there = sorted(path.stem for path in trained.glob("*.safetensors"))
    if there != sorted(NETWORKS):
        raise DataError(f"{trained} holds {', '.join(there) or 'no model'}, expected {' and '.join(NETWORKS)}; train.")
    loaded = {name: load_model(trained / f"{name}.safetensors") for name in NETWORKS}
    table = read_split(split)

    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in (*loaded, ENSEMBLE)}
    truths = {}
    for patient, numbers in progress(list(split_slices(table, "val").items()), "validation"):
        whole = slices.load(data / f"{patient}.npz")
        keep = np.isin(whole.slices, numbers)
        truths[patient] = whole.masks[keep]
        for name, volume in probabilities(loaded, whole, tta=settings.tta).items():
            found[name][patient] = volume[keep]
    chosen = {name: choose(volumes, truths, settings) for name, volumes in found.items()}

    with atomic_folder(predictions) as folder:
        for patient, numbers in progress(list(split_slices(table, "test").items()), "test"):
            whole = slices.load(data / f"{patient}.npz")
            keep = np.isin(whole.slices, numbers)
            for name, volume in probabilities(loaded, whole, tta=settings.tta).items():
                mask = apply(volume[keep], chosen[name][0])
                save_prediction(folder / name / f"{patient}.npz", mask, volume[keep], whole.slices[keep])

    report = {name: _summary(trail, len(truths), choice) for name, (choice, trail) in chosen.items()}
    records = {
        name: Record.of(choice, tta=settings.tta, trail=trail).model_dump() for name, (choice, trail) in chosen.items()
    }
    with atomic_folder(models) as folder:
        for name, (network, info) in loaded.items():
            update = {"postprocess": records[name], "metrics": {"validation": report[name] | {"leaky": leaky}}}
            save_model(folder / f"{name}.safetensors", network.state_dict(), info.model_copy(update=update))
        write_json(
            folder / f"{ENSEMBLE}.json",
            {
                "name": ENSEMBLE,
                "members": list(loaded),
                "postprocess": records[ENSEMBLE],
                "metrics": {"validation": report[ENSEMBLE] | {"leaky": leaky}},
            },
        )
    write_json(metrics, {"leaky": leaky} | report)


def _summary(trail: list[dict], patients: int, choice: Choice) -> dict[str, object]:
    kept = [row["dice"] for row in trail if row["kept"]]
    return {"dice_plain": kept[0], "dice_chosen": kept[-1], "n": patients, "chosen": choice.model_dump()}


if __name__ == "__main__":
    run(postprocess)
