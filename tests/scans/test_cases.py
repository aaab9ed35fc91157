from __future__ import annotations

import pickle

import nibabel as nib
import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.scans.cases import Case, find_cases
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, write_tifs

RGB = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)


@pytest.fixture
def inputs(tmp_path):
    for name in ("b", "a"):
        write_tifs(tmp_path / "many" / name, RGB, RGB[..., 0] > 9)
    (tmp_path / "many" / "notes").mkdir()
    (tmp_path / "many" / "notes" / "x.txt").write_text("mine")
    (tmp_path / "niftis").mkdir()
    nib.save(as_nifti(RGB[..., 0]), tmp_path / "niftis" / "scan.nii.gz")
    write_series(tmp_path / "study" / "inner", RGB[..., 0], "FLAIR")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_each_kind_is_recognised(inputs):
    named = [inputs / "many", inputs / "niftis" / "scan.nii.gz", inputs / "study"]
    found = [(case.name, case.kind) for case in find_cases(named)]
    assert found == [("a", "tif"), ("b", "tif"), ("scan", "nifti"), ("study", "dicom")]
    assert [case.name for case in find_cases([inputs / "many" / "b"])] == ["b"]


def test_sequences_by_name(inputs):
    scan = inputs / "niftis" / "scan.nii.gz"
    (case,) = find_cases([scan], {"pre": scan})
    assert (case.name, case.kind, set(case.paths)) == ("scan", "nifti", {"flair", "pre"})
    (case,) = find_cases([], {"flair": inputs / "study" / "inner"})
    assert case.kind == "dicom"


@pytest.mark.parametrize(
    ("names", "sequences", "words"),
    [
        ([], {}, "no input is named; name a BIDS dataset, .*, a folder of TIF slices, a NIfTI file or a DICOM folder"),
        (["none"], {}, "does not exist"),
        (
            ["empty"],
            {},
            r"holds no scan \(it is empty\); expected TIF files .*, or TIF slices, or patients.*, or BIDS, or DICOM\.",
        ),
        (
            ["niftis"],
            {},
            r"has no FLAIR by its name \(scan.nii.gz\); name its .*--flair.*, or list it .* --cases",
        ),
        (["study/inner/0.dcm"], {}, "is no NIfTI file; name its folder"),
        (["many/notes/x.txt"], {}, "x.txt is no scan; name a BIDS dataset, .* a NIfTI file or a DICOM folder"),
        ([], {"flair": "many/notes/x.txt"}, "x.txt is no scan; name a BIDS dataset"),
        (["many/a", "many"], {}, "are both called 'a'"),
        (["many/a"], {"flair": "niftis/scan.nii.gz"}, "cannot be another"),
        ([], {"pre": "niftis/scan.nii.gz"}, "go with one FLAIR"),
        (
            ["study/inner"],
            {"pre": "niftis/scan.nii.gz"},
            "mix files and folders; expected NIfTI files, or DICOM f",
        ),
        ([], {"flair": "none.nii"}, "does not exist"),
    ],
)
def test_what_is_no_scan_is_one_sentence(inputs, names, sequences, words):
    with pytest.raises(DataError, match=words):
        find_cases([inputs / name for name in names], {key: inputs / name for key, name in sequences.items()})


def test_cases_that_are_called_alike_take_the_names_of_their_folders(inputs):
    for place in ("P1/s1", "P2/s1", "P3/s2"):
        (inputs / place).mkdir(parents=True)
        nib.save(as_nifti(RGB[..., 0]), inputs / place / "flair.nii.gz")
    write_tifs(inputs / "P4" / "s1", RGB)
    named = [inputs / "P1" / "s1" / "flair.nii.gz", inputs / "P3" / "s2" / "flair.nii.gz"]
    assert [case.name for case in find_cases(named)] == ["s1", "s2"]
    named += [inputs / "P2" / "s1" / "flair.nii.gz", inputs / "P4" / "s1", inputs / "niftis" / "scan.nii.gz"]
    assert [case.name for case in find_cases(named)] == ["P1_s1", "s2", "P2_s1", "P4_s1", "scan"]


def test_a_case_s_files_are_hashed_once_also_for_another_process(inputs):
    (case,) = find_cases([inputs / "niftis" / "scan.nii.gz"])
    digest = case.digest
    case.paths["flair"].unlink()
    assert pickle.loads(pickle.dumps(case)).digest == digest


def test_what_is_hashed_is_what_is_read(inputs):
    write_tifs(inputs / "loose", RGB[:1], RGB[:1, ..., 0] > 9)
    read = {}
    for path in (inputs / "loose" / "loose_1.tif", inputs / "niftis" / "scan.nii.gz"):
        beside = path.with_name(path.name.replace(".", "_mask.", 1))
        digests = []
        for content in (b"one", b"two"):
            beside.write_bytes(content)
            digests.append(find_cases([path])[0].digest)
        read[path.suffix] = digests[0] != digests[1]
    assert read == {".tif": True, ".gz": False}  # only a slice has a mask beside it to score with


def test_only_tif_slices_have_masks_to_score_with(inputs):
    (case,) = find_cases([inputs / "niftis" / "scan.nii.gz"])
    with pytest.raises(DataError, match="--score needs"):
        case.read(truth=True)


def test_a_kind_that_nobody_reads_is_not_taken_for_dicom(tmp_path):
    with pytest.raises(KeyError, match="npy"):
        Case("a", "npy", {"flair": tmp_path}).read()
