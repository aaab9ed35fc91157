"""What a run is going to write, held against what is there: before any work, and by name."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from brainseg.cohort.records import OTHERWISE, Record, own_folder, read_record, require_ours
from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.files import atomic_path, locked, remove_left_over, temporary_folder
from brainseg.scans.cases import Case
from brainseg.scans.names import alike
from brainseg.scans.scan import PROBABILITY_SUFFIX

SUMMARY, SUMMARY_RECORD = "summary.csv", ".summary.json"
WORKLIST, WORKLIST_RECORD = "worklist.csv", ".worklist.json"
_SEAL = "sha256 of the lines above, by which brainseg knows its own file: "


def record_name(case: str) -> str:
    """The file that holds a case's result and the digests of its files."""
    return f"{case}.json"


def log_name(case: str) -> str:
    """The file that holds the traceback of a defect."""
    return f"{case}_error.txt"


def planned(case: Case, *, overlay: bool, probability: bool) -> list[str]:
    """Files that a case may write beside its record, relative to --out.

    Args:
        case: to be segmented.
        overlay: a picture is wanted.
        probability: maps are wanted.
    """
    ends = [MASK_SUFFIX, *([PROBABILITY_SUFFIX] if probability else [])]
    files = case.format.planned(case.name, case.paths["flair"], ends)
    return files + ([f"{case.name}_overlay.png"] if overlay else [])


def prepare(
    cases: Sequence[Case], out: Path, *, overlay: bool = True, probability: bool = False, redo: bool = False
) -> None:
    """Make `out`, if nothing in it is in the way of this run.

    Args:
        cases: of the run.
        out: folder to write into.
        overlay: pictures are wanted.
        probability: maps are wanted.
        redo: the results of other scans of these names may be replaced.

    Raises:
        DataError: two outputs would be one file, or something is there that brainseg did not write, or that was changed
            since, or another scan's result; nothing was done.
    """
    if os.path.lexists(out) and not out.is_dir():
        raise DataError(f"--out {out} is in the way: it is no folder; {OTHERWISE}")
    wanted = {case.name: planned(case, overlay=overlay, probability=probability) for case in cases}
    _require_distinct(wanted)
    with locked(out):  # another run's files and record are one
        for case in cases:
            name, files = case.name, wanted[case.name]
            record = read_record(out / record_name(name), name)
            require_ours(out, record.files, files)
            if not redo:
                _require_same_scan(out / record_name(name), record, case)
            if os.path.lexists(log := out / log_name(name)) and not _is_log(log):
                raise DataError(f"{log} is in the way, and nothing shows that brainseg predict wrote it; {OTHERWISE}")
        for table, kept in [(WORKLIST, WORKLIST_RECORD), *[(SUMMARY, SUMMARY_RECORD)] * (len(cases) > 1)]:
            require_ours(out, read_record(out / kept, table).files, [table])
    out.mkdir(parents=True, exist_ok=True)
    remove_left_over(out)


def _require_same_scan(path: Path, record: Record, case: Case) -> None:
    """A scan may have changed where it lies, and may have moved; from another place another scan is a stranger."""
    content = record.content
    if record.whole and content.get("input") != case.places and content.get("input_sha256") != case.digest:
        inputs = content.get("input", {})
        before = inputs.get("flair", "somewhere else")
        if before == case.places["flair"]:
            given, now = (", ".join(sequences) for sequences in (inputs, case.places))
            raise DataError(
                f"{path} was made of {given}, and now {now} {'is' if len(case.places) == 1 else 'are'} given; choose "
                "another --out, or say --redo to replace that result."
            )
        raise DataError(
            f"{path} is the result of another scan, {before}, and {case.places['flair']} has the same name; choose "
            "another --out, rename one of them, or say --redo to replace that result."
        )


def _require_distinct(wanted: dict[str, list[str]]) -> None:
    tables = (WORKLIST, WORKLIST_RECORD, *((SUMMARY, SUMMARY_RECORD) if len(wanted) > 1 else ()))
    owners = {alike(name): "the cohort" for name in tables}
    for case, files in wanted.items():
        folders = set(filter(None, map(own_folder, files)))
        for name in [*files, *folders, record_name(case), log_name(case)]:
            if owners.setdefault(alike(name), case) != case:
                raise DataError(
                    f"{owners[alike(name)]!r} and {case!r} would both write {name}; run them apart or rename one."
                )


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yield an empty folder within `out` for files to be published; what is left in it goes.

    Raises:
        OSError: of the system, naming `out` where it would name nothing, or a file that nobody knows.
    """
    hidden = None
    try:
        with temporary_folder(out) as hidden:
            staged = hidden / "files"
            staged.mkdir()
            yield staged
    except OSError as error:
        if error.filename is None or (hidden is not None and str(error.filename).startswith(str(hidden))):
            error.filename = str(out)
        raise


def write_log(path: Path) -> bool:
    """Write the traceback of the error that is being handled, for a report; whether that could be done."""
    text = traceback.format_exc()
    try:
        if os.path.lexists(path) and not _is_log(path):
            return False
        with atomic_path(path) as temporary:
            temporary.write_text(f"{text}{_SEAL}{_digest(text)}\n", encoding="utf-8", errors="backslashreplace")
    except OSError:
        return False
    return True


def _is_log(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    text, _, digest = path.read_bytes().decode("utf-8", "replace").rpartition(_SEAL)
    return digest == f"{_digest(text)}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
