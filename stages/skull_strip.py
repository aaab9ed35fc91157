"""Stage 3: brain extraction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.data import raw as raw_tree
from brainseg.data import slices
from brainseg.files import atomic_folder, write_json
from brainseg.params import load_section
from brainseg.preprocess.skull_strip import SkullStripParams, make_stripper, strip, strip_metrics
from brainseg.progress import progress
from brainseg.terminal import say
from stages._command import PARAMS, ParamsFile, run_command


def skull_strip(
    raw: Annotated[Path, typer.Argument(help="The raw tree from download.")],
    out: Annotated[Path, typer.Argument(help="Folder of slice sets to write, one .npz a patient.")],
    metrics: Annotated[Path, typer.Argument(help="JSON to write: methods used, tumour cut away.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Set everything outside the brain to 0 and write one slice set a patient.

    `skull_strip.method` is deepbet, mazurowski, classical or none. A mask of an implausible size is a
    named warning and the fallback is used and recorded. Tumour pixels cut away are counted, not repaired.
    """
    settings = load_section(params, "skull_strip", SkullStripParams)
    stripper = make_stripper(settings)
    records = {}
    with atomic_folder(out) as folder:
        for patient in progress(raw_tree.list_patients(raw), "skull_strip"):
            result = strip(raw_tree.read_patient(patient), settings, stripper)
            slices.save(folder / f"{patient.name}.npz", result.slice_set)
            for warning in result.record.warnings:
                say(f"warning: {patient.name}: {warning}", err=True)
            records[patient.name] = result.record
    write_json(metrics, strip_metrics(records))


if __name__ == "__main__":
    run_command(skull_strip)
