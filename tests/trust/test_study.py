"""The study from a CSV to what it writes, on rows made by a known rule."""

from __future__ import annotations

import csv
import itertools
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brainseg.files import sha256
from brainseg.trust.features import FEATURES
from brainseg.trust.model import load_calibrations
from brainseg.trust.rows import COLUMNS
from brainseg.trust.setups import SETUPS
from studies import trust as study
from tests.trust.made import made

SEED = "seed: 1\n"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features alone are left out in turn: the study is quick."""
    kept = {name: FEATURES[name] for name in ("members_dice", "volume_gap")}
    monkeypatch.setattr(study, "FEATURES", kept)


def write(path: Path, folds: int = 5) -> Path:
    rows = made(60, folds)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for setup, i in itertools.product(SETUPS, range(len(rows))):
            plain = [getattr(rows, name)[i] for name in COLUMNS if name not in FEATURES and name != "setup"]
            writer.writerow([setup, *plain, *(rows.features[name][i] for name in FEATURES)])
    return path


@pytest.mark.usefixtures("few")
def test_figures_and_constants_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(SEED)
    rows = write(tmp_path / "rows.csv")
    told = CliRunner().invoke(
        study.app, ["--rows", str(rows), "--result", "found.json", "--calibration", "calibration.json"]
    )
    assert told.exit_code == 0, told.output
    found = json.loads(Path("found.json").read_text())
    assert found["trust"]["pearson_r"]["value"] > 0.8 > found["volume_gap_alone"]["pearson_r"]["value"]
    assert set(found["features"]) == {"members_dice", "volume_gap"}
    assert found["features"]["members_dice"]["without"]["pearson_r"] < -0.5  # nothing else tells anything
    assert abs(found["features"]["volume_gap"]["without"]["pearson_r"]) < 0.1
    assert sum(level["n"] for level in found["trust"]["levels"].values()) == 60
    assert found["trust"]["dice_low_coverage"]["ci95_low"] <= 0.9 <= found["trust"]["dice_low_coverage"]["ci95_high"]
    learnt = load_calibrations(Path("calibration.json"))
    assert (learnt.made_from, learnt.rows_sha256, len(learnt.patients)) == (str(rows), sha256(rows), 60)
    assert {of.rows for of in learnt.setups.values()} == {60}
    assert math.isclose(learnt.setups[SETUPS[0]].dice, 0.93, abs_tol=0.05)
    assert found["setups"].keys() == set(SETUPS[1:])
    assert found["setups"]["unet"] == found["trust"], "here all setups have the same rows"
    assert [mask["patient"] for mask in found["masks"]] == sorted(f"p{i}" for i in range(60))
    assert "pearson_r: 0." in told.output


def test_two_folds_are_too_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(SEED)
    told = CliRunner().invoke(study.app, ["--rows", str(write(tmp_path / "rows.csv", folds=2))])
    assert "has 2 folds, expected three or more" in str(told.exception)
    assert not list(tmp_path.glob("**/*.json"))


def test_rows_of_all_folds_are_gathered_with_their_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.fold_results.experiments", lambda: {"crossval-0": 0, "crossval-1": 1})
    lines = {
        "crossval-0": "setup,patient,fold,dice\nunet,007,0,0.5\n",
        "crossval-1": "setup,patient,fold,dice\nunet,b,0,0.7\nunet,a,0,0.6\n",
    }
    monkeypatch.setattr("dvc.api.read", lambda path, rev: lines[rev])
    told = CliRunner().invoke(study.app, ["gather", "--out", "rows.csv"])
    assert told.output == "3 patients of 2 folds: rows.csv\n"
    assert Path("rows.csv").read_text() == "setup,patient,fold,dice\nunet,007,0,0.5\nunet,a,1,0.6\nunet,b,1,0.7\n"
