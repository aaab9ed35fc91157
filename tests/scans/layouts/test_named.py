from __future__ import annotations

from pathlib import Path

import pytest

from brainseg.errors import DataError
from brainseg.scans.cases import find_cases, left_out
from brainseg.scans.layouts.named import sequence_of

BRATS = ("t2f", "t1n", "t1c", "t2w", "seg")
OLD_BRATS = ("flair", "t1", "t1ce", "t2", "seg")
UCSF = (
    "FLAIR", "FLAIR_bias", "T1", "T1_bias", "T1c", "T1c_bias", "T2", "T2_bias", "DWI", "DWI_bias", "ADC", "SWI",
    "ASL", "DTI_eddy_FA", "DTI_eddy_MD", "DTI_eddy_L1", "DTI_eddy_noreg", "brain_segmentation",
    "brain_parenchyma_segmentation", "tumor_segmentation",
)  # fmt: skip
UPENN = ("FLAIR", "T1", "T1GD", "T2")
LUMIERE = ("FLAIR", "T1", "CT1", "T2")


def lay(folder: Path, before: str, ends, suffix=".nii.gz") -> None:
    folder.mkdir(parents=True)
    for end in ends:
        (folder / f"{before}{end}{suffix}").touch()


@pytest.mark.parametrize(
    ("folder", "before", "ends", "used"),
    [
        ("BraTS-GLI-00002-000", "BraTS-GLI-00002-000-", BRATS, ("t2f", "t1n", "t1c")),
        ("BraTS2021_00000", "BraTS2021_00000_", OLD_BRATS, ("flair", "t1", "t1ce")),
        ("UCSF-PDGM-0004_nifti", "UCSF-PDGM-0004_", UCSF, ("FLAIR", "T1", "T1c")),
        ("UPENN-GBM-00001_11", "UPENN-GBM-00001_11_", UPENN, ("FLAIR", "T1", "T1GD")),
        ("week-044", "", LUMIERE, ("FLAIR", "T1", "CT1")),
        ("one", "", ("flair", "pre", "post"), ("flair", "pre", "post")),
        ("one", "scan_", ("T2_FLAIR", "T2"), ("T2_FLAIR",)),
    ],
)
def test_what_public_datasets_call_their_files(tmp_path, folder, before, ends, used):
    lay(tmp_path / folder, before, ends)
    for path in (tmp_path / folder, tmp_path):
        (case,) = find_cases([path])
        assert (case.name, case.kind, case.problem) == (folder, "nifti", "")
        wanted = {key: f"{before}{end}.nii.gz" for key, end in zip(("flair", "pre", "post"), used, strict=False)}
        assert {key: path.name for key, path in case.paths.items()} == wanted
        assert {path.name for path in case.left} == {f"{before}{end}.nii.gz" for end in set(ends) - set(used)}


@pytest.mark.parametrize(
    "name",
    [
        "t1", "T1w", "P1_t2", "P1_t2w", "P1_FLAIR_bias", "P1_FLAIR_seg", "T1_to_FLAIR", "P1_T1_FLAIR", "T2_to_flair",
        "P1_T1FLAIR", "lesion_FLAIR", "notflair", "P1_dwi", "flairness", "P1_FLAIR_mask", "T1_in_T2_FLAIR",
    ],
)  # fmt: skip
def test_what_is_no_flair_by_its_name(tmp_path, name):
    said = sequence_of(tmp_path / f"{name}.nii.gz")
    assert said is None or said[0] != "flair"


def test_several_patients_in_one_folder_are_called_after_their_files(tmp_path):
    for patient in ("P1", "P10"):
        for end in ("flair", "t1", "t2"):
            (tmp_path / f"{patient}_{end}.nii").touch()
    cases = find_cases([tmp_path])
    assert [(case.name, sorted(case.paths)) for case in cases] == [("P1", ["flair", "pre"]), ("P10", ["flair", "pre"])]
    assert [[path.name for path in case.left] for case in cases] == [["P1_t2.nii"], ["P10_t2.nii"]]
    assert left_out(cases) == ["files beside the sequences that are not used: t2.nii (2)"]


def test_visits_that_are_called_alike_take_the_patients_names(tmp_path):
    for patient in ("P1", "P2"):
        lay(tmp_path / patient / "week-1", "", ("flair",))
    assert [case.name for case in find_cases([tmp_path])] == ["P1_week-1", "P2_week-1"]


def test_a_patient_without_flair_is_a_problem_of_its_own(tmp_path):
    lay(tmp_path / "P1", "", ("flair", "t1"))
    lay(tmp_path / "P2", "", ("t1", "t2"))
    lay(tmp_path / "P3", "", ("flair", "T1", "t1n"))
    lay(tmp_path / ".trash", "", ("flair",))
    good, without, double = find_cases([tmp_path])
    assert (good.name, good.problem) == ("P1", "")
    assert "P2 has no FLAIR by its name (t1.nii.gz, t2.nii.gz); name its sequences with --flair" in without.problem
    assert "P3 has 2 files that are pre by name (T1.nii.gz, t1n.nii.gz)" in double.problem


def test_what_lies_below_a_patient_s_sequences_is_no_patient(tmp_path):
    lay(tmp_path / "P1", "", ("flair",))
    lay(tmp_path / "P1" / "registered", "", ("flair",))
    assert len(find_cases([tmp_path])) == 1


def test_names_that_say_nothing_are_refused_with_two_ways_on(tmp_path):
    lay(tmp_path / "P1", "", ("t1", "t2"))
    with pytest.raises(DataError, match=r"P1 has no FLAIR by its name .*--flair, --pre and --post, or .* --cases"):
        find_cases([tmp_path])
    lay(tmp_path / "P2", "", ("scan3",))
    with pytest.raises(DataError, match=r"none of 2 folders of NIfTI files can be segmented:\n  - .*P1.*\n  - .*P2"):
        find_cases([tmp_path])
