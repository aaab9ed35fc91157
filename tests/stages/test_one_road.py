"""`brainseg predict` on test patients' raw slices: what the pipeline says of them, to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainseg.cohort.predict import Settings, predict_cases
from brainseg.data.raw import read_tif
from brainseg.inference.predictor import load_prediction
from brainseg.model.catalogue import MODELS
from brainseg.scans.cases import find_cases
from tests.pipeline import change_params, run_module
from tests.stages.folders import without_outputs


@pytest.fixture
def predicted(folder: Path) -> Path:
    """The pipeline's networks on heads of 256 pixels, the canvas of `predict`; of this seed every brain is found."""
    change_params(folder, {"seed": 6, "download": {"phantom": {"size": 256, "patients": 5}}})
    for stage in ("download", "filter_labeled", "skull_strip", "clahe", "split", "postprocess"):
        without_outputs(stage)
        assert run_module(stage) == 0, stage
    return folder


def test_predict_gives_the_masks_that_postprocess_wrote(predicted: Path, tmp_path: Path) -> None:
    patients = sorted(path.stem for path in (predicted / "predictions" / "unet").glob("*.npz"))
    tumours = 0
    for model in MODELS:
        for patient in patients:
            (case,) = find_cases([predicted / "data/raw/kaggle_3m" / patient])
            out = tmp_path / model
            settings = Settings(
                out, model, predicted / "models", device="cpu", runtime="torch", trust_input=True, overlay=False
            )
            (outcome,) = predict_cases([case], settings)
            assert outcome.status == "done", outcome.error
            expected = load_prediction(predicted / "predictions" / model / f"{patient}.npz")
            written = [read_tif(out / patient / f"{patient}_{number}_mask.tif") for number in expected.slices]
            assert np.stack(written).tobytes() == (expected.mask.astype(np.uint8) * 255).tobytes()
            tumours += int(expected.mask.any())
    assert len(patients) >= 1
    assert tumours
