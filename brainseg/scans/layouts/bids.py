"""BIDS: `sub-*/[ses-*/]anat/*_FLAIR.nii.gz`, and `*_T1w` beside it, with contrast agent where its name has `ce-`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brainseg.errors import DataError
from brainseg.scans.bids import entities
from brainseg.scans.case import Case
from brainseg.scans.layouts.layout import Layout, listed
from brainseg.scans.nifti import stem
from brainseg.scans.nifti_file import is_nifti

KIND = "bids"
_GEOMETRY = ("acq", "run")
"""Entities by which a T1w is chosen for a FLAIR, the most telling first."""


class BidsLayout(Layout):
    """A dataset, or one participant's folder in it.

    Each FLAIR is a case, several runs or acquisitions of a session, too: nobody has said which of them is meant. Its
    T1w images are those with the most of its `acq` and `run`, and of these the first by name. Parts of complex images
    (`part-phase` and the like) are left.
    """

    inputs = "a BIDS dataset"

    def cases(self, folder: Path) -> list[Case]:
        """See `Layout.cases`; a session with `anat` that has no FLAIR has a problem."""
        return [case for anat in _anatomies(folder) for case in _of_anat(anat)]


def select(cases: Sequence[Case], participants: Sequence[str], sessions: Sequence[str]) -> list[Case]:
    """The cases of these participants and sessions, named with or without `sub-` and `ses-`; all where none is named.

    Raises:
        DataError: there is none of one of them, or cases that are not BIDS.
    """
    for option, at, labels in (("participant", 0, participants), ("session", 1, sessions)):
        if not labels:
            continue
        if strangers := [case for case in cases if case.kind != KIND]:
            raise DataError(f"--{option} goes with a BIDS dataset, and {strangers[0].paths['flair']} is of none.")
        prefix = ("sub-", "ses-")[at]
        wanted = {prefix + label.removeprefix(prefix) for label in labels}
        there = {entities(case.name)[at] for case in cases}
        if missing := sorted(wanted - there):
            some = ", ".join(sorted(filter(None, there))[:6]) or "none"
            raise DataError(f"there is no {missing[0]} among the input's anatomical images; there are {some}.")
        cases = [case for case in cases if entities(case.name)[at] in wanted]
    return list(cases)


def _anatomies(folder: Path) -> list[Path]:
    """The folders `anat` of a dataset, a participant or a session; `folder` may be one itself."""
    if folder.name == "anat" and folder.parent.name.startswith(("sub-", "ses-")):
        return [folder]
    inner = ("anat", "ses-*/anat") if folder.name.startswith(("sub-", "ses-")) else ("sub-*/anat", "sub-*/ses-*/anat")
    return sorted(path for pattern in inner for path in folder.glob(pattern) if path.is_dir())


def _of_anat(anat: Path) -> list[Case]:
    files = [file for file in sorted(anat.iterdir()) if is_nifti(file) and not file.name.startswith(".")]
    flairs = [file for file in files if _is(file, "FLAIR")]
    if not flairs:
        person = "_".join(part for part in anat.parts[-3:-1] if part.startswith(("sub-", "ses-")))
        found = f" ({listed(files)})" if files else ""
        problem = f"{anat} has no *_FLAIR.nii.gz{found}; choose others with --participant, or name it with --flair."
        return [Case(person, KIND, {"flair": anat}, tuple(files), problem)]
    return [_of_flair(flair, files) for flair in flairs]


def _of_flair(flair: Path, files: list[Path]) -> Case:
    weighted = [file for file in files if _is(file, "T1w")]
    paths = {"flair": flair}
    for key, agent in (("pre", False), ("post", True)):
        if fitting := [file for file in weighted if ("ce" in _labels(file)) == agent]:
            paths[key] = max(fitting, key=lambda file: _alike(file, flair))  # of equals the first
    name = stem(flair).removesuffix("_FLAIR")
    return Case(name, KIND, paths, tuple(file for file in files if file not in paths.values()))


def _is(file: Path, suffix: str) -> bool:
    labels = _labels(file)
    return stem(file).endswith(f"_{suffix}") and labels.get("part", "mag") == "mag" and file.name.startswith("sub-")


def _labels(file: Path) -> dict[str, str]:
    return dict(part.split("-", 1) for part in stem(file).split("_") if "-" in part)


def _alike(file: Path, flair: Path) -> tuple[bool, ...]:
    mine, other = _labels(file), _labels(flair)
    return tuple(mine.get(key) == other.get(key) for key in _GEOMETRY)
