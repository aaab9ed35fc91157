"""What is recorded of a run: the digests of the code, and dvc.lock with the results that git keeps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from brainseg.errors import DataError
from stages._closure import Closure, tables
from stages._reach import Project
from stages.code import FOLDERS, code
from tests.pipeline import KEPT, ROOT, STAGES, command, dvc_yaml, lookup, outputs, shipped_params, tracked

DVC = dvc_yaml()
PARAMS = shipped_params()
ALL_STAGES = ("code", *STAGES)
MANIFEST = {"brainseg/data/lgg_manifest.csv", "brainseg/data/lgg_patients.csv"}
VENDORED = ("vendor/niivue.umd.js", "vendor/LICENSES.txt", "vendor/README.md")
PAGES = ("index.html", "app.js", "style.css", "cohort.html", "cohort.js")
VIEW = {f"brainseg/view/page/{name}" for name in (*PAGES, *VENDORED)}
EDIT = {f"brainseg/edit/page/{name}" for name in ("index.html", "app.js", "slice.js", "style.css")}
TRUST = {"brainseg/trust/sequence.json", "brainseg/trust/calibration.json"}
BRAIN = {
    f"brainseg/weights/{name}"
    for name in ("deepbet/deepbet.sha256", "student/student.bin", "student/student.sha256", "student/student.xml")
}
REPORT = {"brainseg/defaults.yaml", *(f"brainseg/report/page/report.{kind}" for kind in ("html", "css", "js"))}


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(ROOT, FOLDERS)


def test_code_is_read_from_all_folders_and_written_for_every_stage():
    assert set(DVC["stages"]["code"]["deps"]) == set(FOLDERS)
    assert outputs("code") == [f"digests/{stage}.txt" for stage in STAGES]


def test_the_digests_outlive_a_mistake():
    assert all(options["persist"] for out in DVC["stages"]["code"]["outs"] for options in out.values())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_own_code_and_on_no_file_of_code(stage):
    deps = DVC["stages"][stage]["deps"]
    assert deps[0] == f"digests/{stage}.txt"
    assert not [name for name in deps[1:] if name.startswith(("digests", *FOLDERS))]


def test_the_stage_code_replaces_digests_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    code(Path("dvc.yaml"), tmp_path)
    code(Path("dvc.yaml"), tmp_path)
    note = tmp_path / "clahe.txt"
    note.write_text("a note of mine\n")
    with pytest.raises(DataError, match=r"clahe\.txt is in the way"):
        code(Path("dvc.yaml"), tmp_path)
    assert note.read_text() == "a note of mine\n"


@pytest.mark.parametrize("stage", STAGES)
def test_the_committed_digests_are_of_this_code(stage, project):
    module, *arguments = command(stage)
    lines = Closure(project, module, arguments, PARAMS).lines()
    assert (ROOT / "digests" / f"{stage}.txt").read_text().splitlines() == lines, "run make relock, or dvc repro"


def test_no_table_is_chosen_from_by_a_parameter_that_does_not_exist(project):
    for table in tables(project):
        for key in table.by:
            lookup(key)


def digested(stage: str) -> set[str]:
    """Names of the definitions and files in a stage's digest."""
    return {line.split("  ")[1] for line in (ROOT / "digests" / f"{stage}.txt").read_text().splitlines()}


def test_a_training_does_not_depend_on_code_whose_effect_reaches_it_as_data_or_that_is_not_chosen():
    unet, unetpp = digested("train_unet"), digested("train_unetpp")
    stripping = {name for name in unet | unetpp if name.startswith("brainseg.preprocess.skull_strip.")}
    assert stripping == {"brainseg.preprocess.skull_strip.SkullStripParams"}
    assert "brainseg.preprocess.clahe.apply_clahe" not in unet | unetpp
    assert unet - unetpp == {f"brainseg.model.networks.{name}" for name in ("_unet", "PlainUNet", "DoubleConvolution")}
    assert unetpp - unet == {"brainseg.model.networks._unetpp"}
    assert not [name for name in digested("evaluate") if name.startswith("brainseg.model.store")]


def test_manifest_shipped_weights_defaults_and_pages_are_all_that_the_package_reads_beside_its_code():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "brainseg").rglob("*") if path.is_file()}
    data = {name for name in files if not name.endswith((".py", ".pyc", "py.typed"))}
    assert {
        name for name in data if not name.startswith("brainseg/weights/")
    } == MANIFEST | VIEW | EDIT | REPORT | TRUST
    read = {stage: {name for name in digested(stage) if "/" in name} for stage in STAGES}
    # no stage reads the tumour networks that the package ships: they are made from the pipeline, not in it
    expected = {"download": MANIFEST, "skull_strip": BRAIN, "evaluate": REPORT | {"brainseg/trust/calibration.json"}}
    assert {stage: names for stage, names in read.items() if names} == expected


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    path = ROOT / "dvc.lock"
    if not path.is_file():
        pytest.skip("the pipeline has not been run here: there is no dvc.lock")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def test_the_lock_has_every_stage(lock):
    assert set(lock) == set(ALL_STAGES)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_the_lock_is_of_this_pipeline_and_these_params(stage, lock):
    if stage not in lock:
        pytest.skip("not run yet")
    locked, content = lock[stage], DVC["stages"][stage]
    assert locked["cmd"] == content["cmd"]
    assert {entry["path"] for entry in locked["deps"]} == set(content["deps"])
    assert {entry["path"] for entry in locked["outs"]} == set(outputs(stage))
    assert locked.get("params", {}).get("params.yaml", {}) == {key: lookup(key) for key in tracked(stage)}


def test_committed_results_are_those_of_the_lock(lock):
    entries = [entry for stage in lock.values() for entry in stage["outs"]]
    committed = [entry for entry in entries if entry["path"].startswith(KEPT)]
    assert committed
    for entry in committed:
        found = hashlib.md5((ROOT / entry["path"]).read_bytes()).hexdigest()
        assert found == entry["md5"], f"{entry['path']} is not what dvc.lock says; run dvc repro"
