from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.data import slices
from brainseg.errors import DataError
from brainseg.model.dataset import TrainingData, gather, select, split_slices
from brainseg.preprocess.inputs import InputParams, network_input

GRID = InputParams(input_size=32, crop_to_brain=False, normalization="zscore", neighbours=0, mirror=False)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_csv(folder / "index.csv"), pd.read_csv(folder / "split.csv")


def test_training_takes_kept_slices_and_validation_whole_volumes(folder: Path, data: TrainingData) -> None:
    assert data.patients == ["P0", "P1", "P2", "P3"]
    assert data.images.shape == (16, 3, 32, 32)
    assert data.images.dtype == np.float16
    assert data.masks.reshape(16, -1).sum(1).tolist() == [100] * 16
    assert list(data.validation) == ["P4"]
    whole = slices.load(folder / "P4.npz")
    np.testing.assert_array_equal(data.validation["P4"].truth, whole.masks)
    np.testing.assert_array_equal(data.validation["P4"].inputs, network_input(whole, GRID))
    first = network_input(slices.load(folder / "P0.npz"), GRID)[1]
    np.testing.assert_array_equal(data.images[0], first.astype(np.float16))


def test_a_patient_on_both_sides_of_a_split_by_slice_gives_only_its_slices(folder: Path) -> None:
    index, split = tables(folder)
    split["split"] = np.where(split["slice"] == 5, "val", "train")
    leaky = gather(folder, index, split, GRID)
    assert len(leaky.images) == 6 * 3
    assert [volume.inputs.shape[0] for volume in leaky.validation.values()] == [1] * 6


def test_nothing_is_validated_where_nobody_is_left_to_validate_on_and_only_if_that_is_meant(folder: Path) -> None:
    index, split = tables(folder)
    with pytest.raises(DataError, match="no val slices"):
        gather(folder, index, split.assign(split="train"), GRID)
    whole = gather(folder, index, split.assign(split="train"), GRID, validate=False)
    assert whole.validation == {}
    assert whole.patients == [f"P{i}" for i in range(6)]


def test_what_is_missing_is_named(folder: Path) -> None:
    index, split = tables(folder)
    with pytest.raises(DataError, match="no val slices"):
        gather(folder, index, split[split["split"] != "val"], GRID)
    renamed = [table.replace({"patient": {"P0": "P9"}}) for table in (index, split)]
    with pytest.raises(DataError, match=r"P9\.npz does not exist"):
        gather(folder, *renamed, GRID)
    with pytest.raises(DataError, match="slice 77 is in the split"):
        select(slices.load(folder / "P0.npz"), [1, 77])


def test_select_keeps_order(folder: Path) -> None:
    chosen = select(slices.load(folder / "P0.npz"), [4, 2])
    assert chosen.slices.tolist() == [2, 4]


def test_split_slices(folder: Path) -> None:
    _, split = tables(folder)
    assert split_slices(split, "test") == {"P5": [1, 2, 3, 4, 5]}
