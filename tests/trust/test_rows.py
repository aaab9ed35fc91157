"""Rows of masks with known truth, to a CSV and back."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainseg.errors import DataError
from brainseg.trust.features import FEATURES, features
from brainseg.trust.opinions import Opinions
from brainseg.trust.rows import COLUMNS, read_rows, row


@pytest.fixture(scope="module")
def opinions() -> Opinions:
    probability = np.zeros((4, 30, 30), np.float32)
    probability[1:3, 10:20, 10:20] = 0.9
    flair = np.full(probability.shape, 90, np.uint8)
    return Opinions({"a": probability}, {}, probability > 0.5, 0.5, np.ones(probability.shape, bool), flair, 0)


@pytest.fixture(scope="module")
def line(opinions: Opinions) -> dict[str, Any]:
    truth = np.zeros(opinions.mask.shape, bool)
    truth[1:3, 10:20, 15:25] = True  # half of the mask, and as much beside it
    return row("unet", "TCGA_CS_1", 3, opinions, truth)


def write(path: Path, lines: list[dict[str, Any]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_a_row_holds_the_truth_beside_the_features(line: dict[str, Any], opinions: Opinions):
    assert tuple(line) == COLUMNS
    assert [line[name] for name in ("setup", "patient", "fold", "institution")] == ["unet", "TCGA_CS_1", 3, "CS"]
    assert (line["dice"], line["true_volume"], line["predicted_volume"]) == (0.5, 200, 200)
    assert {name: line[name] for name in FEATURES} == features(opinions)


def test_rows_are_read_as_they_were_written(tmp_path: Path, line: dict[str, Any]):
    found = read_rows(write(tmp_path / "rows.csv", [line, line | {"patient": "007", "fold": "4", "dice": 0.25}]))
    assert found.patient.tolist() == ["TCGA_CS_1", "007"]
    assert found.fold.tolist() == ["3", "4"]
    assert found.dice.tolist() == [0.5, 0.25]
    assert found.true_volume.dtype == np.int64
    assert {name: values[0] for name, values in found.features.items()} == pytest.approx(features_of(line))
    part = found.of(found.fold == "4")
    assert (len(part), part.patient[0], part.features["peak"].shape) == (1, "007", (1,))


def features_of(line: dict[str, Any]) -> dict[str, float]:
    return {name: line[name] for name in FEATURES}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dice": "nan"}, "dice of TCGA_CS_1 is 'nan', expected a finite number"),
        ({"peak": ""}, "peak of TCGA_CS_1 is '', expected a finite number"),
        ({"dice": 1.5}, "hold a dice below 0 or above 1"),
        ({"true_volume": -1}, "hold a true_volume below 0"),
    ],
)
def test_figures_that_cannot_be_are_named(tmp_path: Path, line: dict[str, Any], change: dict[str, Any], message: str):
    with pytest.raises(DataError, match=message):
        read_rows(write(tmp_path / "rows.csv", [line | change]))


def test_files_that_hold_no_rows_are_one_sentence(tmp_path: Path, line: dict[str, Any]):
    with pytest.raises(DataError, match=r"rows\.csv does not exist; `python -m studies.trust gather` makes it"):
        read_rows(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="hold no patient"):
        read_rows(write(tmp_path / "rows.csv", []))
    with pytest.raises(DataError, match="lacks the columns peak, scattered"):
        read_rows(write(tmp_path / "rows.csv", [line], tuple(set(COLUMNS) - {"peak", "scattered"})))
    with pytest.raises(DataError, match="hold TCGA_CS_1 twice"):
        read_rows(write(tmp_path / "rows.csv", [line, line]))
    other = line | {"setup": "unet+flips"}
    assert read_rows(write(tmp_path / "rows.csv", [line, other])).setup.tolist() == ["unet", "unet+flips"]
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a CSV table"):
        read_rows(tmp_path / "bytes.csv")
