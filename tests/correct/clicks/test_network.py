from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg.correct.answer import Click
from brainseg.correct.clicks.inputs import CHANNELS
from brainseg.correct.clicks.network import NetworkAnswerer, load_answerer, of_click
from brainseg.correct.geodesic import GeodesicAnswerer
from brainseg.data.slices import Float
from brainseg.errors import DataError
from brainseg.model.networks import build_network
from brainseg.model.store import save_model
from brainseg.preprocess.inputs import InputParams
from tests.correct.drawn import disk, head, stack_of
from tests.model.small import PLAIN, info

PARAMS = InputParams(input_size=64, crop_to_brain=False, normalization="zscore", neighbours=0, mirror=False)


def bright(seen: Float) -> Float:
    """Stands for a network that marks what is bright."""
    return (seen[:, 1:2] > 0.5).astype(np.float32)


def test_what_hangs_together_with_the_click_changes_and_nothing_else() -> None:
    near = stack_of({z: disk(32, 20, 8) for z in (2, 3, 4)}, 9)
    far = stack_of({3: disk(32, 50, 6)}, 9)
    found = NetworkAnswerer(bright, PARAMS).answer(head(near | far), np.zeros_like(near), [Click(3, 32, 20, True)])
    assert np.array_equal(found, near)


def test_a_click_is_kept_where_the_network_disagrees() -> None:
    near = stack_of({3: disk(32, 20, 8)}, 9)
    clicks = [Click(3, 32, 20, False), Click(3, 32, 24, True)]
    found = NetworkAnswerer(bright, PARAMS).answer(head(near), np.zeros_like(near), clicks)
    assert not found[3, 32, 20]
    assert found.sum() == near.sum() - 1


def test_where_the_network_does_not_do_what_the_click_says_the_distance_answers() -> None:
    near, case = stack_of({3: disk(32, 20, 8)}, 9), head(stack_of({3: disk(32, 20, 8)}, 9))
    clicks = [Click(3, 32, 20, False)]
    found = NetworkAnswerer(bright, PARAMS).answer(case, near, clicks)
    assert np.array_equal(found, GeodesicAnswerer().answer(case, near, clicks))
    assert found.sum() < near.sum() / 2


def test_parts_of_a_change() -> None:
    changed = stack_of({0: disk(10, 10, 3), 1: disk(12, 10, 3) | disk(40, 40, 5)}, 3)
    assert np.array_equal(
        of_click(changed, Click(7, 12, 10, True), 1), stack_of({0: disk(10, 10, 3), 1: disk(12, 10, 3)}, 3)
    )
    assert not of_click(changed, Click(7, 60, 10, True), 1).any()


def test_a_file_answers_by_openvino_as_torch_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    torch.manual_seed(1)
    network = build_network("unet", PLAIN, CHANNELS).eval()
    inputs = InputParams(input_size=32, crop_to_brain=False, normalization="zscore", neighbours=0, mirror=False)
    save_model(tmp_path / "clicks.safetensors", network.state_dict(), info(name="clicks", inputs=inputs))
    seen = np.random.default_rng(0).normal(size=(3, CHANNELS, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(seen)).sigmoid().numpy()
    np.testing.assert_allclose(load_answerer(tmp_path / "clicks.safetensors")._network(seen), wanted, atol=1e-3)


def test_another_model_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "unet.safetensors", build_network("unet", PLAIN).state_dict(), info())
    with pytest.raises(DataError, match=r"clicks\.safetensors"):
        load_answerer(tmp_path / "unet.safetensors")
