"""What the earlier stages leave for `evaluate`, of synthetic patients and with predictions whose errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import ndimage

from brainseg.data import slices
from brainseg.data.phantom import PhantomParams, write_phantom
from brainseg.data.raw import TREE, list_patients, read_patient
from brainseg.data.slices import FLAIR
from brainseg.files import write_csv, write_json
from brainseg.inference.predictor import save_prediction
from brainseg.model.catalogue import MODELS, NETWORKS
from brainseg.trust.opinions import Opinions
from brainseg.trust.rows import row
from brainseg.trust.setups import SETUPS
from tests.pipeline import ROOT, merge, run_module

SHIFTS = {"unet": 3, "unetpp": 1, "ensemble": 2}
"""Pixels by which each model's prediction is off, to the right; a model that is not named is right."""
PHANTOM = {"source": "phantom", "phantom": {"patients": 5, "slices": 8, "size": 64}}


def write_earlier_stages(root: Path) -> None:
    """Fill data/, splits/, metrics/ and predictions/ below `root`. Three of five patients are in the test."""
    params = merge(
        yaml.safe_load((ROOT / "params.yaml").read_text()),
        {"download": PHANTOM, "clahe": {"enabled": True}, "radiogenomics": {"ibsi": False}},
    )
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    write_phantom(root / "data" / "raw", PhantomParams(**PHANTOM["phantom"]), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert run_module("filter_labeled") == 0
    _write_data_and_predictions(root)
    _write_metrics(root / "metrics")


def _write_data_and_predictions(root: Path) -> None:
    rows, features = [], []
    for index, folder in enumerate(list_patients(root / "data" / "raw")):
        whole = read_patient(root / "data" / "raw" / TREE / folder.name)
        for name in ("stripped", "clahe"):
            slices.save(root / "data" / name / f"{folder.name}.npz", whole)
        split = "test" if index < 3 else "val" if index == 3 else "train"
        rows += [(folder.name, int(number), split) for number in whole.slices]
        for model in MODELS if split == "test" else ():
            mask = np.roll(whole.masks, SHIFTS.get(model, 0), axis=2)
            soft = ndimage.gaussian_filter(mask.astype(np.float32), (0, 1, 1)).clip(0, 1)
            save_prediction(root / "predictions" / model / f"{folder.name}.npz", mask, soft, whole.slices)
        if split == "test":
            said = {model: np.roll(whole.masks, SHIFTS[model], axis=2).astype(np.float32) for model in NETWORKS}
            opinions = Opinions(said, {}, said[NETWORKS[0]] > 0, 0.5, whole.brain, whole.images[..., FLAIR], 0)
            features.append(row(SETUPS[0], folder.name, 0, opinions, whole.masks))
    write_csv(root / "metrics" / "trust_features.csv", pd.DataFrame(features))
    write_csv(root / "splits" / "split.csv", pd.DataFrame(rows, columns=["patient", "slice", "split"]))


def _write_metrics(metrics: Path) -> None:
    cut = {"fraction": 0.001, "patient_max": 0.02, "worst_patient": "PHANTOM_CS_0001_20000101"}
    write_json(metrics / "skull_strip.json", {"fallbacks": 0, "tumour_cut": cut})
    write_json(metrics / "val.json", {model: {"n": 1} for model in MODELS})
    for model in NETWORKS:
        trained = {"kept_epoch": 2, "epochs": 3, "val_dice": 0.8, "train_patients": 1, "train_slices": 5, "seed": 1}
        write_json(metrics / f"train_{model}.json", trained)
        history = {"epoch": [1, 2, 3], "lr": 0.1, "train_loss": [0.9, 0.5, 0.4], "val_dice": [0.1, 0.8, 0.7]}
        write_csv(metrics / f"history_{model}.csv", pd.DataFrame(history))
