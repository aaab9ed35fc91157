"""What the stage tells while it trains."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.train import _Told


def test_the_curves_grow_while_it_trains(tmp_path: Path, capsys) -> None:
    rows = [{"epoch": n, "lr": 0.1, "train_loss": 1 / n, "val_dice": n / 4} for n in (1, 2, 3)]
    told = _Told(3, tmp_path / "history_unet.csv")
    for n in (2, 3):  # the first was learnt before a kill
        told.epoch(rows[:n])
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history_unet.csv"), pd.DataFrame(rows[:n]), rtol=1e-5)
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  validation")[0] for line in said] == ["epoch 2/3  loss 0.5000", "epoch 3/3  loss 0.3333"]
