"""Names, proof and refusals of `predict`: one plain test for each thing that once went wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from brainseg.cohort.outputs import prepare, staging
from brainseg.cohort.records import are_there, publish, read_record
from brainseg.errors import DataError
from brainseg.scans.cases import find_cases
from brainseg.view.result import find_result
from tests.cohort.fakes import FakeSegmenter, predict
from tests.cohort.files import NIFTI, PLANE, TIF, snapshot


def put(path: Path, content: bytes = TIF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def require_refused(words: str, inputs: list[Path], out: Path, **changes: Any) -> None:
    """One sentence that names what is in the way; nothing done."""
    before = snapshot(out) if out.is_dir() else None
    with pytest.raises(DataError, match=words):
        predict(inputs, out, **changes)
    assert (snapshot(out) if out.is_dir() else None) == before


def test_a_case_is_called_after_its_folder_not_after_its_slices(tmp_path):
    """The slices' name once led the masks into a patient's folder, in place of all that was there."""
    put(tmp_path / "else" / "trial" / "TCGA_X_1.tif")
    patient = put(tmp_path / "dataset" / "TCGA_X" / "TCGA_X_1.tif", b"52 files")
    predict([tmp_path / "else" / "trial"], tmp_path / "dataset")
    assert patient.read_bytes() == b"52 files"
    assert [path.name for path in (tmp_path / "dataset" / "trial").iterdir()] == ["TCGA_X_1_mask.tif"]
    assert json.loads((tmp_path / "dataset" / "trial.json").read_text())["case"] == "trial"


@pytest.mark.parametrize(("cwd", "typed"), [("input/sub", ".."), ("input", "."), ("input", "../input")])
def test_dots_are_called_after_the_folder_behind_them(tmp_path, monkeypatch, cwd, typed):
    put(tmp_path / "input" / "1.tif")
    (tmp_path / "input" / "sub").mkdir()
    notes = [put(tmp_path / "home" / "notes", b"mine"), put(tmp_path / "home" / "out" / "notes", b"mine")]
    monkeypatch.chdir(tmp_path / cwd)
    predict([Path(typed)], tmp_path / "home" / "out")
    assert [path.read_bytes() for path in notes] == [b"mine", b"mine"]
    assert (tmp_path / "home" / "out" / "input" / "1_mask.tif").is_file()


def test_a_link_to_a_folder_of_results_harms_neither(tmp_path):
    source = put(tmp_path / "out" / "P" / "P_1.tif")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "pat").symlink_to(tmp_path / "out" / "P")
    predict([tmp_path / "in"], tmp_path / "out")
    assert source.read_bytes() == TIF
    assert [path.name for path in source.parent.iterdir()] == ["P_1.tif"]
    assert (tmp_path / "out" / "pat" / "P_1_mask.tif").is_file()


@pytest.mark.parametrize("out", ["out", "link"])
def test_slices_of_one_name_in_two_folders_are_two_cases(tmp_path, out):
    for name in ("a", "b"):
        put(tmp_path / "in" / name / "IM_1.tif")
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    assert {name: found.status for name, found in predict([tmp_path / "in"], tmp_path / out).items()} == {
        "a": "done",
        "b": "done",
    }
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*_mask.tif")) == [
        "a/IM_1_mask.tif",
        "b/IM_1_mask.tif",
    ]


def test_a_scanners_own_json_is_in_the_way(tmp_path, monkeypatch):
    scan = put(tmp_path / "f.nii", NIFTI)
    put(tmp_path / "f.json", b'{"Manufacturer": "any"}')
    monkeypatch.setattr("brainseg.cohort.predict.Settings.load", lambda _: pytest.fail("models were loaded"))
    require_refused("f.json is in the way, and brainseg predict did not write it", [scan], tmp_path)


@pytest.mark.parametrize("name", ["f_mask.nii.gz", "f_overlay.png", "f_error.txt"])
def test_any_file_of_the_users_in_the_way_is_named(tmp_path, name):
    scan = put(tmp_path / "f.nii", NIFTI)
    put(tmp_path / "out" / name, b"mine")
    require_refused(f"{name} is in the way", [scan], tmp_path / "out")


def test_a_folder_and_a_link_in_the_way_are_named(tmp_path):
    folder = put(tmp_path / "in" / "a" / "a_1.tif").parent
    put(tmp_path / "out" / "a" / "notes", b"mine")
    require_refused("out/a is in the way: it holds files", [folder], tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").symlink_to(tmp_path / "in")
    require_refused("other/a is in the way: a folder of that name", [folder], tmp_path / "other")
    require_refused("file is in the way: it is no folder", [folder], put(tmp_path / "file"))


def test_notes_beside_the_masks_stay_and_a_lost_slice_takes_its_mask_along(tmp_path):
    folder, out = tmp_path / "in" / "a", tmp_path / "out"
    for number in (1, 2):
        put(folder / f"a_{number}.tif")
    predict([folder], out)
    put(out / "a" / "notes", b"mine")
    (folder / "a_2.tif").unlink()
    assert predict([folder], out)["a"].status == "done"
    assert sorted(path.name for path in (out / "a").iterdir()) == ["a_1_mask.tif", "notes"]


def test_done_means_that_the_files_are_there_as_they_were_written(tmp_path):
    scan, out = put(tmp_path / "f.nii", NIFTI), tmp_path / "out"
    predict([scan], out)
    mask = out / "f_mask.nii.gz"
    whole = mask.read_bytes()
    assert predict([scan], out)["f"].status == "skipped"
    mask.unlink()
    assert predict([scan], out)["f"].status == "done"
    assert mask.read_bytes() == whole
    mask.write_bytes(whole[:-1])
    for changes in ({}, {"redo": True}, {"overlay": False}):
        require_refused("f_mask.nii.gz was changed or damaged since", [scan], out, **changes)
    mask.unlink()
    mask.symlink_to(put(tmp_path / "elsewhere", whole))
    require_refused("f_mask.nii.gz is in the way", [scan], out)


def test_an_edited_record_and_one_of_an_older_version_prove_nothing(tmp_path):
    scan, out = put(tmp_path / "f.nii", NIFTI), tmp_path / "out"
    predict([scan], out)
    record = out / "f.json"
    text = record.read_text()
    record.write_text(text.replace('"warnings": [', '"warnings": [ '))
    require_refused("f.json was changed or damaged since", [scan], out)
    content = json.loads(text)
    del content["files"], content["record_sha256"]
    record.write_text(json.dumps(content))
    require_refused("written by a version of brainseg that kept no digests", [scan], out)
    (out / "g.json").write_text(text)
    require_refused("record of another case than 'g'", [put(tmp_path / "g.nii", NIFTI)], out)


def test_a_file_that_comes_while_the_networks_run_stays(tmp_path, monkeypatch):
    scan, out = put(tmp_path / "f.nii", NIFTI), tmp_path / "out"
    work = FakeSegmenter.__call__

    def meanwhile(self: FakeSegmenter, scan: Any, **changes: Any) -> Any:
        put(out / "f_mask.nii.gz", b"mine")
        return work(self, scan, **changes)

    monkeypatch.setattr(FakeSegmenter, "__call__", meanwhile)
    outcome = predict([scan], out)["f"]
    assert outcome.status == "failed"
    assert "f_mask.nii.gz is in the way" in outcome.error
    assert snapshot(out) == {"f_mask.nii.gz": b"mine"}


def test_an_interrupted_result_is_none_and_the_same_command_goes_on(tmp_path, monkeypatch):
    scan, out = put(tmp_path / "f.nii", NIFTI), tmp_path / "out"
    predict([scan], out)
    with monkeypatch.context() as patch:
        replace = os.replace

        def killed(source: Any, target: Any) -> None:
            if target == out / "f_mask.nii.gz":
                raise KeyboardInterrupt
            replace(source, target)

        patch.setattr(os, "replace", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            predict([scan], out, redo=True)
    assert any(path.name.startswith(".brainseg-") for path in out.iterdir())
    with pytest.raises(DataError, match="is unfinished; run brainseg predict again"):
        find_result(out / "f.json")
    assert predict([scan], out)["f"].status == "done"
    assert sorted(path.name for path in out.iterdir()) == ["f.json", "f_mask.nii.gz", "f_overlay.png"]


def test_a_full_disk_while_masks_are_written_is_that_cases_sentence(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        put(tmp_path / "in" / name / f"{name}_1.tif")
    write = Path.write_bytes

    def full(path: Path, data: Any) -> int:
        if path.name == "b_1_mask.tif":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    found = predict([tmp_path / "in"], tmp_path / "out")
    assert {name: outcome.status for name, outcome in found.items()} == {"a": "done", "b": "failed", "c": "done"}
    assert found["b"].error.startswith(f"no space left while writing {tmp_path / 'out'}")
    assert not list((tmp_path / "out").glob("b*"))


def test_a_single_slice_is_a_case(tmp_path):
    path = put(tmp_path / "in" / "case_7.tif")
    tifffile.imwrite(tmp_path / "in" / "case_7_mask.tif", (PLANE > 99).astype(np.uint8))
    outcome = predict([path], tmp_path / "out", score=True)["case_7"]
    assert outcome.status == "done", outcome.error
    assert outcome.report["tumour"]["slices"] == [7]
    assert outcome.report["score"]["dice"] > 0.5
    assert (tmp_path / "out" / "case_7" / "case_7_mask.tif").is_file()
    assert find_result(tmp_path / "out" / "case_7.json").case.read().name == "case_7"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 240, "has a name of 240 bytes, more than 200"),
        (os.fsdecode(b"\xff\xfe"), "has a name that is not UTF-8"),
        ("\x1b[31mred", r"'.*\\x1b\[31mred' has characters in its name that cannot be printed"),
        ("two\nlines", "cannot be printed"),
        ("a\\b", "which is a path"),
    ],
)
def test_a_name_that_no_output_can_have_is_said_before_any_work(tmp_path, name, words):
    put(tmp_path / "in" / name / "a_1.tif")
    put(tmp_path / "in" / "good" / "a_1.tif")
    require_refused(words, [tmp_path / "in"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pair", [("a", "A"), ("\u00e9", "e\u0301")])
def test_names_that_some_disks_take_for_one_are_refused(tmp_path, pair):
    inputs = [put(tmp_path / str(i) / "s/s/s" / name / "a_1.tif").parent for i, name in enumerate(pair)]
    require_refused("are both called", inputs, tmp_path / "out")


def test_two_cases_that_would_write_one_file_are_refused(tmp_path):
    put(tmp_path / "in" / "a.json" / "a_1.tif")
    inputs = [tmp_path / "in", put(tmp_path / "a.nii", NIFTI)]
    require_refused("would both write a.json", inputs, tmp_path / "out")


def test_a_summary_of_the_users_is_in_the_way_and_ours_is_replaced(tmp_path):
    for name in ("a", "b"):
        put(tmp_path / "in" / name / "a_1.tif")
    for _ in range(2):
        predict([tmp_path / "in"], tmp_path / "out")
    (tmp_path / "out" / "summary.csv").write_text("mine")
    require_refused("summary.csv was changed or damaged", [tmp_path / "in"], tmp_path / "out")
    put(tmp_path / "other" / "summary.csv", b"mine")
    require_refused("summary.csv is in the way", [tmp_path / "in"], tmp_path / "other")


def test_a_log_of_ours_is_replaced(tmp_path, monkeypatch):
    scan, out = put(tmp_path / "f.nii", NIFTI), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(FakeSegmenter, "__call__", lambda *_, **__: 1 / 0)
        for _ in range(2):
            assert f"please report {out / 'f_error.txt'}" in predict([scan], out)["f"].error
    with (out / "f_error.txt").open("a") as handle:
        handle.write("note")
    with pytest.raises(DataError, match=r"_error\.txt is in the way"):
        prepare(find_cases([scan]), out)


def test_two_runs_that_publish_one_case_at_once_leave_one_whole_result(tmp_path):
    def publish_often(run: int) -> None:
        for i in range(40):
            with staging(tmp_path) as staged:
                put(staged / "f_mask.nii.gz", f"run {run}, {i}".encode())
                put(staged / f"f_{run}.png", b"any")
                publish(staged, tmp_path, "f.json", {"case": "f", "fingerprint": str(run)})

    with ThreadPoolExecutor(2) as runs:
        list(runs.map(publish_often, range(2)))
    record = read_record(tmp_path / "f.json", "f")
    assert record.whole
    assert are_there(tmp_path, record.files)
    assert {path.name for path in tmp_path.iterdir()} == {"f.json", *record.files}
