"""Where the files of a result lie today: where predict read them, or moved together with the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath

from brainseg.errors import DataError
from brainseg.view.result import Result

UP = 4
"""So many folders above a result are looked in, under the endings of the path that predict read."""
MOST = 200
"""So many files beside a result are looked at by their content."""


def located(result: Result, scan: Path | None = None) -> Result:
    """The result with the places of its scan as they are now.

    Where predict read the scan, or by the same names near the result, or, of a FLAIR alone, by another name there;
    only files whose digest is that of the scan.

    Args:
        result: whose JSON says where predict read the scan.
        scan: where the user says that it lies: the FLAIR's file or folder, or the folder that holds all sequences.

    Raises:
        DataError: it is nowhere, or `scan` is another one.
    """
    wanted = {str(key): path for key, path in result.report.input.items()}
    if scan is not None:
        found = _named(scan, wanted)
        if any(not path.exists() for path in found.values()) or not _same(result, found):
            raise DataError(f"--scan {scan} is not the scan that {result.path} was made from; name that one.")
        return _moved(result, found)
    if all(path.exists() for path in wanted.values()):
        return result
    for found in _near(result, wanted):
        if _same(result, found):
            return _moved(result, found)
    missing = next(path for path in wanted.values() if not path.exists())
    raise DataError(
        f"{result.path} is of the scan {missing}, which does not exist, and it is not near the result either; "
        "put it back, or say where it is with brainseg view --scan."
    )


def nearby(path: Path, result: Path, fits: Callable[[Path], bool]) -> Path | None:
    """A file that may have moved together with a result; None where it has not.

    Args:
        path: where it was.
        result: the JSON.
        fits: whether a file is the one.
    """
    return next((found for found in (path, *_candidates(path, result.parent)) if found.is_file() and fits(found)), None)


def _named(scan: Path, wanted: dict[str, Path]) -> dict[str, Path]:
    if len(wanted) == 1:
        return dict.fromkeys(wanted, scan)
    folder = scan if scan.is_dir() and wanted["flair"].name != scan.name else scan.parent
    return {key: folder / path.name for key, path in wanted.items()}


def _near(result: Result, wanted: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """By name first; then, of one file, whatever lies beside the result and one folder up."""
    here = result.path.absolute().parent
    for flair in _candidates(wanted["flair"], here):
        up = len(wanted["flair"].parts) - len(_common_end(flair, wanted["flair"]))
        moved = {key: _transplanted(path, wanted["flair"], flair, up) for key, path in wanted.items()}
        if all(path.exists() for path in moved.values()):
            yield moved
    if len(wanted) == 1 and wanted["flair"].suffix:
        files = (path for folder in (here, here.parent) for path in sorted(folder.glob("*")) if path.is_file())
        alike = (path for path in files if path.suffix == wanted["flair"].suffix)
        yield from ({"flair": path} for path in islice(alike, MOST))


def _candidates(path: Path, folder: Path) -> Iterator[Path]:
    """What is there under the endings of a path, the longest first, in a folder and those above it."""
    here = folder.absolute()
    for above in (here, *here.parents)[: UP + 1]:
        for start in range(int(path.is_absolute()), len(path.parts)):
            candidate = above.joinpath(*path.parts[start:])
            if candidate.exists():
                yield candidate


def _common_end(a: PurePath, b: PurePath) -> tuple[str, ...]:
    count = 0
    while count < min(len(a.parts), len(b.parts)) and a.parts[-1 - count] == b.parts[-1 - count]:
        count += 1
    return a.parts[len(a.parts) - count :]


def _transplanted(path: Path, flair: Path, moved: Path, up: int) -> Path:
    """Another sequence, moved as FLAIR was: beside it where it was beside it, else under the same new root."""
    if path.parent == flair.parent:
        return moved.parent / path.name
    root = moved.parents[len(flair.parts) - up - 1]
    return root.joinpath(*path.parts[up:])


def _same(result: Result, paths: dict[str, Path]) -> bool:
    case = replace(result.case, paths=paths)
    if result.report.input_sha256 == case.digest:
        return True
    try:  # by another name
        return case.read(trust=True).digest == result.report.scan_sha256
    except DataError:
        return False


def _moved(result: Result, paths: dict[str, Path]) -> Result:
    return replace(result, report=result.report.model_copy(update={"input": paths}))
