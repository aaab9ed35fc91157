"""The shipped weights: halved, carded, and as good as they claim."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from brainseg.data import slices
from brainseg.data.index import COLUMNS
from brainseg.errors import DataError
from brainseg.inference.models import load_models
from brainseg.inference.postprocess import Choice
from brainseg.model.catalogue import MODELS, NETWORKS
from brainseg.model.networks import build_network
from brainseg.model.store import ModelInfo, load_model, save_model
from brainseg.params import shipped, validate
from brainseg.shipped import FOLDER, SUMS, halve, write_sums
from release import weights as release
from release.card import model_card
from tests.model.small import blob_patient, info, network_params, train_params
from tests.pipeline import ROOT, run_module


def test_halving_keeps_norms_and_refuses_what_does_not_fit():
    state = build_network("unet", network_params().network)
    small = halve({key: value.numpy() for key, value in state.state_dict().items()})
    assert {value.dtype for value in small.values() if value.ndim > 1} == {np.dtype(np.float16)}
    assert {value.dtype for key, value in small.items() if key.endswith("running_var")} == {np.dtype(np.float32)}
    with pytest.raises(DataError, match="big exceed half precision"):
        halve({"big": np.full((2, 2), 1e6, np.float32)})


def test_every_patient_is_trained_on_and_nobody_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    for seed, patient in enumerate(["P0", "P1"]):
        slices.save(tmp_path / "data" / f"{patient}.npz", blob_patient(seed))
    rows = [(f"P{p}", s, "S", 100 * (s > 1), s > 1, s > 1) for p in range(2) for s in range(1, 6)]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "index.csv", index=False)
    own = network_params(epochs=2).model_dump()
    params = shipped() | {"train": train_params().model_dump(), "unet": own, "unetpp": own}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    lines: list[list[str]] = []
    monkeypatch.setattr(release.subprocess, "run", lambda line, **_: lines.append(line))
    release.train(Path("data"), Path("index.csv"), Path("work"))
    assert [line[2:4] for line in lines] == [["stages.train", name] for name in NETWORKS]
    assert run_module("train_unet", "vnet", *lines[0][4:]) == 2
    assert "the section 'vnet' is missing, is it 'unet'?" in capsys.readouterr().err
    assert run_module("train_unet", *lines[0][3:]) == 0
    told = load_model(tmp_path / "work" / "unet.safetensors")[1].training
    assert (told["patients"], told["kept_epoch"], told["val_dice_by_patient"]) == (["P0", "P1"], 2, {})


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """What `train` leaves in trained_release/, with small networks, beside data, models and metrics."""
    patients = ["P0", "P1"]
    for seed, patient in enumerate(patients):
        slices.save(tmp_path / "data" / f"{patient}.npz", blob_patient(seed))
    own, shared = network_params(), train_params()
    training = {"patients": patients, "train_patients": 2, "train_slices": 8} | {
        "train": shared.model_dump(mode="json"), "run": own.model_dump(mode="json"),
    }  # fmt: skip
    choice = Choice(threshold=0.4).model_dump() | {"tta": True}
    for seed, name in enumerate(NETWORKS):
        torch.manual_seed(seed)
        network = build_network("unet", own)  # the plain U-Net for both: small
        said = info(name=name, network=own.network)
        said = said.model_copy(update={"training": training, "inputs": shared.inputs})
        save_model(tmp_path / "trained" / f"{name}.safetensors", network.state_dict(), said)
    for name in MODELS:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / f"{name}.json").write_text(json.dumps({"postprocess": choice}))
    entry = {"volume": {"dice_mean": 0.9, "dice_median": 0.91, "n": 1}}
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "test.json").write_text(json.dumps(dict.fromkeys(MODELS, entry)))
    return tmp_path


def test_shipped_files_give_the_figures_that_they_claim(trained: Path):
    weights, data = trained / "weights", trained / "data"
    release.write(data, trained / "trained", trained / "models", trained / "metrics", weights, trained / "results")
    assert list(load_models(weights, runtime="torch").networks) == list(NETWORKS)
    assert json.loads((weights / "ensemble.json").read_text())["metrics"]["fitted"]["n"] == 2
    assert "| ensemble | - | - | 0.900 | 0.910 |" in (weights / "MODEL_CARD.md").read_text()
    release.verify(data, weights)

    network, said = load_model(weights / "unet.safetensors")
    claim = said.metrics["fitted"] | {"dice_mean": said.metrics["fitted"]["dice_mean"] + 0.01}
    save_model(
        weights / "unet.safetensors", network.state_dict(), said.model_copy(update={"metrics": {"fitted": claim}})
    )
    with pytest.raises(DataError, match=r"unet\.safetensors is damaged or another file"):
        release.verify(data, weights)
    write_sums(weights / SUMS)
    with pytest.raises(DataError, match=r"unet gives other figures than its JSON claims, by up to 0\.01"):
        release.verify(data, weights)


def test_the_shipped_files_are_small_and_say_what_they_are():
    models = load_models(runtime="torch").networks
    assert json.loads((FOLDER / "ensemble.json").read_text())["members"] == list(models) == list(NETWORKS)
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name, (_, said) in models.items():
        path = FOLDER / f"{name}.safetensors"
        assert path.stat().st_size <= 12e6
        beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert validate(beside, ModelInfo, where=path.name) == said
        assert said.metrics["fitted"]["n"] == said.training["train_patients"] == len(said.training["patients"])
        assert f"{said.metrics['fitted']['dice_mean']:.3f}" in card
    assert "CC BY-NC-SA 4.0" in card
    assert "Buda" in card


def test_the_shipped_card_is_that_of_the_committed_figures():
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card == model_card(FOLDER, ROOT / "metrics", ROOT / "studies" / "results")
