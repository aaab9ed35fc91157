"""Patients whose NIfTI files end in the sequence's name: BraTS, UCSF-PDGM, UPENN-GBM, or `flair.nii.gz` alone."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

from brainseg.scans.case import Case
from brainseg.scans.layouts.layout import Layout, listed
from brainseg.scans.names import folder_name
from brainseg.scans.nifti import stem
from brainseg.scans.nifti_file import is_nifti

ENDS = {
    "flair": r"(t2[-_ ]?)?flair|t2f",
    "pre": r"t1|t1n|t1w|t1[-_ ]?pre|pre[-_ ]?t1",
    "post": r"t1[-_ ]?(c|ce|gd|gad|post|km)|t1w[-_ ]?(c|ce|gd|gad|post)|t1wce|t1cn|ct1|post[-_ ]?t1",
}
"""What the name of a sequence's file ends in, whatever the case, behind nothing or a hyphen, underscore, stop or blank.

`t2f`, `t1n`, `t1c`: BraTS from 2023 on; `flair`, `t1`, `t1ce`: BraTS before; `T1c`: UCSF-PDGM; `T1GD`: UPENN-GBM;
`CT1`: LUMIERE. Files that were derived of them, such as `FLAIR_bias`, end in something else.
"""
ALONE = {"pre": "pre", "post": "post"}
"""Whole names, after the options of the command."""
_NAMES = {key: re.compile(rf"(?P<patient>|.*?[-_. ])(?:{ends})", re.IGNORECASE) for key, ends in ENDS.items()}
_OTHER = re.compile(
    r"(.*[-_. ])?((t1|t2|seg|mask|label|lesion)[a-z]*|ct1|pdw?|dwi|dti|adc|swi|roi)([-_. ].*)?", re.IGNORECASE
)
"""Before a sequence's name: `T1_to_FLAIR`, `T1_FLAIR` and `lesion_FLAIR` are no FLAIR, whatever they are."""
_WAYS = "name its sequences with --flair, --pre and --post, or list it in a table with --cases"


class NamedLayout(Layout):
    """One patient's folder, folders of such folders, or the files of several patients in one folder.

    A folder with one patient gives the case its name. In a folder with several they are called after what stands before
    the sequence's name.
    """

    inputs = "a folder of patients with NIfTI sequences"

    def cases(self, folder: Path) -> list[Case]:
        """See `Layout.cases`."""
        found: list[Case] = []
        for place, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            here = Path(place)
            files = [here / name for name in sorted(names) if is_nifti(here / name) and not name.startswith(".")]
            if files:
                found += _of_folder(here, files)
                inner.clear()  # what lies below a patient's sequences was made from them
        return found


def sequence_of(path: Path) -> tuple[str, str] | None:
    """Sequence and patient that a file's name says; None where it says no sequence."""
    name = stem(path)
    if key := ALONE.get(name.lower()):
        return key, ""
    for key, ends in _NAMES.items():
        if match := ends.fullmatch(name):
            patient = match["patient"].rstrip("-_. ")
            return None if _OTHER.fullmatch(patient) else (key, patient)
    return None


def _of_folder(folder: Path, files: list[Path]) -> list[Case]:
    patients: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        if said := sequence_of(file):
            patients[said[1]][said[0]].append(file)
    whole = {patient: sequences for patient, sequences in patients.items() if "flair" in sequences}
    if not whole:
        problem = f"{folder} has no FLAIR by its name ({listed(files)}); {_WAYS}."
        return [Case(folder_name(folder), "nifti", {"flair": folder}, tuple(files), problem)]
    cases = []
    for patient, sequences in sorted(whole.items()):
        name = patient if len(whole) > 1 and patient else folder_name(folder)
        others = [file for file in files if len(whole) == 1 or _is_of(file, patient, whole)]
        cases.append(_case(name, sequences, others))
    return cases


def _case(name: str, sequences: dict[str, list[Path]], files: list[Path]) -> Case:
    for key, several in sequences.items():
        if len(several) > 1:
            problem = (
                f"{several[0].parent} has {len(several)} files that are {key} by name ({listed(several)}); {_WAYS}."
            )
            return Case(name, "nifti", {"flair": several[0].parent}, tuple(files), problem)
    paths = {key: several[0] for key, several in sequences.items()}
    return Case(name, "nifti", paths, tuple(file for file in files if file not in paths.values()))


def _is_of(file: Path, patient: str, patients: dict[str, dict[str, list[Path]]]) -> bool:
    """Whether a file's name begins with that of a patient, and with no longer one's."""
    fitting = [other for other in patients if stem(file).startswith(other)]
    return patient == max(fitting, key=len, default=None)
