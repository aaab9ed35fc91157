"""What goes wrong while a stage works: memory, disks, a loss that diverges, a defect of ours."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from tests.pipeline import change_params, run_here
from tests.stages.folders import require_refusal


def test_a_diverged_loss_says_what_to_lower(folder, capsys, monkeypatch):
    from brainseg.model import training

    monkeypatch.setattr(training, "dice_bce", lambda *_: torch.tensor(float("nan")))
    require_refusal("train_unet", folder, capsys, "the loss became nan in epoch 1; lower the learning rate")


def test_memory_that_runs_out_says_what_to_lower(folder, capsys, monkeypatch):
    from brainseg.model import training

    def exhausted(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "dice_bce", exhausted)
    require_refusal("train_unet", folder, capsys, "memory ran out while training with train.batch_size 4")


@pytest.mark.parametrize(
    ("stage", "number", "sentence"),
    [
        ("clahe", errno.ENOSPC, "no space left while writing .*; free some space"),
        ("clahe", errno.EDQUOT, "no space left while writing"),
        ("clahe", errno.EACCES, "no permission for .*; change its owner or mode"),
        ("download", errno.ENOSPC, "The disk of data/raw is full; make room"),
        ("download", errno.EACCES, r"Download into data/raw failed \(Permission denied"),
    ],
)
def test_a_disk_that_refuses_is_named(stage, number, sentence, folder, capsys, monkeypatch):
    def refuse(name: object, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(name))

    monkeypatch.setattr(np, "savez_compressed", refuse)
    monkeypatch.setattr(tifffile, "imwrite", refuse)
    require_refusal(stage, folder, capsys, sentence)


def test_no_space_in_the_middle_of_a_metrics_file(folder, capsys, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as `write` raises it: without a name

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    require_refusal("split", folder, capsys, "no space left while writing a file; free some space")


def test_a_folder_without_permission_is_named(folder, capsys, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "data/.clahe.x")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)  # chmod does not stop root, who runs the tests in a container
    require_refusal("clahe", folder, capsys, r"no permission for data/\.clahe\.x; change its owner or mode")


def test_a_failure_writes_no_line_in_the_log(folder, capsys):
    before = Path("logs/stages.csv").read_text()
    change_params(folder, {"clahe": {"tile_grid": 0}})
    assert run_here("clahe", capsys).status == 2
    assert Path("logs/stages.csv").read_text() == before
    change_params(folder, {"clahe": {"tile_grid": 2}})
    assert run_here("clahe", capsys).status == 0
    (line,) = Path("logs/stages.csv").read_text().removeprefix(before).splitlines()
    assert line.split(",")[1] == "clahe"


def test_a_defect_keeps_its_traceback(folder, capsys, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(np, "savez_compressed", broken)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        run_here("clahe", capsys)
    assert not [path for path in Path().rglob(".*")]
