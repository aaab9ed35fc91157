"""Stage 2: verify every pair of slice and mask, and index them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.data import integrity
from brainseg.data.index import FilterLabeledParams, build_index, dataset_metrics, institution_table
from brainseg.data.patients import patient_table
from brainseg.files import write_csv, write_json
from brainseg.params import load_section, load_seed
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def filter_labeled(
    raw: Annotated[Path, typer.Argument(help="The raw tree from download.")],
    index: Annotated[Path, typer.Argument(help="index.csv to write: one row a slice.")],
    metrics: Annotated[Path, typer.Argument(help="Folder for dataset.json, institutions.csv, patients.csv.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Check the whole dataset, then say of each slice whether it is labelled and kept for training.

    All problems found are listed, and then nothing is written. `filter_labeled.empty_per_labeled` is how
    many empty slices to keep per labelled one. Stacks stay whole for what follows.
    """
    settings = load_section(params, "filter_labeled", FilterLabeledParams)
    table = build_index(integrity.scan(raw), settings, load_seed(params))
    write_csv(index, table)
    write_csv(metrics / "institutions.csv", institution_table(table))
    write_csv(metrics / "patients.csv", patient_table(table))
    summary = dataset_metrics(table)
    write_json(metrics / "dataset.json", summary)
    say(f"{summary['patients']} patients, {summary['slices']} slices, {summary['labeled']} with tumour")


if __name__ == "__main__":
    run_command(filter_labeled)
