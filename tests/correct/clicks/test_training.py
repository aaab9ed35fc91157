from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg.correct.clicks.inputs import CHANNELS
from brainseg.correct.clicks.model import from_segmentation, load_network
from brainseg.correct.clicks.training import ClickTrainParams, finish, gather, train
from brainseg.data import slices
from brainseg.errors import DataError
from brainseg.model.augment import AugmentParams
from brainseg.model.networks import build_network
from brainseg.model.store import load_model, save_model
from tests.model.small import AUGMENT, PLAIN, blob_patient, digest, info

PATIENTS = ["A", "B", "C"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, patient in enumerate(PATIENTS):
        slices.save(tmp_path / "data" / f"{patient}.npz", blob_patient(seed))
    torch.manual_seed(0)
    save_model(tmp_path / "unet.safetensors", build_network("unet", PLAIN).state_dict(), info())
    return tmp_path


def recipe(**changes: object) -> ClickTrainParams:
    content = {
        "epochs": 3, "rehearsals": 2, "slices": 3, "batch_size": 4, "lr": 0.01, "weight_decay": 0.01, "ema_decay": 0.5,
        "dice_weight": 0.5, "augment": AugmentParams(**AUGMENT),
    }  # fmt: skip
    return ClickTrainParams(**(content | changes))


def test_starts_by_saying_what_the_segmentation_network_says(folder: Path) -> None:
    plain, _ = load_model(folder / "unet.safetensors")
    network, _ = from_segmentation(folder / "unet.safetensors")
    seen = torch.randn(2, CHANNELS, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(seen), plain(seen[:, :3]), rtol=0, atol=1e-5)


class StopError(Exception):
    """Stands for a kill between two epochs."""


def test_killed_after_an_epoch_it_ends_with_the_same_bytes_and_learns(folder: Path) -> None:
    def run(name: str, stop: int | None = None) -> tuple[str, list[float]]:
        def tell(epoch: int, loss: float) -> None:
            if epoch == stop:
                raise StopError

        network, said = from_segmentation(folder / "unet.safetensors")
        heads = gather(folder / "data", PATIENTS, said.inputs)
        state, losses = train(network, heads, recipe(epochs=3), 7, folder / name, tell)
        return digest(state), losses

    whole = run("whole")
    with pytest.raises(StopError):
        run("killed", stop=1)
    assert len(list((folder / "killed").glob("*.pt"))) == 1
    assert run("killed") == whole
    assert whole[1][-1] < whole[1][0]
    finish(folder / "killed")
    assert not list((folder / "killed").glob("*.pt"))


def test_a_file_of_it_is_the_same_network(folder: Path) -> None:
    network, said = from_segmentation(folder / "unet.safetensors")
    heads = gather(folder / "data", PATIENTS, said.inputs)
    state, _ = train(network, heads, recipe(epochs=1), 7, folder / "checkpoints")
    save_model(folder / "clicks.safetensors", state, said.model_copy(update={"name": "clicks"}))
    network.load_state_dict(state)
    loaded, again = load_network(folder / "clicks.safetensors")
    seen = torch.from_numpy(np.random.default_rng(0).normal(size=(2, CHANNELS, 32, 32)).astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(seen), network.eval()(seen), rtol=0, atol=1e-5)
    assert again.name == "clicks"


def test_nobody_to_learn_from(folder: Path) -> None:
    with pytest.raises(DataError, match="no training patient"):
        gather(folder / "data", [], info().inputs)
