"""The tables of docs/trust.md, of figures that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from release.trust_tables import trust_features, trust_levels, trust_table

FIGURE = {"value": 0.5, "ci95_low": 0.25, "ci95_high": 0.75}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    worth = {
        "n": 9, "dice_mean": 0.875, "pearson_r": FIGURE, "aurc": FIGURE, "aurc_oracle": 0.1, "aurc_chance": 0.2,
        "n_dice_below_070": 2, "n_dice_below_080": 3,
        "levels": {"good": {"n": 9, "dice_mean": 0.9, "dice_min": 0.8}, "check": {"n": 0}},
    }  # fmt: skip
    feature = {"sentence": "what it is", "pearson_r": 0.5, "in_model": True}
    feature["without"] = {"pearson_r": -0.0625, "mean_absolute_error": 0.0125}
    found = {"made_from": "rows.csv", "setup": "a", "trust": worth, "volume_gap_alone": {"pearson_r": FIGURE}}
    found |= {"setups": {"b": worth}, "features": {"peak": feature}}
    pooled = {"ensemble": {"pooled": {"n": 88, "dice_mean": 0.75}}}
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "crossval_trust.json").write_text(json.dumps(found))
    (tmp_path / "metrics" / "crossval.json").write_text(json.dumps(pooled))
    limits = {"made_from": "rows.csv", "setups": {"a": {"levels": {"good": 0.87, "unreliable": 0.78}}}}
    (tmp_path / "brainseg" / "trust").mkdir(parents=True)
    (tmp_path / "brainseg" / "trust" / "calibration.json").write_text(json.dumps(limits))
    return tmp_path


def test_figures_stand_beside_one_feature_oracle_and_chance(root: Path):
    text = trust_table(root)
    assert "| Pearson r of expected and real Dice | 0.500 (0.250 to 0.750) | 0.500 |  |  |" in text
    assert "| AURC | 0.500 (0.250 to 0.750) |  | 0.100 | 0.200 |" in text
    assert "9 patients of `rows.csv`" in text
    assert "masks with a Dice below 0.7: 2, below 0.8: 3. Their mean Dice is 0.875" in text
    assert "all 88 patients of the cross-validation is 0.750" in text


def test_levels_setups_and_features(root: Path):
    assert "| `good` | 0.87 or more | 9 | 0.900 | 0.800 |" in trust_levels(root)
    assert "| `check` | 0.78 to 0.87 | 0 |  |  |" in trust_levels(root)
    assert "| `b` | 0.500 |" in trust_levels(root)
    assert "| `peak` | what it is | +0.50 | yes | -0.062 | +0.0125 |" in trust_features(root)
