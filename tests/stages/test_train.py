"""What a training says, and what it does not."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from brainseg.errors import ParamsError
from stages.train import train_network


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
