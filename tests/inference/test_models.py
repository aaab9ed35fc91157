from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from brainseg.errors import DataError
from brainseg.inference.models import load_models
from brainseg.model.shipped import FOLDER
from tests.scans.heads import threshold_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"), threshold=0.4)


def test_the_shipped_ensemble_is_the_default():
    models = load_models(device="cpu", runtime="torch")
    said = json.loads((FOLDER / "ensemble.json").read_text())["postprocess"]
    assert (models.name, list(models.networks), models.device, models.runtime) == (
        "ensemble", ["unet", "unetpp"], "cpu", "torch",
    )  # fmt: skip
    assert models.choice.model_dump() == {key: said[key] for key in models.choice.model_dump()}
    assert all(len(digest) == 64 for digest in models.digests.values())


def test_one_network_of_a_folder_or_a_file(folder):
    for models in (
        load_models(folder, "unet", runtime="torch"),
        load_models(folder / "unet.safetensors", runtime="torch"),
    ):
        assert (models.name, list(models.networks), models.choice.threshold) == ("unet", ["unet"], 0.4)


def test_what_is_missing_is_one_sentence(folder, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_models(tmp_path / "none", runtime="torch")
    with pytest.raises(DataError, match=r"ensemble.json.* cannot be read .FileNotFoundError"):
        load_models(tmp_path, runtime="torch")
    with pytest.raises(DataError, match=r"unet.safetensors does not exist"):
        load_models(tmp_path, "unet", runtime="torch")
    shutil.copy(folder / "ensemble.json", tmp_path)
    (tmp_path / "unet.safetensors").write_bytes(b"no model")
    with pytest.raises(DataError, match="is not a brainseg model"):
        load_models(tmp_path, runtime="torch")


def test_models_of_two_preprocessings_do_not_mix(folder, tmp_path):
    threshold_models(tmp_path, "none")
    shutil.copy(folder / "unet.safetensors", tmp_path)
    with pytest.raises(DataError, match="trained on other preprocessing"):
        load_models(tmp_path, runtime="torch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_no_cuda_is_said():
    with pytest.raises(DataError, match="sees no CUDA device"):
        load_models(device="cuda")


def test_openvino_agrees_with_torch(folder, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reference = load_models(folder, device="cpu", runtime="torch").networks["unet"][0]
    inputs = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 128, 128)).astype(np.float32))
    expected = reference(inputs).sigmoid().detach()
    for _ in range(2):  # exported, then from the cache
        models = load_models(folder, device="cpu", runtime="openvino")
        found = models.networks["unet"][0](inputs).sigmoid()
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert [path.suffix for path in (tmp_path / "brainseg").iterdir()] == [".graph"] * 2
