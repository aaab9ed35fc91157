"""The true mask of each case, where the user has named a file or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brainseg.errors import DataError
from brainseg.scans.nifti import stem
from brainseg.scans.nifti_file import is_nifti

ENDS = ("", "_truth", "_mask", "_seg", "-seg", "_tumor_segmentation", "_label-tumor_mask", "_dseg")
"""After a case's name; the first are those of brainseg, the others of BraTS, UCSF-PDGM and BIDS."""
_SHOWN = 6


def find_truths(truth: Path, cases: Sequence[str]) -> dict[str, Path]:
    """Which file is the true mask of which case.

    Args:
        truth: a NIfTI file, for one case, or a folder with a file `<case>` and one of `ENDS` for each, whatever folder
            in it that lies in.
        cases: their names.

    Raises:
        DataError: nothing there, one file for several cases, or a case with no file or with several.
    """
    if not truth.exists():
        raise DataError(f"--truth {truth} does not exist; name the NIfTI file of the true mask, or a folder of them.")
    if not truth.is_dir():
        if not is_nifti(truth):
            raise DataError(f"--truth {truth} is no NIfTI file; expected one, or a folder of them.")
        if len(cases) > 1:
            many = f"there are {len(cases)} cases; name a folder with <case>.nii.gz of each."
            raise DataError(f"--truth {truth} is one mask, and {many}")
        return dict.fromkeys(cases, truth)
    files: dict[str, list[Path]] = {}
    for path in sorted(truth.rglob("*")):
        if is_nifti(path) and path.is_file() and not path.name.startswith("."):
            files.setdefault(stem(path), []).append(path)
    found = {case: [path for end in ENDS for path in files.get(case + end, ())] for case in cases}
    if none := [case for case, paths in found.items() if not paths]:
        named = ", ".join(none[:_SHOWN]) + (", ..." if len(none) > _SHOWN else "")
        raise DataError(
            f"--truth {truth} holds no mask of {len(none)} of {len(cases)} cases ({named}); expected <case>.nii.gz, "
            f"or a name with {', '.join(ENDS[1:4])} after the case."
        )
    for case, paths in found.items():
        if len(paths) > 1:
            raise DataError(
                f"{paths[0]} and {paths[1]} are both named after {case}; --truth takes one: move the other."
            )
    return {case: paths[0] for case, paths in found.items()}
