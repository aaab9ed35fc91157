"""A training that two processes share, on the CPU by gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from brainseg.errors import TrainingError
from brainseg.model.augment import augment
from brainseg.model.processes import Share, launch
from tests.cohort.processes import wait_until
from tests.model.small import AUGMENT, network_params, train_params
from tests.pipeline import ROOT, begin, change_params, done


def share(rank: int, world: int) -> Share:
    return Share(SimpleNamespace(global_rank=rank, world_size=world))


@pytest.mark.parametrize(("n", "world"), [(8, 2), (7, 2), (5, 3)])
def test_all_rows_are_somebodys_and_the_weighed_losses_mean_that_of_the_batch(n, world):
    losses = torch.arange(n, dtype=torch.float32)
    rows = [share(rank, world).rows(n) for rank in range(world)]
    assert torch.cat([losses[part] for part in rows]).tolist() == losses.tolist()
    weighed = [share(r, world).weigh(losses[part].mean(), len(losses[part]), n) for r, part in enumerate(rows)]
    assert torch.stack(weighed).mean().item() == pytest.approx(losses.mean().item())


def test_a_slice_is_changed_alike_however_many_share_its_batch():
    images, masks = torch.randn(5, 3, 32, 32), torch.rand(5, 1, 32, 32)
    strengths = train_params(augment=AUGMENT | {"bias": 0.3, "flair_only": 0.2}).augment
    whole = augment(images, masks, strengths, torch.Generator().manual_seed(1))
    for rank in range(2):
        rows = share(rank, 2).rows(5)
        part = augment(images[rows], masks[rows], strengths, torch.Generator().manual_seed(1), rows, 5)
        assert all(torch.equal(of[rows], found) for of, found in zip(whole, part, strict=True))


def test_several_nodes_are_not_started_by_themselves(monkeypatch):
    for name in ("WORLD_SIZE", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match=r"train\.nodes is 2: start the stage on each of them by srun"):
        launch(1, 2, "stages.train", [])


def start(folder: Path, out: Path, devices: int) -> subprocess.Popen[str]:
    """The stage on the patients in `folder`."""
    out.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    (out / "params.yaml").write_text(yaml.safe_dump(content))
    shared = train_params(devices=devices).model_dump()
    change_params(out, {"train": shared, "unet": network_params(epochs=6).model_dump(exclude={"architecture"})})
    options = ["--checkpoints", out / "state", "--params", out / "params.yaml"]
    line = ["unet", folder, folder / "index.csv", folder / "split.csv", out / "unet.safetensors", out, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return begin("stages.train", *line, cwd=out, environment=environment)


def children(process: int) -> list[int]:
    """Of a process: torchrun's workers are in groups of their own."""
    found = subprocess.run(["pgrep", "-P", str(process)], text=True, capture_output=True, check=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.slow
def test_two_processes_train_as_well_as_one_give_the_same_bytes_and_go_on_after_a_kill(folder, tmp_path):
    for name, devices in (("one", 1), ("two", 2)):
        done(start(folder, tmp_path / name, devices), 1200)
    dice = {name: json.loads((tmp_path / name / "train_unet.json").read_text())["val_dice"] for name in ("one", "two")}
    assert dice["two"] == pytest.approx(dice["one"], abs=0.15)
    for name in ("worker", "torchrun"):
        out = tmp_path / name
        run = start(folder, out, 2)
        wait_until(lambda out=out: any((out / "state" / "unet").glob("[!.]*.pt")), seconds=600)
        (torchrun,) = children(run.pid)
        os.kill(torchrun if name == "torchrun" else children(torchrun)[-1], signal.SIGKILL)
        said = run.communicate(timeout=600)[0]
        assert run.returncode == 2
        assert "one of the processes of the training failed, and all were stopped" in said
        assert "epoch 6/6" not in said
        assert "continuing after epoch" in done(start(folder, out, 2), 1200)
        again, first = (load_file(path / "unet.safetensors") for path in (out, tmp_path / "two"))
        assert all(torch.equal(again[key], first[key]) for key in first)
