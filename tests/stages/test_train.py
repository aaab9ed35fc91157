"""What a training says, and what it does not."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd
import pytest
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from brainseg.errors import ParamsError
from stages.train import _Told, train_network


def test_no_hint_of_slurm_where_srun_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    srun = tmp_path / "srun"
    srun.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(UserWarning, match="srun"):
        SLURMEnvironment._validate_srun_used()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ParamsError, match="does not exist"):
            train_network("unet", *[tmp_path] * 5, params=tmp_path / "none.yaml")
        SLURMEnvironment._validate_srun_used()
    assert not caught


def test_the_curves_grow_while_it_trains(tmp_path: Path, capsys) -> None:
    rows = [{"epoch": n, "lr": 0.1, "train_loss": 1 / n, "val_dice": n / 4} for n in (1, 2, 3)]
    told = _Told(3, tmp_path / "history_unet.csv")
    for n in (2, 3):  # the first was learnt before a kill
        told.epoch(rows[:n])
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history_unet.csv"), pd.DataFrame(rows[:n]), rtol=1e-5)
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  validation")[0] for line in said] == ["epoch 2/3  loss 0.5000", "epoch 3/3  loss 0.3333"]
