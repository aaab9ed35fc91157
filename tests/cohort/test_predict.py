"""Folders in, folders out: what is written, what is skipped, what fails alone."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Executor, Future
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import tifffile

from brainseg.cohort.overlay import OUTLINES
from brainseg.cohort.predict import Outcome, Settings, predict_cases
from brainseg.cohort.processes import Died, Processes
from brainseg.cohort.summary import write_summary
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.scans.cases import find_cases
from tests.cohort.fakes import InThisProcess
from tests.scans.dicom_files import write_series
from tests.scans.heads import as_nifti, head, threshold_models, write_tifs

FLAIR, TUMOUR = head()
RGB = np.stack([FLAIR] * 3, axis=-1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """Processes of their own take seconds to start, and know nothing of what a test replaces."""
    monkeypatch.setattr("brainseg.cohort.predict.Processes", InThisProcess)


@pytest.fixture
def apart(monkeypatch):
    """Processes of their own all the same."""
    monkeypatch.setattr("brainseg.cohort.predict.Processes", Processes)


def run(inputs, out, models, workers=1, sequences=None, **changes):
    settings = Settings(out, weights=models, runtime="torch", device="cpu", **changes)
    return {outcome.case: outcome for outcome in predict_cases(find_cases(inputs, sequences), settings, workers)}


def test_tif_masks_of_every_slice_and_the_score(tmp_path, models):
    folder = write_tifs(tmp_path / "in" / "case", RGB, TUMOUR)
    outcome = run([folder], tmp_path / "out", models, score=True, probability=True)["case"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["case", "case.json", "case_overlay.png"]
    masks = np.stack([tifffile.imread(tmp_path / "out" / "case" / f"case_{i}_mask.tif") for i in range(1, 17)])
    assert (masks.dtype, masks.shape, np.unique(masks).tolist()) == (np.uint8, TUMOUR.shape, [0, 255])
    soft = tifffile.imread(tmp_path / "out" / "case" / "case_9_probability.tif")
    assert (soft.dtype, soft.shape) == (np.float32, (128, 128))
    said = json.loads((tmp_path / "out" / "case.json").read_text())
    assert said.keys() == outcome.report.keys()
    dice = overlap(TUMOUR, masks > 0).dice
    assert dice > 0.95
    assert said["score"]["dice"] == pytest.approx(dice, abs=1e-6)
    assert said["tumour"]["voxels"] == (masks > 0).sum()
    assert said["tumour"]["slices"] == (np.flatnonzero(masks.any((1, 2))) + 1).tolist()
    assert said["tumour"]["volume_ml"] is None
    assert said["made_by"]["model"] == "ensemble"
    assert set(said["made_by"]["weights_sha256"]) == {"unet.safetensors", "unetpp.safetensors"}
    overlay = cv2.imread(str(tmp_path / "out" / "case_overlay.png"))
    lines = {colour: int((overlay == colour).all(-1).sum()) for colour in OUTLINES.values()}
    assert overlay.shape[1] == 3 * 320
    assert all(found > 40 for found in lines.values()), lines  # the truth shows where the mask does not cover it


def test_a_score_of_a_patient_that_was_trained_on_says_so(tmp_path):
    weights = threshold_models(tmp_path / "models", patients=["known"])
    for name in ("known", "new"):
        write_tifs(tmp_path / "in" / name, RGB, TUMOUR)
    found = run([tmp_path / "in"], tmp_path / "out", weights, score=True, overlay=False)
    assert {name: outcome.report["score"]["trained_on"] for name, outcome in found.items()} == {
        "known": True,
        "new": False,
    }
    assert any("its Dice is a fit, no test" in text for text in found["known"].report["warnings"])
    said = write_summary(list(found.values()), tmp_path / "out")
    assert ", a fit for the 1 that the weights were trained on; " in said


def test_a_rerun_without_score_keeps_the_score(tmp_path, models):
    folder = write_tifs(tmp_path / "in" / "case", RGB, TUMOUR)
    first = run([folder], tmp_path / "out", models, score=True, overlay=False)["case"].report
    assert run([folder], tmp_path / "out", models, overlay=False)["case"].status == "skipped"
    assert json.loads((tmp_path / "out" / "case.json").read_text())["score"] == first["score"]
    unscored = run([folder], tmp_path / "other", models, overlay=False)["case"]
    assert "score" not in unscored.report
    assert run([folder], tmp_path / "other", models, score=True, overlay=False)["case"].status == "done"


def test_nifti_and_dicom_have_their_own_masks(tmp_path, models):
    nib.save(as_nifti(FLAIR), tmp_path / "scan.nii.gz")
    changes = {"PixelSpacing": [1.875, 1.875], "SliceThickness": 5.0}
    write_series(tmp_path / "study", FLAIR, "FLAIR", **changes)
    found = run([tmp_path / "scan.nii.gz", tmp_path / "study"], tmp_path / "out", models, overlay=False)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "scan.json",
        "scan_mask.nii.gz",
        "study.json",
        "study_mask.nii.gz",
        "study_seg.dcm",
        "study_sr.dcm",
    }
    mask = np.asanyarray(nib.load(tmp_path / "out" / "scan_mask.nii.gz").dataobj)
    assert overlap(TUMOUR, mask.T > 0).dice > 0.95
    ml = found["scan"].report["tumour"]["volume_ml"]
    assert ml == pytest.approx(mask.sum() * 12 * 1.875**2 / 1000)


def test_one_bad_scan_does_not_stop_the_others(tmp_path, models, apart):
    for name in ("a", "b", "c"):
        write_tifs(tmp_path / "in" / name, RGB)
    (tmp_path / "in" / "b" / "b_3.tif").write_bytes(b"damaged")
    found = run([tmp_path / "in"], tmp_path / "out", models)
    assert {name: outcome.status for name, outcome in found.items()} == {"a": "done", "b": "failed", "c": "done"}
    assert "b_3.tif cannot be read as TIF" in found["b"].error
    assert not list((tmp_path / "out").glob("b*"))


def test_what_is_not_trusted_leaves_no_mask_unless_one_insists(tmp_path, models):
    folder = write_tifs(tmp_path / "in" / "a", 255 - RGB)
    refused = run([folder], tmp_path / "out", models, stripped=False)["a"]
    assert refused.status == "failed"
    assert refused.error.endswith("if you know better, say --trust-input.")
    assert not list((tmp_path / "out").iterdir())
    insisted = run([folder], tmp_path / "out", models, stripped=False, trust_input=True)["a"]
    assert insisted.status == "done"
    assert any("expected dark air around a head" in text for text in insisted.report["warnings"])


def test_what_is_done_is_skipped_until_something_changes(tmp_path, models):
    folder = write_tifs(tmp_path / "in" / "a", RGB)
    out = tmp_path / "out"
    statuses = [
        run([folder], out, models, **changes)["a"].status for changes in ({}, {}, {"tta": False}, {"tta": False})
    ]
    assert statuses == ["done", "skipped", "done", "skipped"]
    assert run([folder], out, models, tta=False, redo=True)["a"].status == "done"
    os.utime(folder / "a_1.tif", (1, 1))
    assert run([folder], out, models, tta=False)["a"].status == "skipped", "the bytes are the same"
    (folder / "a_1.tif").write_bytes((folder / "a_2.tif").read_bytes())
    os.utime(folder / "a_1.tif", (1, 1))
    assert run([folder], out, models, tta=False)["a"].status == "done", "other bytes of the same size and time"


def test_another_scan_of_the_same_name_from_elsewhere_is_no_rerun(tmp_path, models, monkeypatch):
    """`flair.nii` in a folder a patient, each named from within its folder, with one time of change."""
    for patient, scan in (("pa", FLAIR), ("pb", FLAIR[:, :, ::-1])):
        (tmp_path / patient).mkdir()
        nib.save(as_nifti(scan), tmp_path / patient / "flair.nii")
        os.utime(tmp_path / patient / "flair.nii", (1, 1))
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path / "pa")
    assert run([Path("flair.nii")], out, models)["flair"].status == "done"
    mask = (out / "flair_mask.nii.gz").read_bytes()
    monkeypatch.chdir(tmp_path / "pb")
    with pytest.raises(DataError, match=r"is the result of another scan, .*pa/flair\.nii.* say --redo"):
        run([Path("flair.nii")], out, models)
    monkeypatch.chdir(tmp_path / "pa")
    with pytest.raises(DataError, match=r"flair\.json was made of flair, and now flair, pre are given; .* say --redo"):
        run([], out, models, sequences={"flair": Path("flair.nii"), "pre": tmp_path / "pb" / "flair.nii"})
    assert (out / "flair_mask.nii.gz").read_bytes() == mask
    (tmp_path / "moved").mkdir()
    shutil.copy(tmp_path / "pa" / "flair.nii", tmp_path / "moved")
    assert run([tmp_path / "moved" / "flair.nii"], out, models)["flair"].status == "skipped", "the same scan, moved"
    assert run([Path("flair.nii")], out, models, redo=True)["flair"].status == "done"


def test_a_defect_is_kept_apart_from_a_mistake(tmp_path, models, monkeypatch):
    folder = write_tifs(tmp_path / "in" / "a", RGB)
    monkeypatch.setattr("brainseg.cohort.worker.write_overlay", lambda *_: 1 / 0)
    outcome = run([folder], tmp_path / "out", models)["a"]
    assert "a defect of brainseg (ZeroDivisionError" in outcome.error
    assert "Traceback" in (tmp_path / "out" / "a_error.txt").read_text()
    assert not (tmp_path / "out" / "a.json").exists()


def test_a_full_disk_is_one_sentence(tmp_path, models, monkeypatch):
    def full(path, *_):
        raise OSError(28, "No space left on device", str(path))

    folder = write_tifs(tmp_path / "in" / "a", RGB)
    monkeypatch.setattr("brainseg.cohort.worker.write_overlay", full)
    assert "no space left while writing" in run([folder], tmp_path / "out", models)["a"].error


def test_the_input_is_never_written_to(tmp_path, models):
    folder = write_tifs(tmp_path / "in" / "a", RGB, TUMOUR)
    for out in (tmp_path / "in", folder, folder / "out"):
        with pytest.raises(DataError, match="would write into the input"):
            run([folder], out, models)


def test_two_workers_give_the_bytes_of_one(tmp_path, models, apart):
    for name in ("a", "b"):
        write_tifs(tmp_path / "in" / name, RGB)
    run([tmp_path / "in"], tmp_path / "one", models)
    found = run([tmp_path / "in"], tmp_path / "two", models, workers=2)
    assert {outcome.status for outcome in found.values()} == {"done"}
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 2 * (16 + 2)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def given(monkeypatch, *rounds):
    """Let the executors, one after the other, have these results instead of running anything; what each was asked."""
    asked = []

    class Given(Executor):
        def __init__(self, workers):
            self.results = iter(rounds[len(asked)])
            asked.append(([], workers))

        def submit(self, fn, case):
            asked[-1][0].append(case.name)
            future, result = Future(), next(self.results)
            future.set_exception(result) if isinstance(result, Died) else future.set_result(result)
            return future

    monkeypatch.setattr("brainseg.cohort.predict.Processes", Given)
    return asked


def test_what_died_or_lacked_memory_beside_others_runs_once_more_alone(tmp_path, models, monkeypatch):
    for name in ("a", "b", "c"):
        write_tifs(tmp_path / "in" / name, RGB[:1])
    done = {name: Outcome(name, "done") for name in "abc"}
    short = Outcome("b", "failed", error="memory ran out", out_of_memory=True)
    killed = Died.by(-9)
    asked = given(monkeypatch, [killed, short, done["c"]], [killed], [killed])
    found = run([tmp_path / "in"], tmp_path / "out", models, workers=2)
    assert asked[0] == (["a", "b", "c"], 2)
    assert sorted(asked[1:]) == [(["a"], 1), (["b"], 1)]
    assert {name: outcome.status for name, outcome in found.items()} == {"c": "done", "a": "failed", "b": "failed"}
    assert found["b"].error.startswith("its process was ended by SIGKILL, probably for memory; ")


def test_one_worker_has_no_second_try(tmp_path, models, monkeypatch):
    for name in ("a", "b"):
        write_tifs(tmp_path / "in" / name, RGB[:1])
    asked = given(monkeypatch, [Died.by(-11), Outcome("b", "done")])
    found = run([tmp_path / "in"], tmp_path / "out", models)
    assert asked == [(["a", "b"], 1)]
    assert [found[name].status for name in "ab"] == ["failed", "done"]
    assert found["a"].error.startswith("its process was ended by SIGSEGV, probably for memory; ")
