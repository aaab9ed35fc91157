"""One finished run on synthetic patients, with predictions whose errors are known, evaluated by the stage itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import ndimage

from brainseg.data import slices
from brainseg.data.phantom import PhantomParams, write_phantom
from brainseg.data.raw import TREE, list_patients, read_patient
from brainseg.files import write_csv, write_json
from brainseg.inference.predictor import save_prediction
from brainseg.model.catalogue import MODELS, NETWORKS
from tests.pipeline import ROOT, merge, run_module

SHIFTS = {"unet": 3, "unetpp": 1, "ensemble": 2}
"""Pixels by which each model's prediction is off, to the right."""
PHANTOM = {"source": "phantom", "phantom": {"patients": 5, "slices": 8, "size": 64}}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: data/, metrics/, predictions/, reports/. Three of five patients are in the test."""
    root = tmp_path_factory.mktemp("run")
    params = merge(
        yaml.safe_load((ROOT / "params.yaml").read_text()),
        {"download": PHANTOM, "clahe": {"enabled": True}, "radiogenomics": {"ibsi": False}},
    )
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    write_phantom(root / "data" / "raw", PhantomParams(**PHANTOM["phantom"]), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert run_module("filter_labeled") == 0
        _write_what_earlier_stages_leave(root)
        assert run_module("radiogenomics") == 0
        assert run_module("evaluate") == 0
    return root


@pytest.fixture
def copied(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to change, and the working directory."""
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def _write_what_earlier_stages_leave(root: Path) -> None:
    rows = []
    for index, folder in enumerate(list_patients(root / "data" / "raw")):
        whole = read_patient(root / "data" / "raw" / TREE / folder.name)
        for name in ("stripped", "clahe"):
            slices.save(root / "data" / name / f"{folder.name}.npz", whole)
        split = "test" if index < 3 else "val" if index == 3 else "train"
        rows += [(folder.name, int(number), split) for number in whole.slices]
        for model in MODELS if split == "test" else ():
            mask = np.roll(whole.masks, SHIFTS[model], axis=2)
            soft = ndimage.gaussian_filter(mask.astype(np.float32), (0, 1, 1)).clip(0, 1)
            save_prediction(root / "predictions" / model / f"{folder.name}.npz", mask, soft, whole.slices)
    write_csv(root / "splits" / "split.csv", pd.DataFrame(rows, columns=["patient", "slice", "split"]))
    metrics = root / "metrics"
    cut = {"fraction": 0.001, "patient_max": 0.02, "worst_patient": "PHANTOM_CS_0001_20000101"}
    write_json(metrics / "skull_strip.json", {"fallbacks": 0, "tumour_cut": cut})
    write_json(metrics / "val.json", {model: {"n": 1} for model in MODELS})
    for model in NETWORKS:
        trained = {"best_epoch": 2, "epochs": 3, "val_dice": 0.8, "train_patients": 1, "train_slices": 5, "seed": 1}
        write_json(metrics / f"train_{model}.json", trained)
        history = {"epoch": [1, 2, 3], "lr": 0.1, "train_loss": [0.9, 0.5, 0.4], "val_dice": [0.1, 0.8, 0.7]}
        write_csv(metrics / f"history_{model}.csv", pd.DataFrame(history))
