from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.inference.predictor import ENSEMBLE, load_prediction, probabilities, save_prediction
from brainseg.model.forward import grid_probability, volume_probability
from brainseg.preprocess.inputs import InputParams

GRID = InputParams(input_size=32, crop_to_brain=False, normalization="zscore", neighbours=0, mirror=False)


class Bright(nn.Module):
    """Logit = FLAIR times a weight: a network whose answer is known."""

    def __init__(self, weight: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 1:2] * self.weight


class LeftRamp(nn.Module):
    """Not symmetric: the logit is the column number."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.arange(x.shape[3]).float().expand(len(x), 1, *x.shape[2:]) * self.unit - 16


@pytest.fixture
def volume() -> SliceSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 32, 32, 3), np.uint8)
    return SliceSet(images, np.zeros((11, 32, 32), bool), np.ones((11, 32, 32), bool), np.arange(11))


def test_known_answer(volume: SliceSet) -> None:
    flair = volume.images[..., 1].astype(float)
    expected = 1 / (1 + np.exp(-2 * (flair - flair.mean()) / flair.std()))
    found = volume_probability(Bright(2.0), volume, GRID, tta=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_batch_size_does_not_matter(volume: SliceSet) -> None:
    one, all_ = (volume_probability(Bright(2.0), volume, GRID, tta=False, batch_size=b) for b in (1, 64))
    np.testing.assert_array_equal(one, all_)


def test_flips_average_with_the_mirrored_answer() -> None:
    inputs = np.zeros((1, 3, 32, 32), np.float32)
    plain = grid_probability(LeftRamp(), inputs, tta=False)
    both = grid_probability(LeftRamp(), inputs, tta=True)
    np.testing.assert_allclose(both, (plain + plain[..., ::-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(both, both[..., ::-1], atol=1e-6)


def test_ensemble_is_the_mean(volume: SliceSet) -> None:
    class Info:
        inputs = GRID

    models = {"unet": (Bright(1.0), Info()), "unetpp": (Bright(3.0), Info())}
    found = probabilities(models, volume, tta=False)
    assert list(found) == ["unet", "unetpp", ENSEMBLE]
    np.testing.assert_allclose(found[ENSEMBLE], (found["unet"] + found["unetpp"]) / 2, atol=1e-6)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


def test_prediction_round_trip(tmp_path: Path) -> None:
    probability = np.array([[[0.0, 0.5, 1.0]]], np.float32)
    save_prediction(tmp_path / "a.npz", probability > 0.4, probability, np.array([7]))
    found = load_prediction(tmp_path / "a.npz")
    assert found.mask.tolist() == [[[False, True, True]]]
    assert found.probability.tolist() == [[[0, 128, 255]]]
    assert found.slices.tolist() == [7]


def test_predictions_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match="does not exist"):
        load_prediction(path)
    path.write_bytes(b"PK junk")
    with pytest.raises(DataError, match="is not a prediction"):
        load_prediction(path)
    np.savez(path, mask=np.zeros((2, 3, 3), bool), probability=np.zeros((2, 3, 3), np.uint8), slices=np.arange(3))
    with pytest.raises(DataError, match=r"\(2, 3, 3\) for 3 slices"):
        load_prediction(path)
