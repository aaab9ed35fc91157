"""The network of clicks as it is shipped: half precision, a graph of the same numbers, and its digest in the list."""

from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg.correct.clicks.inputs import CHANNELS
from brainseg.correct.clicks.network import load_answerer
from brainseg.correct.clicks.training import Head
from brainseg.errors import DataError
from brainseg.model.networks import build_network
from brainseg.model.store import save_model
from brainseg.shipped import SUMS, listed
from release import clicks
from tests.model.small import PLAIN, info


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "work" / "clicks.safetensors"
    save_model(path, build_network("unet", PLAIN, CHANNELS).state_dict(), info(name="clicks"))
    return path


def test_what_ships_says_what_was_trained(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(clicks, "quantise", lambda path, heads: None)
    monkeypatch.setattr(clicks, "gather", lambda *_: [])
    clicks.write(trained, tmp_path, tmp_path / "weights")
    assert {"clicks.safetensors", "clicks.float32.xml"} <= listed(tmp_path / "weights" / SUMS).keys()
    seen = np.random.default_rng(0).normal(size=(2, CHANNELS, 32, 32)).astype(np.float32)
    shipped, made = (load_answerer(path)._network(seen) for path in (tmp_path / "weights" / trained.name, trained))
    np.testing.assert_allclose(shipped, made, atol=5e-3)


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "unet.safetensors"
    save_model(path, build_network("unet", PLAIN).state_dict(), info())
    with pytest.raises(DataError, match="expected clicks"):
        clicks.write(path, tmp_path, tmp_path / "weights")


def test_int8_is_calibrated_on_clicked_slices() -> None:
    truth = np.zeros((6, 32, 32), np.float16)
    truth[2:5, 10:22, 10:22] = 1
    images = np.random.default_rng(0).normal(size=(6, 3, 32, 32)).astype(np.float16)
    found = list(clicks.calibration([Head(images, truth)]))
    assert [seen.shape for seen in found] == [(1, CHANNELS, 32, 32)] * 2
    assert max(seen[:, 4:].max() for seen in found) == 1
