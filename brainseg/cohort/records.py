"""Proof of what brainseg wrote: a record, JSON with the digests of the files beside it and one of its own.

A file is replaced or removed only if an intact record names it with the digest that it has. A record is written
before the files that it names, with the digests of before and after, and once more when all are there; so whatever
moment a run is killed at, the next one can prove what lies there.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from brainseg.errors import DataError
from brainseg.files import json_text, locked, place, sha256

FILES, OWN, UNFINISHED = "files", "record_sha256", "unfinished"
CORRECTS = "corrects"
"""In the record of a correction, the case that it puts right."""
DEEPEST = 4
"""Parts of a result's path: BIDS has `sub-01/ses-1/anat/<file>`."""
OTHERWISE = "move it elsewhere, or choose another --out."
Digests = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Record:
    """What a record says.

    Attributes:
        content: all of it.
        files: path relative to the record's folder -> the digests that brainseg may have given the file.
    """

    content: dict[str, Any] = field(default_factory=dict)
    files: Digests = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """All files were written."""
        return bool(self.content) and UNFINISHED not in self.content


def sealed(content: Mapping[str, Any]) -> str:
    """The text of a record: the content as JSON, with its own digest at the end."""
    plain = {key: value for key, value in content.items() if key != OWN}
    return json_text(plain | {OWN: hashlib.sha256(json_text(plain).encode()).hexdigest()})


def read_record(path: Path, case: str) -> Record:
    """Read the record that brainseg keeps of `case`; an empty one where nothing is.

    Raises:
        DataError: something else is there, or a record that was changed since.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DataError(f"{path} is in the way, and is no file of brainseg predict; {OTHERWISE}")
        text = path.read_bytes()
    except FileNotFoundError:
        return Record()
    content: Any = {}
    try:
        content = json.loads(text)
        if sealed(content).encode() == text and content["case"] == case:
            return Record(content, _files(content[FILES]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # somebody else's
    raise DataError(f"{path} {_foreign(content if isinstance(content, dict) else {}, case)}; {OTHERWISE}")


def whole_records(folder: Path) -> dict[str, Record]:
    """Whole records in a folder, by case; what is no record of ours is not ours to judge."""
    found = {}
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            record = read_record(path, path.stem)
        except DataError:
            continue
        if record.whole:
            found[path.stem] = record
    return found


def _foreign(content: dict[str, Any], case: str) -> str:
    if OWN in content:
        if content.get("case") != case:
            return f"is in the way: it is the record of another case than {case!r}"
        return "was changed or damaged since brainseg predict wrote it"
    if "fingerprint" in content and "made_by" in content:
        return "was written by a version of brainseg that kept no digests, so nothing shows which files were its own"
    return "is in the way, and brainseg predict did not write it"


def _files(entries: Mapping[str, str | list[str]]) -> dict[str, tuple[str, ...]]:
    for name in entries:
        parts = PurePosixPath(name).parts
        if not 1 <= len(parts) <= DEEPEST or ".." in parts or name != "/".join(parts) or parts[0] == "/":
            raise ValueError(f"{name} is no path of a result")
    return {name: (found,) if isinstance(found, str) else tuple(found) for name, found in entries.items()}


def require_ours(out: Path, files: Digests, planned: Iterable[str], beside: Iterable[str] = ()) -> None:
    """Refuse what is in the way of `planned`, and what was changed of `files`.

    Args:
        out: folder of the results.
        files: that brainseg wrote earlier, with the digests that they may have.
        planned: relative paths that are to be written.
        beside: those of another record of ours, which may share a folder with them.

    Raises:
        DataError: names the first.
    """
    planned = set(planned)
    known = {own_folder(name) for name in (*files, *beside)}
    for folder in sorted(filter(None, map(own_folder, planned))):
        _require_folder(out / folder, folder in known)
    for folder in sorted({str(parent) for name in planned for parent in PurePosixPath(name).parents} - {"."}):
        if os.path.lexists(out / folder) and ((out / folder).is_symlink() or not (out / folder).is_dir()):
            raise DataError(f"{out / folder} is in the way: a folder of that name is to be written; {OTHERWISE}")
    for name in sorted(planned | set(files)):
        _require_file(out / name, files.get(name, ()))


def own_folder(name: str) -> str:
    """The folder of a planned file that is one case's alone; empty for a file right in --out, or deep in a dataset."""
    folder, *rest = name.split("/")
    return folder if len(rest) == 1 else ""


def _require_folder(path: Path, ours: bool) -> None:
    if path.is_dir() and not path.is_symlink() and not ours and any(path.iterdir()):
        raise DataError(
            f"{path} is in the way: it holds files, and nothing shows that brainseg predict wrote it; {OTHERWISE}"
        )


def _require_file(path: Path, digests: tuple[str, ...]) -> None:
    if not os.path.lexists(path):
        return
    if not digests or path.is_symlink() or not path.is_file():
        raise DataError(f"{path} is in the way, and nothing shows that brainseg predict wrote it; {OTHERWISE}")
    if not is_ours(path, digests):
        raise DataError(
            f"{path} was changed or damaged since brainseg predict wrote it; move it elsewhere to have it written "
            "again, or choose another --out."
        )


def is_ours(path: Path, digests: tuple[str, ...]) -> bool:
    """Whether this is a file, no link, with one of these digests."""
    return not path.is_symlink() and path.is_file() and sha256(path) in digests


def are_there(out: Path, files: Digests) -> bool:
    """Whether all files are there, each with its digest."""
    return all(is_ours(out / name, digests) for name, digests in files.items())


def publish(
    staged: Path, out: Path, record: str, content: Mapping[str, Any], beside: Iterable[str] = ()
) -> dict[str, Any]:
    """Move staged files to where they belong, in place of those of an earlier run, and write the record.

    Another run into the same folder waits meanwhile; of two results of one case the later stays, whole.

    Args:
        staged: folder on the file system of `out`, with nothing but the files to be moved, by their relative paths.
        out: folder of the results.
        record: name of the record in `out`.
        content: of the record, with `case`.
        beside: files of another record of ours, which may share a folder with these.

    Returns:
        The record's content, with the files' digests.

    Raises:
        DataError: something is in the way; what brainseg did not write is as it was.
    """
    with locked(out):
        return _publish(staged, out, record, content, beside)


def _publish(staged: Path, out: Path, record: str, content: Mapping[str, Any], beside: Iterable[str]) -> dict[str, Any]:
    path, case = out / record, content["case"]
    new = {file.relative_to(staged).as_posix(): sha256(file) for file in sorted(staged.rglob("*")) if file.is_file()}
    old = read_record(path, case)
    require_ours(out, old.files, new, beside)
    either = {name: [*old.files.get(name, ()), *([new[name]] if name in new else [])] for name in {**old.files, **new}}
    claim = {"case": case, UNFINISHED: True, FILES: either}
    text = _put(path, sealed(claim), sealed(old.content) if old.content else None, staged)
    for name in new:
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(staged / name, target, tuple(either[name]))
    _remove(out, {name: digests for name, digests in old.files.items() if name not in new})
    final = sealed({**content, FILES: new})
    _put(path, final, text, staged)
    return dict(json.loads(final))


def _put(path: Path, text: str, before: str | None, staged: Path) -> str:
    """Write a record in place of the one whose text is known; its text."""
    source = staged.parent / "record"
    source.write_text(text, encoding="utf-8")
    known = () if before is None else (hashlib.sha256(before.encode()).hexdigest(),)
    _replace(source, path, known)
    return text


def _replace(source: Path, target: Path, digests: tuple[str, ...]) -> None:
    """Move a file to a free name, or to that of a file of ours; never onto anything else."""
    if not os.path.lexists(target):
        place(source, target)
        return
    _require_file(target, digests)
    os.replace(source, target)


def _remove(out: Path, files: Digests) -> None:
    """Remove what an earlier result had and this one has not; folders that are empty then, too."""
    for name, digests in files.items():
        if is_ours(out / name, digests):
            (out / name).unlink()
    folders = {parent for name in files for parent in PurePosixPath(name).parents} - {PurePosixPath(".")}
    for folder in (out / part for part in sorted(folders, reverse=True)):  # the inner ones first
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
