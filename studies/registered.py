"""`python -m studies.registered DATA`: whether `--register` brings sequences back that were moved by a known motion.

TIF slices have no place in space: a stack is taken to cover 140 mm, with pixels of a usual size. Where a sequence comes
to rest when it was not moved need not be where it was, so both are measured against that, and that against no motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import nibabel as nib
import numpy as np
import typer

from brainseg.data.slices import FLAIR, U8, Float64
from brainseg.files import write_json
from brainseg.progress import progress
from brainseg.scans.canvas import PIXEL_MM
from brainseg.scans.cases import find_cases
from brainseg.scans.motion import Motion
from brainseg.scans.register import find_motion
from brainseg.scans.scan import SEQUENCES
from studies.command import run_app
from studies.moved import HEIGHT_MM, rotation

RESULT = Path("studies/results/registered.json")
SHIFT_MM = (5.0, -4.0, 3.0)
DEGREES = 8.0
"""About the axis from feet to head, around the middle of the image."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Folder of patients' folders of TIF slices.")],
    every: Annotated[int, typer.Option(min=1, help="Take one patient in so many.")] = 9,
    result: Annotated[Path, typer.Option(help="JSON to write.")] = RESULT,
) -> None:
    """Write what is left of a known motion in each sequence, and where it came to rest without one."""
    cases = find_cases([data])[every // 2 :: every]
    rows = [row for case in progress(cases, "patients") for row in of_patient(case.name, case.read().images)]
    found = {"shift_mm": SHIFT_MM, "degrees": DEGREES, "sequences": len(rows), "largest": largest(rows), "rows": rows}
    write_json(result, found)
    typer.echo(f"{len(rows)} sequences of {len(cases)} patients; largest: {found['largest']}")


def of_patient(patient: str, images: U8) -> Iterator[dict[str, Any]]:
    """A row for each sequence that is not FLAIR again; `left_*` after the known motion, `rest_*` without one."""
    affine = np.diag([PIXEL_MM, PIXEL_MM, HEIGHT_MM / len(images), 1.0])
    flair_values = images[..., FLAIR].T
    flair = nib.Nifti1Image(flair_values, affine)
    known = motion_of(np.array(flair_values.shape) / 2 @ affine[:3, :3])
    for channel in {0, 1, 2} - {FLAIR}:
        values = images[..., channel].T
        if np.array_equal(values, flair_values):
            continue  # FLAIR stands for what is missing
        rest = find_motion(values, nib.Nifti1Image(values, affine), flair_values, flair)
        back = find_motion(values, nib.Nifti1Image(values, known @ affine), flair_values, flair)
        left = Motion(back.matrix @ known @ np.linalg.inv(rest.matrix), rest.centre, still=False)
        yield {
            "patient": patient,
            "sequence": SEQUENCES[channel],
            "left_mm": left.shift_mm,
            "left_degrees": left.degrees,
            "rest_mm": rest.shift_mm,
            "rest_degrees": rest.degrees,
            "rest_applied": not rest.still,
        }


def motion_of(middle: Float64) -> Float64:
    """The known motion, 4 x 4 in millimetres."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(DEGREES, axis=2)
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle + SHIFT_MM
    return matrix


def largest(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of each measure, over all rows."""
    return {key: max(row[key] for row in rows) for key in ("left_mm", "left_degrees", "rest_mm", "rest_degrees")}


if __name__ == "__main__":
    run_app(app)
