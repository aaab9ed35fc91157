"""Corrected results, or scans with masks of one's own, as a dataset in the pipeline's own layout."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import brainseg
from brainseg.cohort.records import CORRECTS, Record, are_there, read_record
from brainseg.data.collected import RECORD, Collected
from brainseg.data.raw import MASK_SUFFIX, TREE
from brainseg.data.slices import Bool, size_text
from brainseg.errors import DataError
from brainseg.files import atomic_folder, require_free, write_json
from brainseg.progress import progress
from brainseg.scans.canvas import canvas_for, mask_to_canvas, to_canvas
from brainseg.scans.cases import Case, find_cases
from brainseg.scans.masks import read_mask
from brainseg.scans.names import alike
from brainseg.scans.nifti import NiftiOrigin
from brainseg.scans.scan import CORRECTED_SUFFIX, Scan

_PARTICIPANT = re.compile(r"(sub-[a-zA-Z0-9]+)_")
_MASK = re.compile(r"(.*[-_. ])?(seg|segmentation|mask|label|labels|lesion|roi|tumou?r([-_]?(seg|segmentation|mask))?)")
"""What the name of a mask beside NIfTI sequences ends in, in lower case: BraTS, UCSF-PDGM, and plain words."""


@dataclass(frozen=True)
class Marked:
    """A scan with a mask that a person stands for.

    Attributes:
        case: the scan.
        read: gives scan and mask, bool [n, height, width].
        known: of the mask, for the record.
    """

    case: Case
    read: Callable[[], tuple[Scan, Bool]]
    known: dict[str, Any]

    @property
    def patient(self) -> str:
        """As whom the pipeline knows the scan: of BIDS the participant, else the case."""
        match = _PARTICIPANT.match(self.case.name)
        return match[1] if match and self.case.kind == "bids" else self.case.name


def collect(folder: Path, out: Path, beside: Path | None = None) -> list[str]:
    """Write `out/kaggle_3m` and the record of what is in it, whole or not at all.

    Slices are as the networks see them before brain extraction: 256 pixels of 0.94 mm, 8-bit. TIF slices of 256 x 256
    keep their values. Nothing of the scans' headers is kept.

    Args:
        folder: results of `brainseg predict`, of which those are taken that were corrected; or scans with masks beside
            them.
        out: folder to make.
        beside: another dataset in the same layout, whose patients are copied, but for those that are collected.

    Returns:
        Sentences: what was collected, and what was left.

    Raises:
        DataError: there is nothing to collect, a scan or a mask changed or is missing, they do not lie on one grid, or
            two scans are of one patient.
        UserError: `out` holds something.
    """
    require_free(out)
    marked, left = find_marked(folder)
    _require_distinct(marked)
    others = _others(beside, {each.patient for each in marked})
    patients: dict[str, dict[str, Any]] = {}
    with atomic_folder(out) as made:
        for each in progress(marked, "collecting"):
            scan, mask = each.read()
            patients[each.patient] = each.known | _write(made / TREE / each.patient, each.patient, scan, mask)
        for other in progress(others, "copying"):
            shutil.copytree(other, made / TREE / other.name)
        if beside is not None and (table := _tree(beside) / "data.csv").is_file():
            shutil.copyfile(table, made / TREE / table.name)
        write_json(made / RECORD, Collected(brainseg=brainseg.__version__, patients=patients).model_dump())
    slices = sum(each["slices"] for each in patients.values())
    said = [f"{len(patients)} patients, {slices} slices: {out}"]
    if left > 0:
        said.append(f"left: {left} results that nobody has corrected")
    if beside is not None:
        said.append(f"beside them {len(others)} patients of {beside}")
    return said


def find_marked(folder: Path) -> tuple[list[Marked], int]:
    """Scans with masks that a person stands for, and how many results are left, since nobody corrected them.

    Raises:
        DataError: there is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; name the --out folder of brainseg predict, or a folder of scans.")
    records = list(filter(None, map(_record, sorted(folder.glob("*.json")))))
    corrected = [path for path, record in records if CORRECTS in record.content]
    if corrected:
        return [_corrected(path) for path in corrected], len(records) - 2 * len(corrected)
    if records:
        raise DataError(f"{folder} holds results and none is corrected; correct them with brainseg edit {folder}.")
    cases = find_cases([folder])
    if problem := next((case.problem for case in cases if case.problem), ""):
        raise DataError(problem)
    return [_own(case) for case in cases], 0


def _record(path: Path) -> tuple[Path, Record] | None:
    """A file and the record in it; None where it is somebody else's."""
    try:
        return path, read_record(path, path.stem)
    except DataError:
        return None


def _corrected(path: Path) -> Marked:
    """What `brainseg edit` saved."""
    name = path.stem
    saved = read_record(path, name)
    case = str(saved.content.get(CORRECTS, name.removesuffix(CORRECTED_SUFFIX)))
    result = read_record(path.with_name(f"{case}.json"), case).content
    if not saved.whole or not are_there(path.parent, saved.files):
        raise DataError(f"the corrected mask of {case} is not as {path} says; save it again with brainseg edit.")
    if not result:
        raise DataError(f"{path} corrects {case}, whose {case}.json is not beside it; put it back.")
    scan_of = Case.recorded(result | {"case": case})

    def read() -> tuple[Scan, Bool]:
        scan = scan_of.read(trust=True)  # a person has looked at it
        if scan.digest != saved.content["scan_sha256"]:
            flair = scan_of.paths["flair"]
            raise DataError(f"{flair} has changed since its mask was corrected; predict and correct it again.")
        return scan, scan.origin.read_mask(path.parent, case, CORRECTED_SUFFIX)

    keys = ("annotator", "saved", "dice_to_automatic", "scan_sha256")
    return Marked(scan_of, read, {"mask": "corrected"} | {key: saved.content.get(key) for key in keys})


def _own(case: Case) -> Marked:
    """A scan with its mask beside it."""
    flair = case.paths["flair"]
    if case.format.truth:

        def read_tifs() -> tuple[Scan, Bool]:
            scan = case.read(truth=True)
            assert scan.truth is not None
            return scan, scan.truth

        return Marked(case, read_tifs, {"mask": "own"})
    masks = [path for path in case.left if _MASK.fullmatch(_stem(path).lower())]
    if len(masks) != 1:
        found = ", ".join(path.name for path in masks) or "none"
        raise DataError(
            f"{flair} needs one mask beside it, a NIfTI file that ends in seg, mask, label or tumor ({found} found); "
            "put it there."
        )

    def read_nifti() -> tuple[Scan, Bool]:
        scan = case.read()
        mask, _ = read_mask(masks[0])
        assert isinstance(scan.origin, NiftiOrigin)
        try:
            return scan, scan.origin.read_mask_at(masks[0])
        except DataError:
            there, expected = size_text(mask.shape), size_text(scan.images.shape[:3])
            raise DataError(
                f"{masks[0]} does not lie on the grid of {flair} ({there} and {expected} voxels, or another place); "
                "resample it to that grid."
            ) from None

    return Marked(case, read_nifti, {"mask": "own"})


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _require_distinct(marked: Sequence[Marked]) -> None:
    seen: dict[str, Marked] = {}
    for each in marked:
        if other := seen.get(alike(each.patient)):
            raise DataError(
                f"{other.case.name} and {each.case.name} are both of the patient {each.patient}, and the pipeline "
                "takes one stack a patient, which a split by patient rests on; collect one of them."
            )
        seen[alike(each.patient)] = each


def _others(beside: Path | None, collected: set[str]) -> list[Path]:
    if beside is None:
        return []
    tree, names = _tree(beside), {alike(name) for name in collected}
    folders = [folder for folder in sorted(tree.iterdir()) if any(folder.glob(f"*{MASK_SUFFIX}.tif"))]
    if not folders:
        raise DataError(f"{tree} holds no patients, expected <patient>/<patient>_<slice>.tif and their masks in it.")
    return [folder for folder in folders if alike(folder.name) not in names]


def _tree(beside: Path) -> Path:
    if not beside.is_dir():
        raise DataError(f"--beside {beside} is no folder; name a dataset in the layout of the public one.")
    return beside / TREE if (beside / TREE).is_dir() else beside


def _write(folder: Path, patient: str, scan: Scan, mask: Bool) -> dict[str, Any]:
    """One patient's slices and masks; what the record says of them."""
    _, height, width = mask.shape
    canvas = canvas_for(height, width, scan.spacing)
    images, marked = to_canvas(scan.images, canvas), mask_to_canvas(mask, canvas)
    first = int(scan.slices[0]) if scan.spacing is None else 1
    folder.mkdir(parents=True)
    for number, (image, plane) in enumerate(zip(images, marked, strict=True), first):
        _save(folder / f"{patient}_{number}.tif", image, "rgb")
        _save(folder / f"{patient}_{number}{MASK_SUFFIX}.tif", plane.astype(np.uint8) * 255, "minisblack")
    return {
        "slices": len(images),
        "tumour_px": int(np.count_nonzero(marked)),
        "spacing_mm": None if scan.spacing is None else list(scan.spacing),
        "sequences": list(scan.given),
        "mask_sha256": hashlib.sha256(np.packbits(marked).tobytes()).hexdigest(),
    }


def _save(path: Path, plane: Any, photometric: str) -> None:
    encoded = io.BytesIO()
    tifffile.imwrite(encoded, plane, photometric=photometric)
    path.write_bytes(encoded.getbuffer())
