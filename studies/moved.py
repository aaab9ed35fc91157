"""`python -m studies.moved DATA`: how far off FLAIR sequences seem to lie, as they are and after they were moved.

The figures behind `brainseg.segmentation.alignment.OFF_MM`. Slices do not say their distance here: a stack is taken to
cover 140 mm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import ndimage

from brainseg.data.slices import FLAIR, U8, Float64
from brainseg.progress import progress
from brainseg.scans.canvas import PIXEL_MM
from brainseg.scans.cases import find_cases
from brainseg.segmentation.alignment import OFF_MM, off_mm
from studies.command import run_app

HEIGHT_MM = 140.0
SHIFTS_MM, TURNS_DEGREES = (2.0, 4.0, 6.0, 10.0), (3.0, 5.0, 10.0)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Folder of patients' folders of TIF slices.")],
    every: Annotated[int, typer.Option(min=1, help="Move the sequences of one patient in so many.")] = 9,
) -> None:
    """Print, for each motion, the least and the largest measure and how many are said."""
    motions = dict(_motions())
    found: dict[str, list[float]] = {}
    for i, case in enumerate(progress(find_cases([data]), "patients")):
        images = case.read().images
        slice_mm = HEIGHT_MM / len(images)
        for channel in {0, 1, 2} - {FLAIR}:
            flair, other = images[..., FLAIR], images[..., channel]
            if np.array_equal(flair, other):
                continue  # FLAIR stands for what is missing
            found.setdefault("none", []).append(off_mm(flair, other, slice_mm))
            for name, motion in motions.items() if i % every == every // 2 else ():
                found.setdefault(name, []).append(off_mm(flair, moved(other, slice_mm, *motion), slice_mm))
    for name, values in found.items():
        said = sum(value >= OFF_MM for value in values)
        typer.echo(f"{name}: {min(values):.1f} to {max(values):.1f} mm, {said} of {len(values)} said")


def moved(stack: U8, slice_mm: float, rotation: Float64, shift_mm: Float64) -> U8:
    """A stack after a rigid motion about its middle; axes are slices, rows and columns."""
    sizes = np.array([slice_mm, PIXEL_MM, PIXEL_MM])
    matrix, middle = rotation * sizes / sizes[:, None], (np.array(stack.shape) - 1) / 2
    offset = middle - matrix @ middle + shift_mm / sizes
    values = ndimage.affine_transform(stack.astype(np.float32), matrix, offset, order=1)
    return np.asarray(values.round().clip(0, 255), np.uint8)


def rotation(degrees: float, axis: int) -> Float64:
    """3 x 3, about one of the axes."""
    i, j = (k for k in range(3) if k != axis)
    turn, angle = np.eye(3), np.radians(degrees)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def _motions() -> Iterator[tuple[str, tuple[Float64, Float64]]]:
    for mm in SHIFTS_MM:
        for axis, name in enumerate(("across slices", "from front to back", "from side to side")):
            yield f"{mm:g} mm {name}", (np.eye(3), mm * np.eye(3)[axis])
    for degrees in TURNS_DEGREES:
        for axis, name in enumerate(("yaw", "roll", "pitch")):
            yield f"{degrees:g} degrees of {name}", (rotation(degrees, axis), np.zeros(3))


if __name__ == "__main__":
    run_app(app)
