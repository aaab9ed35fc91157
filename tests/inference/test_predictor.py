from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import ENSEMBLE, load_prediction, predict_volume, save_prediction
from brainseg.model.forward import grid_probability, volume_views
from brainseg.preprocess.inputs import InputParams

GRID = InputParams(input_size=32, crop_to_brain=False, normalization="zscore", neighbours=0, mirror=False)


class Bright:
    """Logit = FLAIR times a weight: a network whose answer is known."""

    def __init__(self, weight: float):
        self.weight = np.float32(weight)
        self.asked = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        assert x.flags.c_contiguous
        self.asked += 1
        return expit(x[:, 1:2] * self.weight)


def left_ramp(x: np.ndarray) -> np.ndarray:
    """Not symmetric: the logit is the column number."""
    return expit(np.broadcast_to(np.arange(x.shape[3], dtype=np.float32) - 16, (len(x), 1, *x.shape[2:])))


@pytest.fixture
def volume() -> SliceSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 32, 32, 3), np.uint8)
    return SliceSet(images, np.zeros((11, 32, 32), bool), np.ones((11, 32, 32), bool), np.arange(11))


def test_known_answer(volume: SliceSet) -> None:
    flair = volume.images[..., 1].astype(float)
    expected = 1 / (1 + np.exp(-2 * (flair - flair.mean()) / flair.std()))
    found = volume_views(Bright(2.0), volume, GRID, tta=False).mean
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_batch_size_does_not_matter(volume: SliceSet) -> None:
    one, all_ = (volume_views(Bright(2.0), volume, GRID, tta=False, batch_size=b).mean for b in (1, 64))
    np.testing.assert_array_equal(one, all_)


def test_flips_average_with_the_mirrored_answer() -> None:
    inputs = np.zeros((1, 3, 32, 32), np.float32)
    plain = grid_probability(left_ramp, inputs, tta=False)
    both = grid_probability(left_ramp, inputs, tta=True)
    np.testing.assert_allclose(both, (plain + plain[..., ::-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(both, both[..., ::-1], atol=1e-6)


def test_the_views_are_what_the_mean_is_of(volume: SliceSet) -> None:
    views = volume_views(left_ramp, volume, GRID, tta=True)
    single = volume_views(left_ramp, volume, GRID, tta=False)
    assert views.plain.dtype == np.float16
    np.testing.assert_array_equal(views.plain, single.plain)
    np.testing.assert_array_equal(views.flipped, views.plain[..., ::-1])
    np.testing.assert_allclose(views.mean, (views.plain.astype(float) + views.flipped) / 2, atol=5e-4)
    assert single.flipped is None
    np.testing.assert_array_equal(single.mean.astype(np.float16), single.plain)


def test_members_views_come_with_what_they_are_asked_for(volume: SliceSet) -> None:
    class Info:
        inputs = GRID

    models = {"unet": (left_ramp, Info()), "unetpp": (Bright(3.0), Info())}
    keep = np.arange(11) > 7
    found = predict_volume(models, volume, {ENSEMBLE: None}, tta=True, keep=keep)
    assert (list(found.plain), list(found.flipped)) == (["unet", "unetpp"], ["unet", "unetpp"])
    views = [*found.plain.values(), *found.flipped.values()]
    np.testing.assert_allclose(np.mean(views, 0, float), found.probabilities[ENSEMBLE], atol=5e-4)
    alone = predict_volume(models, volume, {"unetpp": None}, tta=False, keep=keep)
    assert (list(alone.plain), alone.flipped) == (["unetpp"], {})


def test_ensemble_is_the_mean(volume: SliceSet) -> None:
    class Info:
        inputs = GRID

    models = {"unet": (Bright(1.0), Info()), "unetpp": (Bright(3.0), Info())}
    wanted = {"unet": None, "unetpp": None, ENSEMBLE: Choice(threshold=0.4)}
    prediction = predict_volume(models, volume, wanted, tta=False)
    found = prediction.probabilities
    assert (list(found), list(prediction.masks)) == (list(wanted), [ENSEMBLE])
    np.testing.assert_array_equal(prediction.masks[ENSEMBLE], found[ENSEMBLE] >= np.float32(0.4))
    np.testing.assert_allclose(found[ENSEMBLE], (found["unet"] + found["unetpp"]) / 2, atol=1e-6)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


def test_what_is_not_asked_for_is_not_computed(volume: SliceSet) -> None:
    class Info:
        inputs = GRID

    first, second = Bright(1.0), Bright(3.0)
    models = {"unet": (first, Info()), "unetpp": (second, Info())}
    found = predict_volume(models, volume, {"unetpp": None}, tta=False, keep=np.arange(11) > 7)
    assert (first.asked, list(found.probabilities), found.masks) == (0, ["unetpp"], {})
    both = predict_volume(models, volume, {ENSEMBLE: None}, tta=False).probabilities
    assert (first.asked > 0, list(both)) == (True, [ENSEMBLE])
    assert found.probabilities["unetpp"].shape == (3, 32, 32)


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
