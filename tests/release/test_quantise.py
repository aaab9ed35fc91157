"""int8 graphs: where they lie, what they cost, when they are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainseg.data import slices
from brainseg.data.slices import SliceSet
from brainseg.errors import DataError
from brainseg.evaluation.overlap import overlap
from brainseg.files import write_json
from brainseg.inference.models import load_models
from brainseg.inference.postprocess import Choice
from brainseg.inference.predictor import predict_volume
from brainseg.model.catalogue import ENSEMBLE, NETWORKS
from brainseg.model.store import load_model, save_model
from tests.scans.heads import head, threshold_models

pytest.importorskip("nncf")
from release import quantise


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """data/, split.csv, and models/ that find the heads' tumours, quantised once by `measure`'s own way."""
    root = tmp_path_factory.mktemp("int8")
    flair, tumour = head()
    brain = ((flair > 50) & (flair < 150)) | tumour  # not the scalp
    images = np.repeat(np.where(brain, flair, 0)[..., None], 3, axis=-1).astype(np.uint8)
    for patient in ("A", "B", "C"):
        slices.save(root / "data" / f"{patient}.npz", SliceSet(images, tumour, brain, np.arange(len(flair))))
    rows = [(p, s, split) for p, split in (("A", "train"), ("B", "train"), ("C", "val")) for s in range(len(flair))]
    pd.DataFrame(rows, columns=["patient", "slice", "split"]).to_csv(root / "split.csv", index=False)
    threshold_models(root / "models")
    for name in NETWORKS:
        path = root / "models" / f"{name}.safetensors"
        network, info = load_model(path)
        save_model(path, network.state_dict(), info.model_copy(update={"training": {"patients": ["A", "B"]}}))
    shutil.copytree(root / "models", root / "int8")
    quantise.quantise(root / "int8", root / "data")
    return root


def test_int8_finds_the_same_tumour(made: Path):
    models = load_models(made / "int8", precision="int8")
    assert (models.runtime, models.precision) == ("openvino", "int8")
    assert set(models.digests) == {f"{name}{end}" for name in NETWORKS for end in (".safetensors", ".int8.bin")}
    patient = slices.load(made / "data" / "C.npz")
    mask = predict_volume(models.networks, patient, {ENSEMBLE: Choice(threshold=0.5)}, tta=True).masks[ENSEMBLE]
    assert overlap(patient.masks, mask).dice > 0.95


def test_the_cost_is_measured_on_validation_patients(made: Path, tmp_path: Path, capsys):
    quantise.measure(made / "data", made / "split.csv", made / "models", tmp_path / "int8.json")
    found = json.loads((tmp_path / "int8.json").read_text())
    assert (found["n"], found["split"]) == (1, "val")
    assert found["cost"] == pytest.approx(found["float32"]["dice_mean"] - found["int8"]["dice_mean"], abs=1e-6)
    assert abs(found["cost"]) < 0.02
    assert found["fast"]["dice_mean"] > 0.9
    assert "1 validation patients: int8 costs" in capsys.readouterr().out
    assert not list((made / "models").glob("*.int8.*"))  # measuring leaves the pipeline's folder as it was


def test_what_costs_too_much_is_not_shipped(made: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"int8.json does not exist; run"):
        quantise.write(made / "data", made / "models", tmp_path / "int8.json")
    write_json(tmp_path / "int8.json", {"cost": 0.01})
    with pytest.raises(DataError, match=r"int8 costs 0\.0100 mean Dice"):
        quantise.write(made / "data", made / "models", tmp_path / "int8.json")
    assert not list((made / "models").glob("*.int8.*"))


def test_graphs_that_do_not_belong_are_refused(made: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"unet\.safetensors has no int8 version beside it"):
        load_models(made / "models", precision="int8")
    with pytest.raises(
        DataError,
        match="nothing runs torch with int8: openvino runs float32 and int8 on cpu, torch runs",
    ):
        load_models(made / "int8", precision="int8", runtime="torch")
    folder = shutil.copytree(made / "int8", tmp_path / "other")
    threshold_models(folder, threshold=0.4)
    with pytest.raises(DataError, match=r"unet\.int8\.xml was made from other weights than unet\.safetensors"):
        load_models(folder, precision="int8")


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_damaged_graph_is_refused(made: Path, tmp_path: Path, suffix: str):
    folder = shutil.copytree(made / "int8", tmp_path / "damaged")
    path = folder / f"unet.int8{suffix}"
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(DataError, match=rf"unet\.int8\{suffix} is not the file that was made .its digest differs"):
        load_models(folder, precision="int8")


@pytest.mark.parametrize("text", [None, "[]", "null", "{", "[" * 100_000, '{"weights_sha256": "1"}'])
def test_a_graph_without_a_record_of_its_digests_is_refused(made: Path, tmp_path: Path, text: str | None):
    folder = shutil.copytree(made / "int8", tmp_path / "damaged")
    (folder / "unet.int8.json").unlink() if text is None else (folder / "unet.int8.json").write_text(text)
    with pytest.raises(DataError, match=r"unet\.int8\.json, which has the digests .* beside it, cannot be read"):
        load_models(folder, precision="int8")
