"""The graphs that ship: made of the weights beside them, whole, small, and with the licence of whom they are from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from brainseg.compiled import compile_graph
from brainseg.errors import DataError
from brainseg.files import sha256
from brainseg.inference.graphs import read_graph, write_graph
from brainseg.inference.models import load_models
from brainseg.inference.runtimes import FLOAT32, INT8
from brainseg.model.catalogue import NETWORKS
from brainseg.model.networks import build_network
from brainseg.model.store import load_model, save_model
from brainseg.preprocess.brain_deepbet import DEEPBET, DEEPBET_SUMS, SIDES, DeepbetStripper
from brainseg.preprocess.brain_student import STUDENT, STUDENT_SUMS
from brainseg.shipped import FOLDER, SUMS, halve, listed, read_listed
from release.graphs import shared_graph
from tests.model.small import PLAIN, info

MOST_EACH, MOST = 12e6, 40e6


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose kernels are in half precision, and its graph."""
    torch.manual_seed(0)
    network = build_network("unet", PLAIN)
    for name, value in network.named_buffers():  # batch norms that do something
        if name.endswith("running_mean"):
            value.copy_(0.1 * torch.randn_like(value))
        elif name.endswith("running_var"):
            value.copy_(0.1 + torch.rand_like(value))
    path = tmp_path_factory.mktemp("halved") / "unet.safetensors"
    save_model(path, halve({key: value.numpy() for key, value in network.state_dict().items()}), info())
    write_graph(shared_graph(path, *load_model(path), 3), path, sha256(path), FLOAT32, shares_weights=True)
    return path


def test_a_graph_takes_its_weights_from_the_file_beside_it(halved: Path) -> None:
    network = load_model(halved)[0]
    inputs = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs)).numpy()
    assert expected.std() > 0.01
    structure, numbers = read_graph(halved, sha256(halved), FLOAT32)
    np.testing.assert_allclose(compile_graph((structure, numbers))(inputs), expected, rtol=0, atol=1e-4)
    own = halved.with_suffix(".float32.bin").stat().st_size
    assert numbers[: -own or None] == halved.read_bytes()
    assert own < 1000


def test_a_graph_of_other_weights_is_refused(halved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(halved.parent, tmp_path / "copy")
    path = folder / halved.name
    with pytest.raises(DataError, match=r"unet\.float32\.xml was made from other weights than unet"):
        read_graph(path, "0" * 64, FLOAT32)
    with pytest.raises(DataError, match=r"unet\.safetensors has no int8 version beside it"):
        read_graph(path, sha256(path), INT8)


@pytest.mark.parametrize("precision", [FLOAT32, INT8])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_shipped_graphs_have_their_digests(name: str, precision: str) -> None:
    record = json.loads((FOLDER / f"{name}.{precision}.json").read_text())
    digests = {
        "weights_sha256": sha256(FOLDER / f"{name}.safetensors"),
        "xml_sha256": sha256(FOLDER / f"{name}.{precision}.xml"),
        "bin_sha256": sha256(FOLDER / f"{name}.{precision}.bin"),
    }
    assert record == digests | ({"shares_weights": True} if precision == FLOAT32 else {})


@pytest.mark.parametrize(
    ("sums", "least"), [(FOLDER / SUMS, 10), (DEEPBET / DEEPBET_SUMS, 4), (STUDENT / STUDENT_SUMS, 2)]
)
def test_the_sums_are_those_of_all_weights_and_graphs(sums: Path, least: int) -> None:
    files = [path for path in sums.parent.iterdir() if path.suffix in (".safetensors", ".xml", ".bin")]
    assert listed(sums) == {path.name: sha256(path) for path in files}
    assert len(files) >= least


def test_what_ships_is_small() -> None:
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert max(sizes) <= MOST_EACH
    assert sum(sizes) <= MOST


def test_deepbets_graphs_name_their_licence() -> None:
    text = (DEEPBET / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "Medical Machine Learning Lab - University of M\u00fcnster" in text
    assert "L. Fisch et al." in (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_damaged_brain_extraction_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(DEEPBET, tmp_path / "deepbet")
    path = folder / f"{next(iter(SIDES))}.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"box\.bin is damaged or another file: its SHA-256"):
        DeepbetStripper(folder)
    path.unlink()
    with pytest.raises(DataError, match=r"box\.bin is damaged or another file"):
        read_listed(path, folder / DEEPBET_SUMS)


def test_a_damaged_float32_graph_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "w")
    path = folder / "unet.float32.xml"
    path.write_bytes(path.read_bytes() + b" ")
    assert (folder / SUMS).is_file()
    with pytest.raises(DataError, match=r"unet\.float32\.xml is not the file that was made .its digest differs"):
        load_models(folder, "unet", device="cpu")
