"""Which series of a study is which sequence. Times are those of usual protocols at 1.5 and 3 T."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from brainseg.errors import DataError, NotTrusted
from brainseg.scans.cases import find_cases
from brainseg.scans.dicom import read_dicom
from brainseg.scans.dicom_choice import choose
from brainseg.scans.dicom_sequence import look_at
from tests.scans.dicom_files import AXIAL, STACK, write_series

SAGITTAL = (0, 1, 0, 0, 0, -1)
TIMES = {
    "flair": (9000, 120, 2500),
    "3d flair": (5000, 390, 1800),
    "t2": (4500, 100, None),
    "t1": (550, 12, None),
    "mprage": (2300, 3, 900),
    "t1 flair": (2200, 10, 750),
    "stir": (4000, 60, 160),
    "pd": (3000, 20, None),
    "t2*": (700, 20, None),
    "none": (None, None, None),
}


def series(title="", times="none", number=1, n=24, plane=AXIAL, thickness=5.0, **more) -> list[Dataset]:
    found = []
    for _ in range(n):
        d = Dataset()
        d.SeriesDescription, d.SeriesNumber, d.SeriesInstanceUID = title, number, f"1.2.{number}"
        d.ImageOrientationPatient, d.SliceThickness = list(plane), thickness
        for keyword, value in zip(("RepetitionTime", "EchoTime", "InversionTime"), TIMES[times], strict=True):
            if value is not None:
                setattr(d, keyword, value)
        for keyword, value in more.items():
            setattr(d, keyword, value)
        found.append(d)
    return found


def chosen(*study: list[Dataset], **rules: str) -> dict[str, int]:
    found = choose(Path("study"), study, rules, False, [], [])
    return {key: int(one[0].SeriesNumber) for key, one in found.items()}


@pytest.mark.parametrize(
    ("title", "times", "more", "kind"),
    [
        ("", "flair", {}, "FLAIR"),
        ("AX FLAIR", "none", {}, "FLAIR"),
        ("t2_tirm_tra_dark-fluid", "flair", {}, "FLAIR"),
        ("Sag CUBE T2 FLAIR", "3d flair", {}, "FLAIR"),
        ("FLAIR", "flair", {"ScanningSequence": ["SE", "IR"]}, "FLAIR"),
        ("FLAIR", "none", {"RepetitionTime": 8000, "EchoTime": 110}, "FLAIR"),  # TI is not said
        ("head", "none", {"RepetitionTime": 8000, "EchoTime": 110, "ScanningSequence": "IR"}, "FLAIR"),
        ("AX T1 FLAIR", "t1 flair", {}, "T1"),
        ("AX T1 FLAIR", "none", {}, "T1"),
        ("FLAIR", "t1 flair", {}, "doubtful"),
        ("FLAIR", "t2", {"RepetitionTime": 3800}, "doubtful"),
        ("FLAIR", "stir", {}, "doubtful"),
        ("AX T2", "flair", {}, "doubtful"),
        ("AX T2 TSE", "t2", {}, "T2"),
        ("", "t2", {}, "T2"),
        ("MPRAGE", "mprage", {}, "T1"),
        ("AX T1 SE", "t1", {}, "T1"),
        ("PD", "pd", {}, "proton density"),
        ("GRE", "t2*", {"ScanningSequence": "GR"}, "T2*"),
        ("STIR", "stir", {}, "STIR"),
        ("ep2d_diff_3scan_trace", "t2", {}, "diffusion"),
        ("AX", "t2", {"DiffusionBValue": 1000.0}, "diffusion"),
        ("ADC", "none", {"ImageType": ["DERIVED", "PRIMARY", "ADC"]}, "diffusion"),
        ("3-plane loc", "none", {}, "localiser"),
        ("FLAIR", "flair", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ("FLAIR MIP", "flair", {}, "derived"),
        ("TOF 3D", "t1", {}, "angiography"),
        ("dsc perfusion", "none", {}, "perfusion"),
        ("", "none", {}, "unknown"),
    ],
)
def test_the_sequence_of_a_series(title, times, more, kind):
    assert look_at(series(title, times, **more)).kind == kind


@pytest.mark.parametrize(
    ("title", "agent", "contrast"),
    [
        ("AX T1", "", False), ("AX T1", "Gadovist", True), ("AX T1", "NONE", False), ("AX T1 +C", "", True),
        ("T1 post Gd", "", True), ("T1 pre", "Gadovist", False), ("T1 posterior fossa", "", False), ("T1 KM", "", True),
    ],
)  # fmt: skip
def test_contrast_agent(title, agent, contrast):
    assert look_at(series(title, ContrastBolusAgent=agent)).contrast == contrast


def test_a_study_as_it_comes_from_an_archive():
    study = [
        series("localizer", number=1, n=3),
        series("AX T2 TSE", "t2", 2),
        series("AX DWI b1000", "t2", 3, n=60),
        series("ADC", number=4, ImageType=["DERIVED", "SECONDARY", "ADC"]),
        series("AX FLAIR", "flair", 5),
        series("SAG 3D FLAIR", "3d flair", 6, n=176, plane=SAGITTAL, thickness=1.0),
        series("FLAIR MPR", "3d flair", 7, n=40, ImageType=["DERIVED", "SECONDARY", "MPR"]),
        series("AX T1 SE", "t1", 8),
        series("AX T1 SE", "t1", 9, ContrastBolusAgent="Gadovist"),
        series("MPRAGE", "mprage", 10, n=176, thickness=1.0),
        series("FLAIR", "flair", 11, n=1),
        series("FLAIR", "t2", 12, RepetitionTime=3000),
        series("AX FLAIR post", "flair", 13),
    ]
    notes: list[str] = []
    found = choose(Path("study"), study, {}, False, [], notes)
    assert {key: int(one[0].SeriesNumber) for key, one in found.items()} == {"flair": 5, "pre": 8, "post": 9}
    assert notes[0] == "FLAIR: series 5, 'AX FLAIR': 24 axial slices, TR 9000 TE 120 TI 2500 ms: FLAIR, by its times"
    assert "not used: 1 'localizer' (localiser); 2 'AX T2 TSE' (T2); 3 'AX DWI b1000' (diffusion)" in notes[-1]


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (
            [series("FLAIR", "flair", 1), series("FLAIR", "flair", 2)],
            "2 series that could be FLAIR, 1 and 2; .*flair=N",
        ),
        (
            [series("T2", "t2", 1), series("T1", "t1", 2)],
            "no series that is certainly a FLAIR; .*--series flair=N",
        ),
        ([series("FLAIR", "t2", 1, RepetitionTime=3000), series("T1", "t1", 2)], "no series that is certainly a FLAIR"),
        (
            [series("FLAIR", "flair", 1), series("T1", "t1", 2), series("T1", "t1", 3)],
            "2 series that could be T1, 2 and 3; .* --series pre=NUMBER, or do without it by --series pre=none",
        ),
    ],
)
def test_doubt_is_refused_with_a_table_of_the_series(study, words):
    with pytest.raises(DataError, match=words) as caught:
        chosen(*study)
    assert len(caught.value.problems) == len(study)
    assert "24 axial slices" in caught.value.problems[0]


def test_rules_decide():
    study = [
        series("FLAIR", "flair", 1),
        series("FLAIR b", "flair", 2),
        series("T1", "t1", 3),
        series("T1 se", "t1", 4),
    ]
    assert chosen(*study, flair="1", pre="none") == {"flair": 1}
    assert chosen(*study, flair="1.2.2", pre="T1 S*") == {"flair": 2, "pre": 4}
    assert chosen(*study, flair="FLAIR", pre="3", post="4") == {"flair": 1, "pre": 3, "post": 4}
    for rule, words in (("9", "no series that --series flair=9 names"), ("FLAIR*", "2 series that --series flair=FL")):
        with pytest.raises(DataError, match=words):
            chosen(*study, flair=rule)


@pytest.mark.parametrize(
    ("title", "times", "words"),
    [
        ("AX T2", "t2", "'AX T2' in .*s is T2 by its times, expected FLAIR"),
        ("AX T1", "none", "'AX T1' in .*s is T1 by its description, expected FLAIR"),
        ("FLAIR", "t1 flair", "no certain FLAIR: it is called FLAIR, and its times are those of T1"),
    ],
)
def test_a_lone_series_of_another_sequence_needs_the_users_word(tmp_path, title, times, words):
    more = dict(zip(("RepetitionTime", "EchoTime", "InversionTime"), TIMES[times], strict=True))
    write_series(tmp_path / "s", STACK, title, **{key: value for key, value in more.items() if value})
    for folders in ({"flair": tmp_path / "s"}, {"flair": tmp_path / "s", "pre": tmp_path / "s"}):
        with pytest.raises(NotTrusted, match=words + ".*; if you know better, say --trust-input"):
            read_dicom(folders)
    scan = read_dicom({"flair": tmp_path / "s"}, trust=True)
    np.testing.assert_array_equal(scan.images[..., 1], STACK)


def test_a_lone_series_that_says_nothing_is_flair_with_a_warning(tmp_path):
    write_series(tmp_path / "s", STACK, "head")
    scan = read_dicom({"flair": tmp_path / "s"})
    assert any("does not say which sequence it is: taken for FLAIR" in warning for warning in scan.warnings)


def test_a_study_is_read_as_chosen_and_again(tmp_path):
    for i, (title, number) in enumerate((("FLAIR", 1), ("FLAIR", 2), ("T2", 3))):
        write_series(tmp_path / "study" / str(i), STACK + i, title, SeriesNumber=number)
    with pytest.raises(DataError, match="2 series that could be FLAIR"):
        find_cases([tmp_path / "study"])[0].read()
    (case,) = find_cases([tmp_path / "study"], series=["flair=2"])
    np.testing.assert_array_equal(case.read().images[..., 1], STACK + 1)
    assert case.digest != find_cases([tmp_path / "study"])[0].digest
    for text in ("flair", "t2=4", "flair="):
        with pytest.raises(DataError, match=f"--series {text} is no choice"):
            find_cases([tmp_path / "study"], series=[text])


def test_an_archive_of_patients_and_visits_is_a_cohort(tmp_path):
    for patient, visits in (("A", ("20200101", "20210101")), ("B", ("20200101",))):
        for visit in visits:
            for title in ("FLAIR", "T2"):
                place = tmp_path / patient / visit / title
                write_series(place, STACK[:1, :8, :8], title, PatientID=patient, StudyDate=visit)
    names = [(case.name, case.paths["flair"].relative_to(tmp_path).as_posix()) for case in find_cases([tmp_path])]
    assert names == [("20200101", "A/20200101"), ("20210101", "A/20210101"), ("B", "B")]
    assert [case.name for case in find_cases([tmp_path / "B"])] == ["B"]
    assert [case.name for case in find_cases([tmp_path / "A" / "20200101" / "T2"])] == ["T2"]
