"""The stage around a training: what it leaves when it was killed at its very end."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import stages.train
from tests.model.small import network_params, train_params
from tests.pipeline import ROOT, change_params


def test_killed_behind_the_last_epoch_it_still_writes_the_curves(folder, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    small = network_params(epochs=2).model_dump(exclude={"architecture"})
    change_params(tmp_path, {"train": train_params().model_dump(), "unet": small})
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["unet"]["epochs"] == 2
    places = (folder, folder / "index.csv", folder / "split.csv", tmp_path / "unet.safetensors", tmp_path)

    def run() -> None:
        stages.train.train_network(
            "unet", *places, params=tmp_path / "params.yaml", checkpoints=tmp_path / "state", validate=True
        )

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages.train, "save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    curves: Path = tmp_path / "history_unet.csv"
    before = curves.read_bytes()
    curves.unlink()  # as DVC does before it runs a stage again
    run()
    assert curves.read_bytes() == before
    assert before.count(b"\n") == 3
