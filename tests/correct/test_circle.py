"""Corrections teach: predict, correct, collect, train, compare, on synthetic patients."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from brainseg.correct.collect import collect
from brainseg.correct.saved import save
from brainseg.correct.session import Session
from brainseg.correct.steps import read_step
from brainseg.data.index import read_index
from brainseg.data.phantom import PhantomParams, write_phantom
from brainseg.data.raw import TREE, read_patient
from brainseg.data.splits import read_split
from brainseg.files import write_csv
from brainseg.report.compare import compare, read_side, sentence
from brainseg.view.result import find_result
from demo.run import merge
from studies.teach import keep_sides
from tests.cohort.fakes import predict
from tests.pipeline import SMALL, STAGES, run_module, shipped_params

NEW = 3


def scans_of_ones_own(folder: Path) -> Path:
    """Synthetic patients whom the pipeline has not: slices without masks."""
    write_phantom(folder / "phantom", PhantomParams(patients=NEW, slices=12, size=64), 77)
    for number, patient in enumerate(sorted((folder / "phantom" / TREE).iterdir())):
        if not patient.is_dir():
            continue
        name = f"OWN_{number}"
        (folder / "scans" / name).mkdir(parents=True)
        for path in sorted(patient.glob("*.tif")):
            if not path.stem.endswith("_mask"):
                shutil.copyfile(path, folder / "scans" / name / path.name.replace(patient.name, name))
        patient.rename(patient.with_name(name))
        for path in list(patient.with_name(name).iterdir()):
            path.rename(path.with_name(path.name.replace(patient.name, name)))
    return folder / "scans"


def correct(out: Path, truths: Path) -> int:
    """Put all results right by one click each, whose answer is the truth; how many were wrong."""
    wrong = 0
    for path in sorted(out.glob("OWN_?.json")):
        result = find_result(path)
        scan = result.case.read(trust=True)
        truth = read_patient(truths / path.stem).masks
        automatic = scan.origin.read_mask(out, path.stem)
        session = Session(scan, automatic, out, lambda mask, clicks, truth=truth: truth)
        z, row, column = map(int, next(zip(*truth.nonzero(), strict=True)))
        session.do(read_step({"do": "click", "slice": z, "row": row, "column": column, "tumour": True}))
        save(session, json.loads(path.read_text()), "A. Script")
        session.close()
        wrong += int((automatic != truth).any())
    return wrong


def run(stages: tuple[str, ...]) -> None:
    for stage in stages:
        assert run_module(stage) == 0, stage


@pytest.mark.slow
def test_what_was_corrected_is_learnt_from_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.chdir(root)
    params = merge(shipped_params(), SMALL)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    run(STAGES)
    shutil.copytree("metrics", tmp_path / "before")
    before = read_split(Path("splits/split.csv"))

    scans = scans_of_ones_own(tmp_path)
    predict(sorted(scans.iterdir()), tmp_path / "out", overlay=False)
    assert correct(tmp_path / "out", tmp_path / "phantom" / TREE) == NEW
    collect(tmp_path / "out", tmp_path / "mine", beside=Path("data/raw"))

    shutil.rmtree("data/raw")
    params = merge(params, {"download": {"source": "folder", "path": str(tmp_path / "mine")}})
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    run(STAGES[:4])
    split = keep_sides(before, read_index(Path("data/index.csv")))
    write_csv(Path("splits/split.csv"), split)
    own = split[split["patient"].str.startswith("OWN")]
    assert set(own["split"]) == {"train"}
    assert own["patient"].nunique() == NEW
    run(STAGES[5:])

    trained = json.loads(Path("metrics/train_unet.json").read_text())["train_patients"]
    assert trained == before.loc[before["split"] == "train", "patient"].nunique() + NEW
    left, right = read_side(str(tmp_path / "before")), read_side("metrics")
    assert set(left["patient"]) == set(right["patient"])
    assert not set(right["patient"]) & set(own["patient"])
    result, rows = compare(left, right)["ensemble"]
    assert len(rows) == left["patient"].nunique()
    said = sentence("ensemble", result, "before", "after")
    assert any(verdict in said for verdict in ("better", "worse", "not told apart"))
    assert isinstance(rows, pd.DataFrame)
