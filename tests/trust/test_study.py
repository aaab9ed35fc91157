"""The study from a CSV to what it writes, on rows made by a known rule."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brainseg.files import sha256
from brainseg.trust.features import FEATURES
from brainseg.trust.model import load_calibration
from brainseg.trust.rows import COLUMNS
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
        for i in range(len(rows)):
            plain = [getattr(rows, name)[i] for name in COLUMNS if name not in FEATURES]
            writer.writerow([*plain, *(rows.features[name][i] for name in FEATURES)])
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
    learnt = load_calibration(Path("calibration.json"))
    assert (learnt.rows, learnt.rows_sha256) == (60, sha256(rows))
    assert math.isclose(learnt.dice, 0.93, abs_tol=0.05)
    assert "pearson_r: 0." in told.output


def test_two_folds_are_too_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(SEED)
    told = CliRunner().invoke(study.app, ["--rows", str(write(tmp_path / "rows.csv", folds=2))])
    assert "has 2 folds, expected three or more" in str(told.exception)
    assert not list(tmp_path.glob("**/*.json"))


def test_rows_of_all_folds_are_gathered_with_their_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "experiments", lambda: {"crossval-0": 0, "crossval-1": 1})
    lines = {"crossval-0": "patient,fold,dice\n007,0,0.5\n", "crossval-1": "patient,fold,dice\nb,0,0.7\na,0,0.6\n"}
    monkeypatch.setattr("dvc.api.read", lambda path, rev: lines[rev])
    told = CliRunner().invoke(study.app, ["gather", "--out", "rows.csv"])
    assert told.output == "3 patients of 2 folds: rows.csv\n"
    assert Path("rows.csv").read_text() == "patient,fold,dice\n007,0,0.5\na,1,0.6\nb,1,0.7\n"
