"""What the user named: which cases it holds, of which format, and how each is read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brainseg.errors import DataError
from brainseg.scans.case import Case
from brainseg.scans.formats import FORMATS
from brainseg.scans.layouts.bids import KIND as BIDS
from brainseg.scans.layouts.bids import select
from brainseg.scans.layouts.known import LAYOUTS
from brainseg.scans.layouts.table import read_table
from brainseg.scans.names import alike, check_name, folder_name
from brainseg.scans.scan import SEQUENCES

MOST_PROBLEMS = 10
"""So many folders without a scan are named."""
_LONGEST_NAMES = 3
"""So many folders, at most, stand in the name of a case that others are called like."""


def find_cases(
    inputs: Sequence[Path],
    sequences: Mapping[str, Path] | None = None,
    *,
    table: Path | None = None,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    series: Sequence[str] = (),
    changes: Sequence[str] = (),
) -> list[Case]:
    """The cases of what the user named, in that order.

    Args:
        inputs: files and folders of any format of `FORMATS` or layout of `LAYOUTS`.
        sequences: `flair`, `pre`, `post`: NIfTI files or DICOM folders of one case, named one by one. `flair` may
            stand in `inputs` instead.
        table: a CSV of cases, see `read_table`.
        participants: of a BIDS dataset, those alone.
        sessions: of them, those alone.
        series: of DICOM studies, `flair=`, `pre=` or `post=` and a series' number, UID or description each.
        changes: to be done with each scan; see `Case`.

    Raises:
        DataError: nothing there, something else than a scan, a name that no file can have (see `check_name`), or two
            cases whose names are one, at least to file systems that do not tell upper from lower case, and whose
            folders are called alike, too.
    """
    if sequences:
        if table is not None:
            raise DataError("--cases names the scans, so --flair, --pre and --post cannot; run them apart.")
        cases = [_by_sequence(list(inputs), dict(sequences))]
    elif not inputs and table is None:
        raise DataError(f"no input is named; name {_any_input()}.")
    else:
        cases = [case for path in inputs for case in _cases_of(path)]
        cases += read_table(table) if table is not None else []
    cases = select(cases, participants, sessions)
    if all(case.problem for case in cases):
        raise _refused([case.problem for case in cases])
    cases = _changing(_told_apart(_choosing(cases, series)), changes)
    for case in cases:
        check_name(case.name, case.paths["flair"])
    return cases


def _choosing(cases: list[Case], series: Sequence[str]) -> list[Case]:
    """The cases with the series that the user has chosen."""
    rules: dict[str, str] = {}
    for text in series:
        key, _, rule = (part.strip() for part in text.partition("="))
        if key not in SEQUENCES or not rule or key in rules:
            raise DataError(
                f"--series {text} is no choice, expected flair=, pre= or post=, once each, and the number, the UID or "
                "the description of a series; pre=none and post=none do without one."
            )
        rules[key] = rule
    for case in cases if rules else ():
        case.format.choosing(rules)
        if len(case.paths) > 1:
            raise DataError("--series chooses among the series of one folder; leave out --pre and --post, or it.")
    return [replace(case, series=rules) for case in cases] if rules else cases


def _changing(cases: list[Case], changes: Sequence[str]) -> list[Case]:
    """The cases with what is to be done with them.

    Raises:
        DataError: it cannot be done with one of them.
    """
    changed = [replace(case, changes=tuple(changes)) for case in cases] if changes else cases
    for case in changed:
        case.format  # noqa: B018 it refuses
    return changed


def left_out(cases: Sequence[Case]) -> list[str]:
    """What is said of files beside the cases that are not used, before any work."""
    ends = Counter(end for case in cases if not case.problem for end in _ends(case))
    if not ends:
        return []
    names = [f"{end} ({count})" if count > 1 else end for end, count in ends.most_common(MOST_PROBLEMS)]
    more = f" and {len(ends) - len(names)} more" if len(ends) > len(names) else ""
    return [f"files beside the sequences that are not used: {', '.join(names)}{more}"]


def _ends(case: Case) -> list[str]:
    """The names of the files that are left, without what all names of the case begin with."""
    start = os.path.commonprefix([path.name for path in (*case.paths.values(), *case.left)])  # noqa: RUF071 of letters
    cut = max(start.rfind(separator) for separator in "-_. ") + 1 if start else 0
    return [file.name[cut:] for file in case.left]


def _told_apart(cases: Sequence[Case]) -> list[Case]:
    """Cases that are called alike take the name of their folder, and of the folder around it.

    BIDS has names of its own.

    Raises:
        DataError: that does not tell them apart either.
    """
    found, depths = list(cases), [0] * len(cases)
    for _ in range(_LONGEST_NAMES):
        count = Counter(alike(case.name) for case in found)
        for i, case in enumerate(cases):
            if count[alike(found[i].name)] > 1 and case.kind != BIDS:
                depths[i] += 1
                found[i] = replace(case, name=_longer(case, depths[i]))
    seen: dict[str, Case] = {}
    for new, case in zip(found, cases, strict=True):
        if other := seen.get(alike(new.name)):
            called = repr(case.name) if case.name == other.name else f"{other.name!r} or {case.name!r}"
            raise DataError(
                f"{other.paths['flair']} and {case.paths['flair']} are both called {called}, and so would their "
                "output; run them apart or rename one."
            )
        seen[alike(new.name)] = case
    return found


def _longer(case: Case, depth: int) -> str:
    """The names of `depth` folders, from outside to inside; more by one where the case is called after the inmost."""
    path = case.paths["flair"].absolute()
    folders = list(path.parents if path.is_file() else (path, *path.parents))
    depth += bool(folders) and alike(folder_name(folders[0])) == alike(case.name)
    return "_".join(reversed([folder.name for folder in folders[:depth]])) or case.name


def _by_sequence(inputs: list[Path], sequences: dict[str, Path]) -> Case:
    if "flair" not in sequences:
        if len(inputs) != 1:
            raise DataError("--pre and --post go with one FLAIR: name it with --flair or as the only input.")
        sequences = {"flair": inputs[0]} | sequences
    elif inputs:
        raise DataError(f"--flair names the scan, so {inputs[0]} cannot be another; run them apart.")
    for path in sequences.values():
        _require(path)
    for kind, known in FORMATS.items():
        if all(map(known.takes, sequences.values())):
            return Case(known.name(sequences["flair"]), kind, sequences)
    for path in sequences.values():
        if not any(known.takes(path) for known in FORMATS.values()):
            raise _no_scan(path)
    expected = ", or ".join(known.sequences for known in FORMATS.values() if known.sequences)
    raise DataError(f"--flair, --pre and --post mix files and folders; expected {expected}.")


def _cases_of(path: Path) -> list[Case]:
    _require(path)
    refused: list[Case] = []
    for layout in LAYOUTS if path.is_dir() else ():
        cases = layout.cases(path)
        if any(not case.problem for case in cases):
            return cases
        refused = refused or cases
    for kind, known in FORMATS.items():
        if found := known.cases(path):
            return [Case(known.name(case), kind, {"flair": case}) for case in found]
    raise _refused([case.problem for case in refused]) if refused else _no_scan(path)


def _refused(problems: list[str]) -> DataError:
    if len(problems) == 1:
        return DataError(problems[0])
    return DataError(f"none of {len(problems)} folders of NIfTI files can be segmented:", problems[:MOST_PROBLEMS])


def _no_scan(path: Path) -> DataError:
    if advice := next(filter(None, (known.advice(path) for known in FORMATS.values())), ""):
        return DataError(advice)
    if path.is_file():
        more = "; a table of cases is named with --cases" if path.suffix.lower() in (".csv", ".tsv") else ""
        return DataError(f"{path} is no scan; name {_any_input()}{more}.")
    found = sorted({child.suffix or child.name for child in path.iterdir()})
    expected = ", or ".join(known.folder for known in FORMATS.values() if known.folder)
    return DataError(f"{path} holds no scan ({', '.join(found[:5]) or 'it is empty'}); expected {expected}.")


def _any_input() -> str:
    layouts, formats = [known.inputs for known in LAYOUTS], [known.inputs for known in FORMATS.values()]
    *others, last = dict.fromkeys(layouts + formats)
    return f"{', '.join(others)} or {last}"


def _require(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path} does not exist; check its spelling.")
