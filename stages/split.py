"""Stage 5: who is trained on, who is validated on, who is tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.data.index import read_index
from brainseg.data.splits import SplitParams, make_split
from brainseg.files import write_csv
from brainseg.params import load_section, load_seed
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def split(
    index: Annotated[Path, typer.Argument(help="index.csv from filter_labeled.")],
    out: Annotated[Path, typer.Argument(help="split.csv to write: patient, slice, split.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Divide the data by patient, stratified by institution and tumour size.

    `split.by: slice` is the leaky original recipe; every metric it leads to is marked. `split.folds` and
    `split.fold` choose one fold of a cross-validation by patient.
    """
    settings = load_section(params, "split", SplitParams)
    table = make_split(read_index(index), settings, load_seed(params))
    write_csv(out, table)
    counts = table.groupby("split", sort=False)["patient"].agg(["nunique", "size"])
    for name, row in counts.iterrows():
        say(f"{name}: {row['nunique']} patients, {row['size']} slices")
    if settings.leaky:
        say("LEAKY: split by slice, the same patients are trained and tested on.")


if __name__ == "__main__":
    run_command(split)
