"""Stage 10: does the tumour's shape tell its genomic cluster, and would predicted masks do?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from brainseg.data import slices
from brainseg.data.raw import TREE
from brainseg.data.slices import Bool, Int
from brainseg.data.splits import SplitParams
from brainseg.files import write_csv, write_json
from brainseg.inference.predictor import ENSEMBLE, load_prediction
from brainseg.params import load_section, load_seed
from brainseg.progress import progress
from brainseg.radiogenomics.cohort import (
    RadiogenomicsParams,
    radiogenomics,
    read_clinical,
    sentences,
    shape_table,
    with_clusters,
)
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def analyse(
    raw: Annotated[Path, typer.Argument(help="The raw tree, for its data.csv.")],
    data: Annotated[Path, typer.Argument(help="Folder of slice sets, for the manual masks.")],
    predictions: Annotated[Path, typer.Argument(help="Folder from postprocess, for the masks of test patients.")],
    metrics: Annotated[Path, typer.Argument(help="Folder for radiogenomics.json and shape.csv.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Measure every manual mask and the ensemble's of every test patient, and test both against the clusters.

    `radiogenomics.thickness`, `bins`, `smoothing` and `outline_points` are what the papers leave open;
    `radiogenomics.ibsi` adds standard features by mirp. Where slices are split at random, no patient has a predicted
    volume, and only manual masks are measured.
    """
    settings, seed = load_section(params, "radiogenomics", RadiogenomicsParams), load_seed(params)
    clinical = read_clinical(raw / TREE / "data.csv")
    whole = not load_section(params, "split", SplitParams).leaky  # otherwise predictions are of single slices
    tables = {
        "manual": _measure(data, _manual, settings),
        "predicted": _measure(predictions / (ENSEMBLE if whole else ""), _predicted, settings),
    }
    results = radiogenomics(tables["manual"], tables["predicted"], clinical, settings, seed)
    joined = [with_clusters(table, clinical).assign(source=name) for name, table in tables.items()]
    write_csv(metrics / "shape.csv", pd.concat(joined, ignore_index=True))
    write_json(metrics / "radiogenomics.json", results)
    say("\n".join(sentences(results)))


def _manual(path: Path) -> tuple[Bool, Int]:
    whole = slices.load(path)
    return whole.masks, whole.slices


def _predicted(path: Path) -> tuple[Bool, Int]:
    found = load_prediction(path)
    return found.mask, found.slices


def _measure(folder: Path, read: Callable[[Path], tuple[Bool, Int]], settings: RadiogenomicsParams) -> pd.DataFrame:
    paths = progress(sorted(folder.glob("*.npz")), folder.name)
    return shape_table(((path.stem, *read(path)) for path in paths), settings)


if __name__ == "__main__":
    run_command(analyse)
