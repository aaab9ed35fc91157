import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from brainseg.errors import DataError, ParamsError
from brainseg.inference.models import record_of
from brainseg.model.networks import build_network
from brainseg.model.store import FORMAT, HEADER_KEY, LATER, ModelInfo, load_info, load_model, save_model
from tests.model.small import PLAIN, info
from tests.scans.heads import POSTPROCESS


def test_a_model_file_alone_is_enough(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("unet", PLAIN).eval()
    save_model(tmp_path / "m.safetensors", network.state_dict(), info())
    (tmp_path / "m.json").unlink()
    loaded, said = load_model(tmp_path / "m.safetensors")
    assert said == info()
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image), network(image), rtol=0, atol=1e-6)


def test_same_content_same_bytes_and_json_says_the_same(tmp_path: Path) -> None:
    network = build_network("unet", PLAIN)
    for name in ("a", "b"):
        save_model(tmp_path / f"{name}.safetensors", network.state_dict(), info())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert ModelInfo.model_validate_json((tmp_path / "a.json").read_text()) == info()


def test_a_file_from_before_a_parameter_existed_means_what_was_meant_then(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    plain = info(postprocess=POSTPROCESS).model_dump(mode="json")
    lost = [plain[section].pop(key) for section, keys in LATER.items() for key in keys]
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: json.dumps(plain)})
    said = load_info(path)
    assert (said.inputs.neighbours, said.inputs.mirror, said.inputs.channels) == (0, False, 3)
    assert said.skull_strip.sequences == "flair"
    assert record_of(said.postprocess, path).scale_to_peak is False
    assert len(lost) == 4
    plain["inputs"] |= {"neighbours": 1}
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: json.dumps(plain)})
    assert load_info(path).inputs.channels == 9  # what the file says counts


@pytest.mark.parametrize(("section", "key"), [("skull_strip", "max_fraction"), ("clahe", "enabled"), ("inputs", None)])
def test_nothing_else_that_a_file_lacks_is_filled(tmp_path: Path, section: str, key: str | None) -> None:
    path = tmp_path / "m.safetensors"
    plain = info().model_dump(mode="json")
    (plain[section] if key else plain).pop(key or section)
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: json.dumps(plain)})
    with pytest.raises(ParamsError, match=rf"m\.safetensors\.{section}{f'.{key}' if key else ''} is missing"):
        load_info(path)


def test_an_architecture_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    plain = info().model_dump(mode="json") | {"architecture": "vnet"}
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: json.dumps(plain)})
    with pytest.raises(ParamsError, match=r"architecture is 'vnet': expected unet or unetpp"):
        load_info(path)


def test_half_precision_is_read_back_as_full(tmp_path: Path) -> None:
    network = build_network("unet", PLAIN)
    half = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_model(tmp_path / "m.safetensors", half, info())
    loaded, _ = load_model(tmp_path / "m.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_files_that_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(DataError, match="does not exist"):
        load_model(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="is not a brainseg model"):
        load_info(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="is not a brainseg model"):
        load_info(path)
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: '{"format": 99}'})
    with pytest.raises(DataError, match="has format 99, this version reads 1"):
        load_info(path)
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: f'{{"format": {FORMAT}}}'})
    with pytest.raises(ParamsError, match="name is missing"):
        load_info(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("[]", "its header is a list"),
        ("null", "its header is a NoneType"),
        ('"unet"', "its header is a str"),
        ("[" * 100_000, "it nests too deep"),
        ('{"format": NaN}', "NaN is no number"),
    ],
)
def test_a_header_that_is_no_mapping(tmp_path: Path, header: str, words: str) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1)}, path, {HEADER_KEY: header})
    with pytest.raises(DataError, match=f"is not a brainseg model .{words}"):
        load_info(path)


def test_tensors_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, {"a": torch.zeros(1)}, info())
    with pytest.raises(DataError, match="does not fit the network"):
        load_model(path)
