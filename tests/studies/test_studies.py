import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from brainseg.errors import DataError
from brainseg.params import read_yaml
from studies import ablation, crossval, failures
from studies.ablation_page import page

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "studies" / "results"
PLAN = yaml.safe_load((ROOT / "studies" / "ablation.yaml").read_text(encoding="utf-8"))


def test_every_row_names_parameters_that_exist_and_has_a_name_of_its_own():
    params = read_yaml(ROOT / "params.yaml")
    planned = ablation.rows(PLAN)
    assert len({row["name"] for row in planned}) == len(planned)
    for row in planned:
        for key in row["set"]:
            section, *rest = key.split(".")
            value = params[section]
            for part in rest:
                value = value[part]


def test_the_page_is_that_of_the_committed_results():
    results = json.loads((RESULTS / "ablation.json").read_text(encoding="utf-8"))
    leak = json.loads((RESULTS / "leak.json").read_text(encoding="utf-8"))
    commands = {row["name"]: " ".join(ablation.command(row)) for row in ablation.rows(PLAN)}
    assert {name: commands[name] for name in results} == {name: row["command"] for name, row in results.items()}
    assert (ROOT / "docs" / "ablation.md").read_text(encoding="utf-8") == page(PLAN, results, leak)


def test_the_steps_on_the_page_are_those_of_the_measured_row():
    row = json.loads((RESULTS / "ablation.json").read_text(encoding="utf-8"))["post"]
    kept = [step["dice"] for step in row["trail"] if step["kept"]]
    assert (kept[0], kept[-1]) == (row["val"]["ensemble"]["dice_plain"], row["val"]["ensemble"]["dice_chosen"])


def test_chance_and_changes_on_the_page():
    """Two repetitions 0.02 apart: standard deviation 0.02 / sqrt(2)."""

    def found(a: float, b: float) -> dict:
        dice = {"A": a, "B": b}
        mean = (a + b) / 2
        return {
            "val_dice": mean, "val_dice_median": mean, "val_dice_by_patient": dice, "train_slices": 9, "seconds": 90,
            "command": "dvc exp run",
        }  # fmt: skip

    rows = [{"name": "base", "what": "x"}, {"name": "base-1", "what": "x", "set": {"train.replicate": 1}}]
    other = [{"name": "other", "what": "something else", "set": {"unet.lr": 1}}]
    plan = {"budget": {"unet.epochs": 4}, "groups": [{"name": "One", "rows": rows}, {"name": "Two", "rows": other}]}
    text = page(plan, {"base": found(0.8, 0.6), "base-1": found(0.8, 0.64), "other": found(0.9, 0.5)}, {})
    assert "standard deviation of 0.014 (0.000 with CLAHE)" in text.replace("\n", " ")
    assert "| something else | 0.700 | 0.700 | -0.010 | -0.010 | 1 of 2 | 9 | 1.5 | `other` `-S unet.lr=1` |" in text


def test_rows_of_other_stages_have_a_line_per_model():
    scored = {"slice": {"dice": 0.8, "n": 20}, "volume": {"dice_mean": 0.9, "n": 3}}
    chosen = {"dice_plain": 0.85, "dice_chosen": 0.86, "chosen": {"threshold": 0.6, "fill_holes": False}}
    found = {
        "base": {"val_dice_by_patient": {"A": 0.5}},
        "leak": {"command": "dvc a", "test": dict.fromkeys(("unet", "unetpp", "ensemble"), scored)},
        "post": {"command": "dvc b", "val": dict.fromkeys(("unet", "unetpp", "ensemble"), chosen)},
    }
    groups = [
        {"name": "Leak", "target": "evaluate", "rows": [{"name": "leak", "what": "by slice"}]},
        {"name": "Post", "target": "postprocess", "rows": [{"name": "post", "what": "as it is"}]},
    ]
    trail = [{"step": "start", "candidate": 0.5, "dice": 0.85, "kept": True},
             {"step": "min_component_px", "candidate": 20, "dice": 0.84, "kept": False}]  # fmt: skip
    found["post"]["trail"] = trail
    leaks = {"slices": 9, "patients": 4, "leaky_slice_dice": 0.9, "honest_slice_dice": 0.8}
    leaks["by_patient"] = {"difference": 0.1, "low": 0.05, "high": 0.15}
    groups[0]["leak"] = True
    lines = page({"budget": {}, "groups": groups}, found, {"unet": leaks}).splitlines()
    assert "| unet | 9 | 4 | 0.900 | 0.800 | +0.100 (0.050 to 0.150) |" in lines
    assert lines[-2:] == ["| start | 0.5 | 0.8500 | yes |", "| min component px | 20 | 0.8400 | no |"]
    for name in ("unet", "unetpp", "ensemble"):
        assert f"| by slice | {name} | 0.800 (n 20) | 0.900 (n 3) | `leak` |" in lines
        assert f"| as it is | {name} | 0.850 | 0.860 | threshold 0.6, fill_holes False | `post` |" in lines


def folds() -> pd.DataFrame:
    dice = {"A": 0.9, "B": 0.7, "C": 0.8}
    rows = [
        {"fold": f, "recipe": "r", "model": m, "patient": p, "dice": dice[p]}
        for m in ("unet", "unetpp")
        for f, p in ((0, "A"), (0, "B"), (1, "C"))
    ]
    return pd.DataFrame(rows)


def test_pooled_by_patient_is_not_the_mean_of_folds():
    summary = crossval.summarise(folds(), seed=1)
    assert summary["folds_done"] == 2
    assert summary["unet"]["pooled"]["dice_mean"] == pytest.approx(0.8)
    assert summary["unet"]["pooled"]["dice_median"] == 0.8
    assert summary["unet"]["pooled"]["dice_min"] == 0.7
    assert summary["unet"]["pooled"]["n"] == 3
    assert summary["unetpp"]["folds"]["1"]["dice_mean"] == 0.8


def test_folds_that_do_not_belong_together_are_refused():
    table = folds()
    with pytest.raises(DataError, match="different parameters"):
        crossval.summarise(table.assign(recipe=["a", "b"] * 3), seed=1)
    with pytest.raises(DataError, match="in the test of two folds"):
        crossval.summarise(table.assign(patient="A"), seed=1)


def test_kinds_of_error_are_counted_where_they_are():
    """Slices: one shifted by a pixel, one with a far part missed, one missed whole, one invented; each pixel once."""
    truth, prediction = np.zeros((2, 4, 40, 40), bool)
    truth[0, 10:20, 10:20] = True
    prediction[0, 11:21, 10:20] = True  # 10 missed and 10 added, at the edge
    truth[1, 5:8, 5:35] = True
    prediction[1, 5:8, 5:20] = True
    prediction[1, 20:24, 5:10] = True  # 20 added, far away
    truth[2, 0:2, 0:5] = True  # 10 in a missed slice
    prediction[3, 0:5, 0:6] = True  # 30 in an invented one
    found = failures.errors(truth, prediction)
    # of the 45 missed in slice 1 all lie within 2 px of the outline: it is 3 px thick
    assert found["dice"] == pytest.approx(2 * (90 + 45) / (100 + 90 + 10 + 100 + 45 + 20 + 30))
    wrong = 20 + 45 + 20 + 10 + 30
    assert found["edge"] == pytest.approx(65 / wrong, abs=1e-3)
    assert found["missed"] == 0
    assert found["added"] == pytest.approx(20 / wrong, abs=1e-3)
    assert found["missed_slices"] == pytest.approx(10 / wrong, abs=1e-3)
    assert found["added_slices"] == pytest.approx(30 / wrong, abs=1e-3)


def test_a_study_says_a_users_mistake_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["failures", "--models", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("studies.failures", run_name="__main__")
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"error: {tmp_path / 'nowhere'} does not exist")
    assert said.count("\n") == 1
