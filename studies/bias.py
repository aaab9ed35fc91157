"""`python -m studies.bias DATA`: what a bias field costs and what N4 gives, on patients unknown to the networks.

The networks are those that `dvc repro` writes, the patients those of its validation split, from the raw slices on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from brainseg.data.splits import read_split
from brainseg.evaluation.overlap import overlap
from brainseg.evaluation.statistics import paired
from brainseg.files import write_json
from brainseg.inference.models import load_models
from brainseg.params import load_seed
from brainseg.progress import progress
from brainseg.scans.n4 import without_bias
from brainseg.scans.scan import Image, Scan
from brainseg.scans.tif import read_tif_folder
from brainseg.segmentation.segmenter import Segmenter
from studies.command import run_app

RESULT = Path("studies/results/bias.json")
RATIO = 2.0
"""Of the field that is put in: brightness at one side of the image to that at the other."""
RESAMPLES = 2000
AS_IS = "as it is"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Folder of patients' folders of TIF slices.")],
    split: Annotated[Path, typer.Option(help="split.csv of the run.")] = Path("splits/split.csv"),
    models: Annotated[Path, typer.Option(help="Networks of the run.")] = Path("models"),
    params: Annotated[Path, typer.Option(help="params.yaml, for the seed.")] = Path("params.yaml"),
    result: Annotated[Path, typer.Option(help="JSON to write.")] = RESULT,
) -> None:
    """Write the Dice of each validation patient as it is, with N4, with a field, and with a field and N4."""
    segmenter, table = Segmenter(load_models(models)), read_split(split)
    rows = {
        patient: of_patient(read_tif_folder(data / patient, truth=True), segmenter)
        for patient in progress(sorted(set(table.loc[table["split"] == "val", "patient"])), "patients")
    }
    found = summary(rows, load_seed(params))
    write_json(result, found)
    for name, figures in found["summary"].items():
        typer.echo(f"{name}: {figures}")


def of_patient(scan: Scan, segmenter: Segmenter) -> dict[str, float]:
    """Dice of one patient, by what was done with its scan."""
    assert scan.truth is not None
    uneven = replace(scan, images=with_field(scan.images))
    scans = {AS_IS: scan, "N4": without_bias(scan), "field": uneven, "field, N4": without_bias(uneven)}
    return {name: overlap(scan.truth, segmenter(changed).mask).dice for name, changed in scans.items()}


def with_field(images: Image) -> Image:
    """Images [n, height, width, 3] that are brighter at one side by `RATIO` than at the other; their dtype stays."""
    side = np.linspace(0.5, -0.5, images.shape[2])[:, None]
    field = RATIO**side
    return np.asarray(images * field / field.max()).round().astype(images.dtype)


def summary(rows: Mapping[str, Mapping[str, float]], seed: int) -> dict[str, Any]:
    """Means, and paired differences to what was not changed, with their intervals; and the rows."""
    before = [row[AS_IS] for row in rows.values()]
    lines: dict[str, Any] = {AS_IS: {"mean": float(np.mean(before))}}
    for name in list(next(iter(rows.values())))[1:]:
        after = [row[name] for row in rows.values()]
        lines[name] = {"mean": float(np.mean(after))} | paired(before, after, RESAMPLES, seed)._asdict()
    return {"patients": len(rows), "field": RATIO, "summary": lines, "rows": rows}


if __name__ == "__main__":
    run_app(app)
