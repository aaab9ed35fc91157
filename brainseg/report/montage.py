"""One patient of each institution: a slice with tumour and one without, before and after preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainseg.data import slices
from brainseg.data.raw import TREE, read_patient
from brainseg.data.slices import FLAIR, SliceSet
from brainseg.report.pictures import data_url, outline, white_of


@dataclass(frozen=True)
class Picture:
    """A slice for the page: what it is, the picture, and the outline of its tumour as an SVG path."""

    caption: str
    image: str
    outline: str
    width: int
    height: int


@dataclass(frozen=True)
class Example:
    """One patient's pictures, in the order of preprocessing."""

    institution: str
    patient: str
    pictures: tuple[Picture, ...]


def examples(patients: pd.DataFrame, raw: Path, stripped: Path, clahe: Path) -> list[Example]:
    """The patient with the median tumour of each institution.

    Args:
        patients: patient, institution, tumour_px.
        raw: the raw tree.
        stripped: folder of slice sets after brain extraction.
        clahe: folder of slice sets after contrast equalisation.

    Raises:
        DataError: a file is missing or damaged.
    """
    found = []
    for institution, rows in patients.groupby("institution", sort=True):
        ordered = rows.sort_values(["tumour_px", "patient"])
        patient = str(ordered["patient"].iloc[(len(ordered) - 1) // 2])
        before = read_patient(raw / TREE / patient)
        after = [slices.load(folder / f"{patient}.npz") for folder in (stripped, clahe)]
        found.append(Example(str(institution), patient, _pictures(before, *after)))
    return found


def _pictures(raw: SliceSet, stripped: SliceSet, clahe: SliceSet) -> tuple[Picture, ...]:
    area = raw.masks.sum((1, 2))
    largest = int(area.argmax())
    empty = np.flatnonzero(area == 0)
    pictures = [_picture(raw, largest, "with tumour, raw")]
    if len(empty):
        middle = int(empty[np.abs(empty - len(area) // 2).argmin()])
        pictures.append(_picture(raw, middle, "without tumour, raw"))
    pictures.append(_picture(stripped, largest, "brain extracted"))
    same = np.array_equal(stripped.images, clahe.images)
    pictures.append(_picture(clahe, largest, "CLAHE (off: unchanged)" if same else "CLAHE"))
    return tuple(pictures)


def _picture(whole: SliceSet, index: int, caption: str) -> Picture:
    flair = whole.images[..., FLAIR]
    height, width = flair.shape[1:]
    caption = f"slice {whole.slices[index]}, {caption}"
    return Picture(caption, data_url(flair[index], white_of(flair)), outline(whole.masks[index]), width, height)
