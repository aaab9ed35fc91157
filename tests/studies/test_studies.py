import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from brainseg.data import slices
from brainseg.errors import DataError
from brainseg.inference.models import load_models
from brainseg.inference.postprocess import Choice
from brainseg.model.networks import NETWORKS, NetworkParams, build_network
from brainseg.model.shipped import FOLDER, halve
from brainseg.model.store import ModelInfo, load_model, save_model
from brainseg.params import read_yaml, validate
from studies import ablation, crossval, failures, release
from studies.ablation_page import page
from tests.model.conftest import blob_patient, run_params, train_params
from tests.model.test_store import info

ROOT = Path(__file__).resolve().parents[2]
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
    results = json.loads((ROOT / "docs" / "ablation.json").read_text(encoding="utf-8"))
    commands = {row["name"]: " ".join(ablation.command(row)) for row in ablation.rows(PLAN)}
    assert {name: commands[name] for name in results} == {name: row["command"] for name, row in results.items()}
    assert (ROOT / "docs" / "ablation.md").read_text(encoding="utf-8") == page(PLAN, results)


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
    text = page(plan, {"base": found(0.8, 0.6), "base-1": found(0.8, 0.64), "other": found(0.9, 0.5)})
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
    lines = page({"budget": {}, "groups": groups}, found).splitlines()
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


def test_halving_keeps_norms_and_refuses_what_does_not_fit():
    state = build_network("unet", NetworkParams(**run_params().model_dump(include=set(NetworkParams.model_fields))))
    small = halve(state.state_dict())
    assert {value.dtype for value in small.values() if value.ndim > 1} == {torch.float16}
    assert {value.dtype for key, value in small.items() if key.endswith("running_var")} == {torch.float32}
    with pytest.raises(DataError, match="big exceed half precision"):
        halve({"big": torch.full((2, 2), 1e6)})


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """What `train` leaves in release/, with small networks, beside data, models and metrics."""
    patients = ["P0", "P1"]
    for seed, patient in enumerate(patients):
        slices.save(tmp_path / "data" / f"{patient}.npz", blob_patient(seed))
    run, shared = run_params(), train_params()
    training = {"patients": patients, "train_patients": 2, "train_slices": 8} | {
        "train": shared.model_dump(mode="json"), "run": run.model_dump(mode="json"),
    }  # fmt: skip
    choice = Choice(threshold=0.4).model_dump() | {"tta": True}
    for seed, name in enumerate(NETWORKS):
        torch.manual_seed(seed)
        network = build_network("unet", run)  # the plain U-Net for both: small
        said = info(name=name, network=NetworkParams(**run.model_dump(include=set(NetworkParams.model_fields))))
        said = said.model_copy(update={"training": training, "inputs": shared.inputs})
        save_model(tmp_path / "release" / f"{name}.safetensors", network.state_dict(), said)
    for name in (*NETWORKS, "ensemble"):
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / f"{name}.json").write_text(json.dumps({"postprocess": choice}))
    entry = {"volume": {"dice_mean": 0.9, "dice_median": 0.91, "n": 1}}
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "test.json").write_text(json.dumps(dict.fromkeys((*NETWORKS, "ensemble"), entry)))
    return tmp_path


def test_shipped_files_give_the_figures_that_they_claim(trained: Path):
    weights, data = trained / "weights", trained / "data"
    release.write(data, trained / "release", trained / "models", trained / "metrics", weights)
    assert list(load_models(weights, runtime="torch").networks) == list(NETWORKS)
    assert json.loads((weights / "ensemble.json").read_text())["metrics"]["fitted"]["n"] == 2
    assert "| ensemble | - | - | 0.900 | 0.910 |" in (weights / "MODEL_CARD.md").read_text()
    release.verify(data, weights)

    network, said = load_model(weights / "unet.safetensors")
    claim = said.metrics["fitted"] | {"dice_mean": said.metrics["fitted"]["dice_mean"] + 0.01}
    save_model(
        weights / "unet.safetensors", network.state_dict(), said.model_copy(update={"metrics": {"fitted": claim}})
    )
    with pytest.raises(DataError, match=r"unet gives other figures than its JSON claims, by up to 0\.01"):
        release.verify(data, weights)


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


def test_the_shipped_files_are_small_and_say_what_they_are():
    models = load_models(runtime="torch").networks
    assert json.loads((FOLDER / "ensemble.json").read_text())["members"] == list(models) == list(NETWORKS)
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name, (_, said) in models.items():
        path = FOLDER / f"{name}.safetensors"
        assert path.stat().st_size <= 12e6
        beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert validate(beside, ModelInfo, where=path.name) == said  # keys newer than the file have their defaults
        assert said.metrics["fitted"]["n"] == said.training["train_patients"] == len(said.training["patients"])
        assert f"{said.metrics['fitted']['dice_mean']:.3f}" in card
    assert "CC BY-NC-SA 4.0" in card
    assert "Buda" in card
