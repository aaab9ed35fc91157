"""What the user named: which cases it holds, of which kind, and how each is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brainseg.data.raw import MASK_SUFFIX
from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.scans import dicom, nifti, tif
from brainseg.scans.names import alike, check_name, folder_name
from brainseg.scans.nifti_file import is_nifti
from brainseg.scans.scan import Scan

Kind = Literal["tif", "nifti", "dicom"]


@dataclass(frozen=True)
class Case:
    """One scan to be read.

    Attributes:
        name: names the output and the scan; one plain part of a path.
        kind: of the files.
        paths: `flair` and any of `pre`, `post`; one folder of TIF slices, or one slice, stands under `flair`.
    """

    name: str
    kind: Kind
    paths: Mapping[str, Path]

    @property
    def places(self) -> dict[str, str]:
        """Where its files lie, whatever folder the command was started in."""
        return {key: os.path.abspath(path) for key, path in self.paths.items()}

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its files' names and bytes, masks beside TIF slices included."""
        entries = [(key, name, sha256(file)) for key, path in sorted(self.paths.items()) for name, file in _files(path)]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def read(self, *, truth: bool = False, trust: bool = False) -> Scan:
        """Read the scan; `truth` reads the masks beside TIF slices, too; `trust` takes doubts for warnings.

        Raises:
            DataError: the files are not what they should be, or there can be no truth.
            NotTrusted: the files are probably not what they are taken for.
        """
        if truth and self.kind != "tif":
            raise DataError(
                f"{self.paths['flair']} is no TIF slice or folder of them: --score needs <slice>_mask.tif beside each."
            )
        match self.kind:
            case "tif":
                path = self.paths["flair"]
                read = tif.read_tif_slice if path.is_file() else tif.read_tif_folder
                return read(path, self.name, truth=truth)
            case "nifti":
                return nifti.read_nifti(self.paths, self.name, trust=trust)
            case "dicom":
                return dicom.read_dicom(self.paths, self.name, trust=trust)
        raise TypeError(f"no way to read a case of kind {self.kind!r}")


def _files(path: Path) -> list[tuple[str, Path]]:
    """What is read from `path`, by name within it."""
    if path.is_dir():
        return [(str(file.relative_to(path)), file) for file in sorted(path.rglob("*")) if file.is_file()]
    mask = path.with_name(f"{path.stem}{MASK_SUFFIX}{path.suffix}")
    return [(file.name, file) for file in (path, mask) if file.is_file()]


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
    sequences = dict(sequences or {})
    if sequences:
        cases = [_by_sequence(list(inputs), sequences)]
    elif not inputs:
        raise DataError("no input is named; name a folder of TIF slices, a NIfTI file or a DICOM folder.")
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
    flair = sequences["flair"]
    if all(path.is_dir() for path in sequences.values()):
        return Case(folder_name(flair), "dicom", sequences)
    if all(path.is_file() for path in sequences.values()):
        return Case(nifti.stem(flair), "nifti", sequences)
    raise DataError("--flair, --pre and --post mix files and folders; expected NIfTI files, or DICOM folders.")


def _cases_of(path: Path) -> list[Case]:
    _require(path)
    if path.is_file():
        return [_file_case(path)]
    if tif.image_files(path):
        return [Case(folder_name(path), "tif", {"flair": path})]
    inner = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    if any(tif.image_files(child) for child in inner):
        return [Case(child.name, "tif", {"flair": child}) for child in inner if tif.image_files(child)]
    if any(dicom.is_dicom(child) for child in path.rglob("*")):
        return [Case(folder_name(path), "dicom", {"flair": path})]
    found = sorted({child.suffix or child.name for child in path.iterdir()})
    if any(is_nifti(child) for child in path.iterdir()):
        raise DataError(f"{path} is a folder of NIfTI files; name the files, each a case: {path}/*.nii.gz.")
    raise DataError(f"{path} holds no scan ({', '.join(found[:5]) or 'it is empty'}); expected TIF slices, or DICOM.")


def _file_case(path: Path) -> Case:
    if is_nifti(path):
        return Case(nifti.stem(path), "nifti", {"flair": path})
    if path.suffix.lower() in tif.SUFFIXES:
        return Case(path.stem, "tif", {"flair": path})
    advice = "name its folder, which is the case" if dicom.is_dicom(path) else "name a .nii or .nii.gz file"
    raise DataError(f"{path} is no NIfTI file; {advice}.")


def _require(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path} does not exist; check its spelling.")
