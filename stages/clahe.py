"""Stage 4: contrast equalisation inside the brain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.data import slices
from brainseg.files import atomic_folder
from brainseg.params import load_section
from brainseg.preprocess.clahe import ClaheParams, apply_clahe
from brainseg.progress import progress
from stages._command import PARAMS, ParamsFile, run_command


def clahe(
    stripped: Annotated[Path, typer.Argument(help="Folder of slice sets from skull_strip.")],
    out: Annotated[Path, typer.Argument(help="Folder of slice sets to write.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Equalise contrast with OpenCV's CLAHE, each sequence by itself, inside the brain.

    `clahe.enabled: false` passes the slices through unchanged.
    """
    settings = load_section(params, "clahe", ClaheParams)
    with atomic_folder(out) as folder:
        for patient in progress(slices.patients(stripped), "clahe"):
            slices.save(folder / f"{patient}.npz", apply_clahe(slices.load(stripped / f"{patient}.npz"), settings))


if __name__ == "__main__":
    run_command(clahe)
