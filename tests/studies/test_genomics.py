"""Shapes of masks from all folds of a cross-validation, and the page made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from brainseg.data import slices
from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.inference.predictor import save_prediction
from studies import genomics
from tests.pipeline import ROOT, SMALL, merge

PATIENTS = ("a", "b", "c", "d")


@pytest.fixture
def folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two experiments of two patients each, their predictions the truth; the working directory."""
    params = merge(yaml.safe_load((ROOT / "params.yaml").read_text()), SMALL)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    for index, name in enumerate(PATIENTS):
        mask = np.zeros((6, 40, 40), bool)
        mask[1:5, 10:20, 8 : 16 + 4 * index] = True
        images, numbers = np.zeros((*mask.shape, 3), np.uint8), np.arange(1, 7)
        slices.save(tmp_path / "data" / "clahe" / f"{name}.npz", SliceSet(images, mask, ~mask | mask, numbers))
        folder = tmp_path / f"crossval-{index // 2}" / "predictions" / "ensemble"
        save_prediction(folder / f"{name}.npz", mask, mask.astype(np.float32), numbers)

    class FileSystem:
        def __init__(self, rev: str):
            self.root = tmp_path / rev

        def get(self, source: str, target: str, *, recursive: bool) -> None:
            assert recursive
            shutil.copytree(self.root / source, target, dirs_exist_ok=True)

    monkeypatch.setattr("dvc.api.DVCFileSystem", FileSystem)
    monkeypatch.setattr("studies.fold_results.experiments", lambda: {"crossval-0": 0, "crossval-1": 1})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure() -> None:
    genomics.measure(Path("data/raw"), Path("data/clahe"), Path("params.yaml"))


def test_every_patient_is_measured_once(folds: Path, capsys: pytest.CaptureFixture[str]):
    measure()
    assert pd.read_csv("metrics/crossval_shape.csv")["patient"].tolist() == list(PATIENTS)
    results = json.loads(Path("metrics/crossval_radiogenomics.json").read_text())
    assert (results["manual"]["n"], results["predicted"]["n"]) == (4, 4)
    assert results["agreement"]["volume"]["icc"] == 1
    assert capsys.readouterr().out.startswith("manual masks: 4, 0 of them with a genomic cluster\n")


def test_a_patient_of_two_folds_is_refused(folds: Path):
    shutil.copytree(folds / "crossval-0" / "predictions", folds / "crossval-1" / "predictions", dirs_exist_ok=True)
    with pytest.raises(DataError, match="a patient is in the test of two folds"):
        measure()
    assert not (folds / "studies").exists()


def test_the_tables_are_those_of_the_committed_results():
    results = json.loads((ROOT / "metrics" / "crossval_radiogenomics.json").read_text())
    text = (ROOT / genomics.PAGE).read_text(encoding="utf-8")
    assert genomics.START + genomics.tables(results) + genomics.END in text
