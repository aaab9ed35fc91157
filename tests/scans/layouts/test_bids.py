from __future__ import annotations

from pathlib import Path

import pytest

from brainseg.errors import DataError
from brainseg.scans.cases import find_cases

FILES = (
    "sub-01/anat/sub-01_FLAIR.nii.gz",
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_ce-gadolinium_T1w.nii.gz",
    "sub-01/anat/sub-01_T2w.nii.gz",
    "sub-01/dwi/sub-01_dwi.nii.gz",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-3d_run-1_FLAIR.nii",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-3d_run-2_FLAIR.nii",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-3d_run-2_T1w.nii",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-2d_run-1_T1w.nii",
    "sub-02/ses-pre/anat/sub-02_ses-pre_part-phase_FLAIR.nii",
    "sub-02/ses-post/anat/sub-02_ses-post_FLAIR.nii",
    "sub-03/anat/sub-03_T1w.nii.gz",
    "derivatives/other/sub-01/anat/sub-01_desc-x_FLAIR.nii.gz",
    "sourcedata/sub-04/anat/sub-04_FLAIR.nii.gz",
)


@pytest.fixture
def dataset(tmp_path) -> Path:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "sourcedata" / "0.dcm").write_bytes(b"\0" * 128 + b"DICM")
    return tmp_path


def named(case):
    return {key: path.name for key, path in case.paths.items()}


def test_every_flair_of_a_dataset_is_a_case_with_the_t1w_that_fits_it_best(dataset):
    cases = {case.name: case for case in find_cases([dataset])}
    assert list(cases) == [
        "sub-01",
        "sub-02_ses-post",
        "sub-02_ses-pre_acq-3d_run-1",
        "sub-02_ses-pre_acq-3d_run-2",
        "sub-03",
    ]
    assert named(cases["sub-01"]) == {
        "flair": "sub-01_FLAIR.nii.gz", "pre": "sub-01_T1w.nii.gz", "post": "sub-01_ce-gadolinium_T1w.nii.gz",
    }  # fmt: skip
    assert [path.name for path in cases["sub-01"].left] == ["sub-01_T2w.nii.gz"]
    for run in (1, 2):  # of the same acquisition before of the same run
        assert named(cases[f"sub-02_ses-pre_acq-3d_run-{run}"]) == {
            "flair": f"sub-02_ses-pre_acq-3d_run-{run}_FLAIR.nii",
            "pre": "sub-02_ses-pre_acq-3d_run-2_T1w.nii",
        }
    assert "sub-03/anat has no *_FLAIR.nii.gz (sub-03_T1w.nii.gz)" in cases["sub-03"].problem


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("sub-01", ["sub-01"]),
        ("sub-02", ["sub-02_ses-post", "sub-02_ses-pre_acq-3d_run-1", "sub-02_ses-pre_acq-3d_run-2"]),
        ("sub-02/ses-post", ["sub-02_ses-post"]),
        ("sub-02/ses-post/anat", ["sub-02_ses-post"]),
    ],
)
def test_a_part_of_a_dataset_may_be_named(dataset, place, found):
    assert [case.name for case in find_cases([dataset / place])] == found


def test_participants_and_sessions_are_chosen_with_their_prefix_or_without(dataset):
    assert [case.name for case in find_cases([dataset], participants=["01", "sub-03"])] == ["sub-01", "sub-03"]
    assert [case.name for case in find_cases([dataset], sessions=["post"])] == ["sub-02_ses-post"]
    assert len(find_cases([dataset], participants=["02"], sessions=["ses-pre"])) == 2
    for chosen, words in (
        ({"participants": ["9"]}, "there is no sub-9 among .*; there are sub-01, sub-02, sub-03"),
        ({"participants": ["01"], "sessions": ["pre"]}, "there is no ses-pre among .*; there are none"),
        ({"participants": ["03"]}, "sub-03/anat has no .*_FLAIR.nii.gz"),
    ):
        with pytest.raises(DataError, match=words):
            find_cases([dataset], **chosen)
    with pytest.raises(DataError, match="--participant goes with a BIDS dataset"):
        find_cases([dataset / FILES[0]], participants=["01"])


def test_one_image_that_is_named_is_nifti(dataset):
    (case,) = find_cases([dataset / FILES[0]])
    assert (case.name, case.kind) == ("sub-01_FLAIR", "nifti")
