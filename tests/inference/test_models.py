from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from brainseg.errors import DataError, ParamsError
from brainseg.inference.models import load_models
from brainseg.inference.postprocess import Choice
from brainseg.model.shipped import FOLDER
from brainseg.model.store import HEADER_KEY, load_info
from tests.params import skull_strip_params
from tests.scans.heads import threshold_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return threshold_models(tmp_path_factory.mktemp("models"), threshold=0.4)


def test_the_shipped_ensemble_is_the_default():
    models = load_models(device="cpu", runtime="torch")
    said = json.loads((FOLDER / "ensemble.json").read_text())["postprocess"]
    assert (models.name, list(models.networks), models.device, models.runtime) == (
        "ensemble", ["unet", "unetpp"], "cpu", "torch",
    )  # fmt: skip
    assert models.choice.model_dump() == {key: said[key] for key in models.choice.model_dump()}
    assert all(len(digest) == 64 for digest in models.digests.values())


def test_one_network_of_a_folder_or_a_file(folder):
    for models in (
        load_models(folder, "unet", runtime="torch"),
        load_models(folder / "unet.safetensors", runtime="torch"),
    ):
        assert (models.name, list(models.networks), models.choice.threshold) == ("unet", ["unet"], 0.4)


def test_what_is_missing_is_one_sentence(folder, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_models(tmp_path / "none", runtime="torch")
    with pytest.raises(DataError, match=r"ensemble.json.* cannot be read .it does not exist"):
        load_models(tmp_path, runtime="torch")
    with pytest.raises(DataError, match=r"unet.safetensors does not exist"):
        load_models(tmp_path, "unet", runtime="torch")
    shutil.copy(folder / "ensemble.json", tmp_path)
    (tmp_path / "unet.safetensors").write_bytes(b"no model")
    with pytest.raises(DataError, match="is not a brainseg model"):
        load_models(tmp_path, runtime="torch")


def test_a_damaged_file_is_told_by_the_sums_beside_it(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "w")
    assert load_models(tmp_path / "w", runtime="torch").name == "ensemble"
    path = tmp_path / "w" / "unetpp.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"unetpp\.safetensors is damaged or another file: its SHA-256"):
        load_models(tmp_path / "w", runtime="torch")


def test_models_of_two_preprocessings_do_not_mix(folder, tmp_path):
    threshold_models(tmp_path, "none")
    shutil.copy(folder / "unet.safetensors", tmp_path)
    with pytest.raises(DataError, match="trained on other preprocessing"):
        load_models(tmp_path, runtime="torch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_no_cuda_is_said():
    with pytest.raises(DataError, match="sees no CUDA device"):
        load_models(device="cuda")


def test_openvino_agrees_with_torch(folder, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reference = load_models(folder, device="cpu", runtime="torch").networks["unet"][0]
    inputs = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 128, 128)).astype(np.float32))
    expected = reference(inputs).sigmoid().detach()
    for _ in range(2):  # exported, then from the cache
        models = load_models(folder, device="cpu", runtime="openvino")
        found = models.networks["unet"][0](inputs).sigmoid()
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert [path.suffix for path in (tmp_path / "brainseg").iterdir()] == [".graph"] * 2


def edited(folder, tmp_path, name, **changes):
    """A copy of the models with other values in one network's header, or in ensemble.json."""
    copy = shutil.copytree(folder, tmp_path / "edited")
    if name == "ensemble":
        path = copy / "ensemble.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return copy
    path = copy / f"{name}.safetensors"
    header = load_info(path).model_dump(mode="json") | changes
    save_file(load_file(path), path, {HEADER_KEY: json.dumps(header)})
    return copy


RECORD = {"threshold": 0.4, "min_component_px": 0, "fill_holes": False, "largest_only": False, "tta": True, "trail": []}
BAD_RECORDS = [
    (None, DataError, "has no post-processing chosen"),
    ([], ParamsError, r"postprocess is \[\](, expected a mapping|: input should be a valid dictionary)"),
    ("x", ParamsError, r"postprocess is 'x'(, expected a mapping|: input should be a valid dictionary)"),
    ({}, ParamsError, "postprocess.threshold is missing"),
    ({key: RECORD[key] for key in RECORD if key != "tta"}, ParamsError, "postprocess.tta is missing"),
    ({key: RECORD[key] for key in RECORD if key != "fill_holes"}, ParamsError, "postprocess.fill_holes is missing"),
    (RECORD | {"threshold": "0.5"}, ParamsError, "postprocess.threshold is '0.5': .*number"),
    (RECORD | {"threshold": 1.5}, ParamsError, "postprocess.threshold is 1.5: .*less than 1"),
    (RECORD | {"threshold": 0}, ParamsError, "postprocess.threshold is 0: .*greater than 0"),
    (RECORD | {"min_component_px": -1}, ParamsError, "postprocess.min_component_px is -1"),
    (RECORD | {"tta": 1}, ParamsError, "postprocess.tta is 1: .*boolean"),
    (RECORD | {"steps": 1}, ParamsError, "unknown key .*postprocess.steps"),
]


@pytest.mark.parametrize(("model", "name"), [("ensemble", "ensemble"), ("unet", "unet")])
@pytest.mark.parametrize(("record", "kind", "words"), BAD_RECORDS, ids=[words for *_, words in BAD_RECORDS])
def test_a_model_with_wrong_postprocessing_is_refused(folder, tmp_path, model, name, record, kind, words):
    copy = edited(folder, tmp_path, name, postprocess=record)
    with pytest.raises(kind, match=words):
        load_models(copy, model, runtime="torch")


@pytest.mark.parametrize("name", ["ensemble", "unet"])
def test_a_threshold_that_is_no_number_is_refused(folder, tmp_path, name):
    copy = edited(folder, tmp_path, name, postprocess=RECORD | {"threshold": float("nan")})
    with pytest.raises(DataError, match="NaN is no number"):
        load_models(copy, name, runtime="torch")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "it has no postprocess"),
        ("null", "it has no postprocess"),
        ("{}", "it has no postprocess"),
        ("[" * 100_000, "it nests too deep"),
        ("{", "Expecting property name"),
    ],
)
def test_an_ensemble_that_is_none_is_refused(folder, tmp_path, text, words):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "ensemble.json").write_text(text)
    with pytest.raises(DataError, match=rf"ensemble.json.* cannot be read \({words}"):
        load_models(copy, runtime="torch")


def test_models_of_version_0_1_are_read(folder, tmp_path):
    """They have no `scale_to_peak`."""
    assert load_models(edited(folder, tmp_path, "unet", postprocess=RECORD), "unet", runtime="torch").choice == Choice(
        threshold=0.4
    )


def test_predict_never_asks_the_network_for_a_model_s_brain_extraction(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("asked the network"))
    content = b"weights"
    strip = {"method": "mazurowski", "weights": "download", "weights_sha256": hashlib.sha256(content).hexdigest()}
    copy = edited(folder, tmp_path, "unet", skull_strip=skull_strip_params(**strip).model_dump())
    with pytest.raises(DataError, match=r"asks nothing from the network; fetch them from .* and put them at .*128\.h5"):
        load_models(copy, "unet", runtime="torch")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "brain-segmentation_weights_128.h5").write_bytes(content)
    assert load_models(copy, "unet", runtime="torch").name == "unet"
