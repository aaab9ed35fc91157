import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg.errors import TrainingError
from brainseg.model import checkpoint, training
from brainseg.model.dataset import TrainingData
from brainseg.model.networks import build_network
from brainseg.model.training import Reporter, finish, train
from tests.model.small import digest, network_params, train_params


class StopError(Exception):
    """Stands for a kill between two epochs."""


class Told(Reporter):
    """Keeps what it is told; stops the training after one epoch where asked."""

    def __init__(self, stop_after: int | None = None):
        self.stop_after, self.continued_after, self.epochs = stop_after, [], []

    def resumed(self, epoch: int) -> None:
        self.continued_after.append(epoch)

    def epoch(self, history: list[dict[str, float]]) -> None:
        self.epochs.append(history[-1]["epoch"])
        if history[-1]["epoch"] == self.stop_after:
            raise StopError


def test_learns_and_keeps_the_best_epoch(data: TrainingData, tmp_path: Path) -> None:
    trained = train("unet", network_params(epochs=30), train_params(keep="best"), data, 1, tmp_path)
    scores = [row["val_dice"] for row in trained.history]
    assert scores[0] < 0.5
    assert trained.kept_row["val_dice"] == max(scores) > 0.8
    assert [row["epoch"] for row in trained.history] == list(range(1, 31))
    rates = [row["lr"] for row in trained.history]
    assert max(rates) == pytest.approx(0.01, rel=0.1)
    assert rates[-1] < 1e-4


def test_same_seed_same_bytes_other_seed_other_bytes(data: TrainingData, tmp_path: Path) -> None:
    digests = [
        digest(train("unet", network_params(), train_params(), data, seed, tmp_path / str(i)).state)
        for i, seed in enumerate((1, 1, 2))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_interrupted_after_any_epoch_ends_with_the_same_bytes(data: TrainingData, tmp_path: Path) -> None:
    whole = train("unet", network_params(epochs=4), train_params(), data, 1, tmp_path / "whole")
    for stop_after in (1, 3):
        folder = tmp_path / str(stop_after)
        with pytest.raises(StopError):
            train("unet", network_params(epochs=4), train_params(), data, 1, folder, Told(stop_after))
        told = Told()
        resumed = train("unet", network_params(epochs=4), train_params(), data, 1, folder, told)
        assert (told.continued_after, told.epochs) == ([stop_after], list(range(stop_after + 1, 5)))
        assert resumed.history == whole.history
        assert digest(resumed.state) == digest(whole.state)


def test_a_checkpoint_of_another_run_is_not_continued(data: TrainingData, tmp_path: Path) -> None:
    train("unet", network_params(), train_params(), data, 1, tmp_path)
    told = Told()
    train("unet", network_params(lr=0.02), train_params(), data, 1, tmp_path, told)
    assert (told.continued_after, told.epochs) == ([], [1, 2, 3])
    assert len(list(tmp_path.glob("*.pt"))) == 1


def test_a_damaged_checkpoint_starts_over_and_says_so(
    data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train("unet", network_params(), train_params(), data, 1, tmp_path)
    path = next(tmp_path.glob("*.pt"))
    content = path.read_bytes()
    for damaged in (content[:1000], content[: len(content) // 2] + bytes(64) + content[len(content) // 2 + 64 :]):
        path.write_bytes(damaged)
        told = Told()
        again = train("unet", network_params(), train_params(), data, 1, tmp_path, told)
        assert digest(again.state) == digest(whole.state)
        assert (told.continued_after, told.epochs) == ([], [1, 2, 3])
        assert f"{path} is damaged or of an older version: training starts anew" in capsys.readouterr().err


def test_no_bit_of_a_checkpoint_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    checkpoint.write(path, {"weights": torch.arange(8.0), "history": [1]})
    whole = path.read_bytes()
    found = checkpoint.read(path)
    assert found is not None
    assert found["weights"].tolist() == list(range(8))
    generator = np.random.default_rng(0)
    for at, bit in zip(generator.integers(len(whole), size=300), generator.integers(8, size=300), strict=True):
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        path.write_bytes(changed)
        assert checkpoint.read(path) is None
        assert not path.exists()


def test_a_checkpoint_without_a_digest_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.pt"
    torch.save({"history": [1]}, path)
    assert checkpoint.read(path) is None
    assert "of an older version" in capsys.readouterr().err


def test_finish_leaves_nothing(data: TrainingData, tmp_path: Path) -> None:
    train("unet", network_params(epochs=1), train_params(), data, 1, tmp_path)
    (tmp_path / ".half.pt").touch()
    finish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_epochs_keeps_the_initial_weights(data: TrainingData, tmp_path: Path) -> None:
    trained = train("unet", network_params(epochs=0), train_params(), data, 1, tmp_path)
    torch.manual_seed(1)
    initial = build_network("unet", network_params()).state_dict()
    assert all(torch.equal(value, trained.state[key]) for key, value in initial.items())
    assert trained.history[0]["epoch"] == 0
    assert trained.history[0]["val_dice"] < 0.5


def test_scores_by_patient_are_of_the_kept_epoch(data: TrainingData, tmp_path: Path) -> None:
    trained = train("unet", network_params(), train_params(), data, 1, tmp_path)
    assert trained.scores.keys() == data.validation.keys()
    assert np.mean(list(trained.scores.values())) == pytest.approx(trained.kept_row["val_dice"])


def test_without_validation_the_last_epoch_is_kept(data: TrainingData, tmp_path: Path) -> None:
    """What is validated does not change what is learnt."""
    alone = TrainingData(data.images, data.masks, {}, data.patients)
    validated = train("unet", network_params(), train_params(), data, 1, tmp_path / "a")
    trained = train("unet", network_params(), train_params(patience=1), alone, 1, tmp_path / "b")
    assert [row["train_loss"] for row in trained.history] == [row["train_loss"] for row in validated.history]
    assert trained.kept_row == trained.history[-1]
    assert "val_dice" not in trained.kept_row
    assert trained.scores == {}


def test_replicates_differ_and_repeat(data: TrainingData, tmp_path: Path) -> None:
    digests = [
        digest(train("unet", network_params(epochs=1), train_params(replicate=r), data, 1, tmp_path / str(i)).state)
        for i, r in enumerate((0, 1, 1, 2))
    ]
    assert digests[1] == digests[2]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(("slices", "sizes"), [(9, [4, 5]), (8, [4, 4]), (10, [4, 4, 2]), (1, [1])])
def test_one_slice_left_over_joins_the_batch_before(slices: int, sizes: list[int]) -> None:
    batches = training._batches(torch.arange(slices), train_params(batch_size=4))
    assert [len(batch) for batch in batches] == sizes
    assert torch.cat(batches).tolist() == list(range(slices))


def test_the_last_epoch_is_kept_whatever_validation_says(data: TrainingData, tmp_path: Path) -> None:
    # a rate this small never changes the score, so that the first epoch is the best, and patience would stop it
    last = train_params(keep="last", patience=2)
    trained = train("unet", network_params(epochs=5, lr=1e-12), last, data, 1, tmp_path)
    assert trained.kept_row == trained.history[-1]
    assert trained.kept_row["epoch"] == 5
    assert trained.scores.keys() == data.validation.keys()


def test_early_stopping(data: TrainingData, tmp_path: Path) -> None:
    # a rate this small never changes the score, so that the first epoch stays the best
    trained = train(
        "unet", network_params(epochs=9, lr=1e-12), train_params(keep="best", patience=2), data, 1, tmp_path
    )
    assert [row["epoch"] for row in trained.history] == [1, 2, 3]
    assert trained.kept_row["epoch"] == 1


def test_divergence_is_said(data: TrainingData, tmp_path: Path) -> None:
    broken = TrainingData(np.full_like(data.images, np.nan), data.masks, data.validation, data.patients)
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 1; lower the learning rate"):
        train("unet", network_params(), train_params(), broken, 1, tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_is_said(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(training, "dice_bce", fail)
    with pytest.raises(TrainingError, match=r"train\.batch_size 4 and train\.input_size 32; lower one"):
        train("unet", network_params(), train_params(), data, 1, tmp_path)


def test_cuda_where_there_is_none(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="sees no CUDA device"):
        train("unet", network_params(), train_params(device="cuda"), data, 1, tmp_path)


def test_checkpoints_survive_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.pt"
    checkpoint.write(path, {"history": [1]})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write(path, {"history": [2]})
    assert checkpoint.read(path) == {"history": [1]}
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from brainseg.model.dataset import gather
from brainseg.model.training import train
from tests.model.small import digest, network_params, train_params
folder = Path(sys.argv[1])
data = gather(folder, pd.read_csv(folder / "index.csv"), pd.read_csv(folder / "split.csv"), train_params().inputs)
trained = train("unet", network_params(epochs=25), train_params(), data, 1, Path(sys.argv[2]))
print(digest(trained.state))
"""


@pytest.mark.slow
def test_sigkill_at_random_moments_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    started = time.monotonic()
    whole = subprocess.run([*command, str(tmp_path / "whole")], env=environment, capture_output=True, check=True)
    seconds = time.monotonic() - started
    moments = np.random.default_rng(0).uniform(0.3, 0.95, 5) * seconds
    for moment in moments:
        process = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment, stdout=subprocess.DEVNULL)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    resumed = subprocess.run([*command, str(tmp_path / "killed")], env=environment, capture_output=True, check=True)
    assert resumed.stdout == whole.stdout != b""
