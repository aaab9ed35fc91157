"""Files that all results of a folder have in common, as those that make it a BIDS derivative."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import brainseg
from brainseg.cohort.outputs import staging
from brainseg.cohort.records import publish, read_record, require_ours
from brainseg.errors import DataError
from brainseg.files import locked
from brainseg.scans.cases import Case
from brainseg.scans.format import Shared

RECORD, OWNER = ".dataset.json", "the dataset"


def shared_files(cases: Sequence[Case], out: Path) -> Shared | None:
    """What the cases' results have in common; None where they are by themselves.

    Raises:
        DataError: the cases cannot have one folder, or something is in the files' way; nothing was done.
    """
    by_kind = {kind: [case for case in cases if case.kind == kind] for kind in dict.fromkeys(c.kind for c in cases)}
    found = [(same[0], same[0].format.shared([c.paths["flair"] for c in same], out)) for same in by_kind.values()]
    case, shared = next(((case, shared) for case, shared in found if shared is not None), (None, None))
    if case is not None and len(found) > 1:
        raise DataError(
            f"the input is {case.format.inputs} and other scans, and --out cannot be for both; run them apart."
        )
    if shared is None or not out.is_dir():
        return shared
    with locked(out):
        record = read_record(out / RECORD, OWNER)
        require_ours(out, record.files, shared.files)
    before = record.content.get("dataset", str(shared.dataset))
    if before != str(shared.dataset):
        raise DataError(f"{out} holds the results of another dataset, {before}; choose another --out.")
    return shared


def write_shared(shared: Shared, out: Path) -> None:
    """Write them into a folder that is there."""
    with staging(out) as staged:
        for name, text in shared.files.items():
            (staged / name).write_text(text, encoding="utf-8")
        publish(staged, out, RECORD, {"case": OWNER, "brainseg": brainseg.__version__, "dataset": str(shared.dataset)})
