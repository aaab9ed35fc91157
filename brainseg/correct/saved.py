"""The corrected mask on the disk, in the scan's own format, and what is known of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

import brainseg
from brainseg.cohort.outputs import staging
from brainseg.cohort.records import CORRECTS, FILES, publish, read_record
from brainseg.correct.session import Session, mask_digest, now_utc
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.scans.scan import CORRECTED_SUFFIX

MOST_NAME = 64
"""Characters of a person's name; a DICOM SEG takes no more."""


def corrected_name(case: str) -> str:
    """What a correction is called: its JSON, and its mask where that is one file."""
    return f"{case}{CORRECTED_SUFFIX}"


def save(session: Session, predicted: Mapping[str, Any], person: str) -> dict[str, Any]:
    """Write the corrected mask and `<case>_corrected.json` beside the automatic one, in place of earlier ones.

    All files are whole before the first is moved to where it belongs; a kill leaves what the next save can prove.

    Args:
        session: the correction.
        predicted: what `<case>.json` says of the automatic mask.
        person: who says that the mask is right, as they are called.

    Returns:
        The JSON's content.

    Raises:
        DataError: no name, nothing was done, or a file is in the way that brainseg did not write or that was changed.
        OSError: the disk is full, or the like; what was there is still there.
    """
    person = " ".join(person.split())
    if not person or len(person) > MOST_NAME or not person.isprintable():
        raise DataError(f"the name of who corrects is {person[:80]!r}, expected 1 to {MOST_NAME} letters; type a name.")
    if not session.steps:
        raise DataError("nothing was corrected or accepted yet, so there is nothing to save.")
    case, made = session.scan.name, predicted["made_by"]
    name, folder = corrected_name(case), session.folder
    model = " ".join([made["model"], *made.get("weights_sha256", {}).values()])
    if not folder.is_dir():
        raise DataError(f"{folder} is gone; put it back, then save again: nothing of the correction is lost.")
    with staging(folder) as staged:
        unwritten = session.scan.origin.write(staged, case, {CORRECTED_SUFFIX: session.mask}, model, person)
        said = content(session, predicted, person) | {"warnings": unwritten}
        return publish(staged, folder, f"{name}.json", said, beside=predicted.get(FILES, ()))


def content(session: Session, predicted: Mapping[str, Any], person: str) -> dict[str, Any]:
    """What is worth knowing of a correction, ready for JSON."""
    scan, times = session.scan, session.times or ("", "")
    volume = int(np.count_nonzero(session.mask))

    def numbers(places: Any) -> list[int]:
        return [int(scan.slices[i]) for i in sorted(places)]

    marks = session.marks
    return {
        "case": corrected_name(scan.name),
        CORRECTS: scan.name,
        "annotator": person,
        "begun": times[0],
        "last_action": times[1],
        "saved": now_utc(),
        "slices": {mark: numbers(i for i in marks if marks[i] == mark) for mark in sorted(set(marks.values()))},
        "clicks": [
            {"slice": int(scan.slices[at.slice]), "row": at.row, "column": at.column, "tumour": at.tumour}
            for at in session.clicks
        ],
        "actions": dict(sorted(Counter(step.do for step in session.steps).items())),
        "voxels": volume,
        "volume_ml": None if scan.spacing is None else float(volume * np.prod(scan.spacing) / 1000),
        "dice_to_automatic": overlap(session.mask, session.automatic).dice,
        "changed_voxels": int(np.count_nonzero(session.mask ^ session.automatic)),
        "shape": list(session.mask.shape),
        "scan_sha256": scan.digest,
        "input": predicted.get("input"),
        "kind": predicted.get("kind"),
        "automatic_sha256": mask_digest(session.automatic),
        "journal_sha256": session.journal.digest,
        "trust_before": predicted.get("trust"),
        "made_by": predicted["made_by"],
        "corrected_by": {"brainseg": brainseg.__version__},
    }


def is_saved(session: Session) -> bool:
    """Whether the corrected mask on the disk is the one of now.

    Raises:
        DataError: something is in the way of saving, which brainseg did not write or that was changed.
    """
    name = corrected_name(session.scan.name)
    record = read_record(session.folder / f"{name}.json", name)
    if not record.content:
        return False
    there = all(os.path.lexists(session.folder / file) for file in record.files)
    return record.whole and there and record.content.get("journal_sha256") == session.journal.digest
