"""What a run of the whole pipeline, on synthetic patients, leaves in metrics/ and predictions/."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.pipeline import Checkout
from tests.reproduction.conftest import MODELS, read_json, read_split

INTERFACE = {
    "slice": {"dice", "iou", "precision", "recall", "n"},
    "volume": {
        "dice_mean", "dice_median", "dice_min", "dice_ci95_low", "dice_ci95_high", "iou_mean", "hd95_px_mean",
        "nsd_2px_mean", "n",
    },
    "empty_slices": {"false_positive_rate", "n"},
}  # fmt: skip


def raw_masks(checkout: Checkout) -> dict[str, dict[int, np.ndarray]]:
    """Masks of the raw tree by patient and slice number."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for path in (checkout.root / "data/raw/kaggle_3m").glob("*/*_mask.tif"):
        number = int(path.stem.removesuffix("_mask").rpartition("_")[2])
        found.setdefault(path.parent.name, {})[number] = tifffile.imread(path) > 0
    return found


def numbers_in(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from numbers_in(value)
    elif isinstance(content, int | float):
        yield content


def test_metrics_have_the_keys_that_others_read(finished):
    metrics = read_json(finished, "test")
    for model in MODELS:
        for part, keys in INTERFACE.items():
            assert keys <= set(metrics[model][part]), (model, part)
    assert metrics["leaky"] is False


def test_every_number_of_every_metrics_file_is_finite(finished):
    names = [path.stem for path in (finished.root / "metrics").glob("*.json")]
    assert set(names) == {
        "dataset",
        "paired",
        "radiogenomics",
        "skull_strip",
        "test",
        "train_unet",
        "train_unetpp",
        "trust",
        "val",
    }
    for name in names:
        found = list(numbers_in(read_json(finished, name)))
        assert found, name
        assert all(math.isfinite(number) for number in found), name


def test_the_dataset_is_counted_as_it_is_on_disk(finished):
    masks = raw_masks(finished)
    tumours = [mask.sum() for patient in masks.values() for mask in patient.values()]
    found = read_json(finished, "dataset")
    assert {key: found[key] for key in ("patients", "slices", "labeled", "tumour_px")} == {
        "patients": 8,
        "slices": len(tumours),
        "labeled": np.count_nonzero(tumours),
        "tumour_px": np.sum(tumours),
    }
    assert found["patients"] == sum(site["patients"] for site in found["institutions"].values())


def test_no_patient_is_on_two_sides_and_no_slice_is_left_out(finished):
    split = read_split(finished)
    assert split.groupby("patient")["split"].nunique().max() == 1
    assert split.groupby("split")["patient"].nunique().to_dict() == {"train": 4, "val": 2, "test": 2}
    expected = {(patient, number) for patient, slices in raw_masks(finished).items() for number in slices}
    assert set(zip(split["patient"], split["slice"], strict=True)) == expected
    assert len(split) == len(expected)


def test_the_table_of_patients_is_of_every_model_and_test_patient(finished):
    table = pd.read_csv(finished.root / "metrics" / "per_patient.csv")
    assert list(table.columns) == [
        "model", "patient", "dice", "iou", "precision", "recall", "hd95_px", "nsd_2px", "tumour_px", "predicted_px",
        "components", "missed_components", "predicted_components", "false_components",
    ]  # fmt: skip
    split = read_split(finished)
    tested = sorted(split.loc[split["split"] == "test", "patient"].unique())
    assert list(zip(table["model"], table["patient"], strict=True)) == [(m, p) for m in MODELS for p in tested]


def test_predictions_score_on_the_raw_masks_what_the_metrics_say(finished):
    masks = raw_masks(finished)
    table = pd.read_csv(finished.root / "metrics" / "per_patient.csv").set_index(["model", "patient"])
    for (model, patient), row in table.iterrows():
        with np.load(finished.root / "predictions" / model / f"{patient}.npz") as stored:
            predicted, numbers = stored["mask"], stored["slices"].tolist()
        truth = np.stack([masks[patient][number] for number in numbers])
        assert sorted(masks[patient]) == numbers
        both = np.count_nonzero(truth & predicted)
        assert row["dice"] == pytest.approx(2 * both / (truth.sum() + predicted.sum()), rel=1e-5)
        assert (row["tumour_px"], row["predicted_px"]) == (truth.sum(), predicted.sum())
    means = table["dice"].groupby("model").mean()
    metrics = read_json(finished, "test")
    assert {m: metrics[m]["volume"]["dice_mean"] for m in MODELS} == pytest.approx(means.to_dict(), abs=1e-5)


def test_something_was_learned(finished):
    # 0.8 where this was written; a mask of everything gives 0.02
    assert read_json(finished, "test")["unet"]["volume"]["dice_mean"] > 0.4
    history = pd.read_csv(finished.root / "metrics" / "history_unet.csv")
    assert list(history["epoch"]) == list(range(1, 9))
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
