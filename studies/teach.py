"""Do corrections teach? The split of a dataset that has grown, so that both runs are tested on the same patients.

After `brainseg collect` and `dvc repro filter_labeled`, `python -m studies.teach splits/split.csv` lays the split out
anew: patients keep their sides, and new ones are learnt from. `dvc commit -f split` makes it the pipeline's, `dvc
repro` trains, and `brainseg compare` says on the test patients whether it helped (docs/corrections.md has all steps).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from brainseg.data.index import read_index
from brainseg.data.splits import read_split
from brainseg.errors import DataError
from brainseg.files import write_csv
from studies.command import run_app

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    before: Annotated[Path, typer.Argument(help="split.csv of the run to be compared with.")],
    index: Annotated[Path, typer.Option(help="index.csv of the dataset that has grown.")] = Path("data/index.csv"),
    out: Annotated[Path, typer.Option(help="split.csv to write.")] = Path("splits/split.csv"),
) -> None:
    """Write the split of a dataset that has grown."""
    old, table = read_split(before), read_index(index)
    found = keep_sides(old, table)
    write_csv(out, found)
    new = sorted(set(found["patient"]) - set(old["patient"]))
    typer.echo(f"{len(new)} new patients to learn from: {out}")


def keep_sides(before: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """The split in which known patients stay on their sides and all others are learnt from.

    Args:
        before: patient, slice, split.
        index: patient, slice, and more.

    Returns:
        patient, slice, split, of all slices of the index.

    Raises:
        DataError: a patient is on two sides, or a patient who was tested or validated on is gone.
    """
    sides = before[["patient", "split"]].drop_duplicates()
    if (twice := sides["patient"].duplicated()).any():
        raise DataError(f"{sides.loc[twice, 'patient'].iloc[0]} is on two sides; only a split by patient can be kept.")
    known = dict(zip(sides["patient"], sides["split"], strict=True))
    gone = sorted(patient for patient in set(known) - set(index["patient"]) if known[patient] != "train")
    if gone:
        raise DataError(
            f"{gone[0]} is in the split's {known[gone[0]]} and not in the index; collect --beside all data."
        )
    return index[["patient", "slice"]].assign(split=[known.get(patient, "train") for patient in index["patient"]])


if __name__ == "__main__":
    run_app(app)
