"""The same slices with and without their neighbours in training: known masks, known Dice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainseg.data import slices
from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.inference.predictor import Prediction
from studies import leak

NUMBERS = np.arange(1, 5)


def mask(width: int, numbers: list[int]) -> np.ndarray:
    """`width` columns of tumour in slices 2 to 4, none in slice 1; only the slices asked for."""
    whole = np.zeros((4, 20, 20), bool)
    whole[1:, 5:15, 4 : 4 + width] = True
    return whole[np.isin(NUMBERS, numbers)]


def predicted(width: int, numbers: list[int]) -> Prediction:
    found = mask(width, numbers)
    return Prediction(found, found.astype(np.float32), np.array(numbers))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tumours 10 columns wide; the leaky run draws all of them in two slices each, the honest ones 6 columns."""
    truth = mask(10, [1, 2, 3, 4])
    for patient in "ab":
        images = np.zeros((*truth.shape, 3), np.uint8)
        slices.save(tmp_path / "data" / f"{patient}.npz", SliceSet(images, truth, np.ones_like(truth), NUMBERS))

    def predictions(experiment: str, model: str):
        if experiment == "leak":
            return iter([("a", predicted(10, [1, 3])), ("b", predicted(10, [2, 3]))])
        return iter([({"fold-0": "a", "fold-1": "b"}[experiment], predicted(6, [1, 2, 3, 4]))])

    monkeypatch.setattr(leak, "predictions", predictions)
    monkeypatch.setattr(leak, "with_masks", lambda: ["fold-0", "fold-1"])
    monkeypatch.setattr(leak, "OUT", tmp_path / "leak.json")
    monkeypatch.setattr("dvc.api.read", lambda path, rev: json.dumps({"leaky": rev == "leak"}))
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)


def test_only_slices_with_tumour_that_both_predicted_count(runs: None, capsys: pytest.CaptureFixture[str]):
    leak.main("leak", Path("data"), Path("params.yaml"))
    found = json.loads(Path("leak.json").read_text())["ensemble"]
    assert (found["slices"], found["patients"]) == (3, 2)
    assert found["leaky_slice_dice"] == 1
    assert found["honest_slice_dice"] == pytest.approx(2 * 6 / 16)
    assert found["by_patient"]["difference"] == pytest.approx(0.25)
    assert capsys.readouterr().out.count("\n") == 3


def test_a_split_by_patient_has_no_leak_to_measure(runs: None):
    with pytest.raises(DataError, match="fold-0 was split by patient"):
        leak.main("fold-0", Path("data"), Path("params.yaml"))
