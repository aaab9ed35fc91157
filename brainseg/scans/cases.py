"""What the user named: which cases it holds, of which format, and how each is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.scans.format import Format
from brainseg.scans.formats import FORMATS
from brainseg.scans.names import alike, check_name
from brainseg.scans.scan import Scan


@dataclass(frozen=True)
class Case:
    """One scan to be read.

    Attributes:
        name: names the output and the scan; one plain part of a path.
        kind: its format's name in `FORMATS`.
        paths: `flair` and any of `pre`, `post`; one folder of TIF slices, or one slice, stands under `flair`.
    """

    name: str
    kind: str
    paths: Mapping[str, Path]

    @property
    def format(self) -> Format:
        """Of the files."""
        return FORMATS[self.kind]

    @property
    def places(self) -> dict[str, str]:
        """Where its files lie, whatever folder the command was started in."""
        return {key: os.path.abspath(path) for key, path in self.paths.items()}

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its files' names and bytes, masks beside TIF slices included; worked out once."""
        entries = [
            (key, str(file.relative_to(path if path.is_dir() else path.parent)), sha256(file))
            for key, path in sorted(self.paths.items())
            for file in self.format.files(path)
        ]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def read(self, *, truth: bool = False, trust: bool = False) -> Scan:
        """Read the scan; `truth` reads the masks beside TIF slices, too; `trust` takes doubts for warnings.

        Raises:
            DataError: the files are not what they should be, or there can be no truth.
            NotTrusted: the files are probably not what they are taken for.
        """
        if truth and not self.format.truth:
            known = " or ".join(known.truth for known in FORMATS.values() if known.truth)
            raise DataError(f"{self.paths['flair']} is no {known}.")
        return self.format.read(self.paths, self.name, truth=truth, trust=trust)


def find_cases(inputs: Sequence[Path], sequences: Mapping[str, Path] | None = None) -> list[Case]:
    """The cases of what the user named, in that order.

    Args:
        inputs: folders of TIF slices or of such folders, single TIF slices, NIfTI files, folders of DICOM series.
        sequences: `flair`, `pre`, `post`: NIfTI files or DICOM folders of one case, named one by one. `flair` may
            stand in `inputs` instead.

    Raises:
        DataError: nothing there, something else than a scan, a name that no file can have (see `check_name`), or two
            cases whose names are one, at least to file systems that do not tell upper from lower case.
    """
    if sequences:
        cases = [_by_sequence(list(inputs), dict(sequences))]
    elif not inputs:
        raise DataError(f"no input is named; name {_any_input()}.")
    else:
        cases = [case for path in inputs for case in _cases_of(path)]
    seen: dict[str, Case] = {}
    for case in cases:
        check_name(case.name, case.paths["flair"])
        if other := seen.get(alike(case.name)):
            called = repr(case.name) if case.name == other.name else f"{other.name!r} or {case.name!r}"
            raise DataError(
                f"{other.paths['flair']} and {case.paths['flair']} are both called {called}, and so would their "
                "output; run them apart or rename one."
            )
        seen[alike(case.name)] = case
    return cases


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
    for kind, known in FORMATS.items():
        if found := known.cases(path):
            return [Case(known.name(case), kind, {"flair": case}) for case in found]
    raise _no_scan(path)


def _no_scan(path: Path) -> DataError:
    if advice := next(filter(None, (known.advice(path) for known in FORMATS.values())), ""):
        return DataError(advice)
    if path.is_file():
        return DataError(f"{path} is no scan; name {_any_input()}.")
    found = sorted({child.suffix or child.name for child in path.iterdir()})
    expected = ", or ".join(known.folder for known in FORMATS.values() if known.folder)
    return DataError(f"{path} holds no scan ({', '.join(found[:5]) or 'it is empty'}); expected {expected}.")


def _any_input() -> str:
    *others, last = (known.inputs for known in FORMATS.values())
    return f"{', '.join(others)} or {last}"


def _require(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path} does not exist; check its spelling.")
