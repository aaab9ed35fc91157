"""The graphs that the package ships, so that nobody needs torch to predict.

`python -m release.graphs write` makes, from the files beside them, the float32 graph of every shipped network; from the
installed package deepbet the two graphs of brain extraction; with `--data data/clahe` the int8 graphs, too
(release/quantise.py); and the list of all digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import numpy as np
import torch
import typer
from torch import nn

from brainseg.compiled import Graph, import_openvino
from brainseg.files import atomic_path, sha256
from brainseg.inference.graphs import write_graph
from brainseg.inference.openvino import serialised
from brainseg.inference.runtimes import FLOAT32
from brainseg.model.catalogue import NETWORKS
from brainseg.model.store import ModelInfo, load_model, load_state
from brainseg.preprocess.brain_deepbet import DEEPBET, DEEPBET_SUMS, SIDES
from brainseg.shipped import FOLDER, SUMS, write_sums
from studies.command import run_app

SMALL = 16
"""Constants of fewer numbers than this are not looked for among the weights."""
DEEPBET_NAMES = {"box": "bbox_model", "brain": "model"}
"""Our graphs, and deepbet's attributes."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Make the graphs that the package ships."""


@app.command()
def write(
    weights: Annotated[Path, typer.Option(help="Folder of the shipped files.")] = FOLDER,
    data: Annotated[Path | None, typer.Option(help="Folder of slice sets from clahe, for the int8 graphs.")] = None,
) -> None:
    """Write all graphs, and the digests of all files.

    Raises:
        DataError: a network's file is missing or damaged, or int8 costs too much.
    """
    for name in NETWORKS:
        path = weights / f"{name}.safetensors"
        network, info = load_model(path)
        graph = shared_graph(path, network, info, info.inputs.channels)
        write_graph(graph, path, sha256(path), FLOAT32, shares_weights=True)
    write_deepbet(weights / DEEPBET.name)
    if data is not None:
        from release import quantise

        quantise.write(data, weights)
    write_sums(weights / SUMS)


def shared_graph(path: Path, network: nn.Module, info: ModelInfo, channels: int) -> Graph:
    """A network's graph whose large numbers are those of its .safetensors, where they lie in that file.

    Args:
        path: the .safetensors, whose kernels may be in half precision; the graph computes in float32.
        network: of that file.
        info: what it says of itself.
        channels: of the network's input.

    Returns:
        Structure, and the numbers that are not in the file: they come after it.
    """
    graph = _unfused(network, info, channels)
    weights = load_state(path)
    _halve_again(graph, {np.asarray(value, np.float32).tobytes(): value for value in weights.values()})
    structure, numbers = serialised(graph)
    whole = path.read_bytes()
    places = {
        whole[start:end]: start for start, end in _spans(whole) if end - start >= SMALL * np.dtype(np.float16).itemsize
    }
    root, rest = ElementTree.fromstring(structure), b""
    for data in root.iterfind("./layers/layer[@type='Const']/data"):
        offset, size = int(data.attrib["offset"]), int(data.attrib["size"])
        content = numbers[offset : offset + size]
        if content not in places:
            rest += bytes(-len(rest) % 8)  # where any kind of number may lie
            places[content] = len(whole) + len(rest)
            rest += content
        data.set("offset", str(places[content]))
    return ElementTree.tostring(root), rest


def _unfused(network: nn.Module, info: ModelInfo, channels: int) -> Any:
    """The graph as torch wrote it: `convert_model` would fold batch norm into the kernels, and change their numbers."""
    import_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.passes import ConstantFolding, Manager

    shape = [channels, info.inputs.input_size, info.inputs.input_size]
    with torch.inference_mode():
        decoder = TorchScriptPythonDecoder(network, example_input=(torch.zeros(2, *shape),))
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape([-1, *shape])
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)
    return graph


def _halve_again(graph: Any, weights: dict[bytes, Any]) -> None:
    """Put the half-precision kernels of the file, and their conversion, in place of the constants made from them."""
    from openvino import opset13 as ops

    for node in [node for node in graph.get_ops() if node.get_type_name() == "Constant"]:
        values = node.data
        stored = weights.get(values.tobytes()) if values.dtype == np.float32 and values.size >= SMALL else None
        if stored is not None and stored.dtype == np.float16:
            half = ops.constant(stored.reshape(values.shape), dtype=np.float16)
            node.output(0).replace(ops.convert(half, "f32").output(0))
    graph.validate_nodes_and_infer_types()


def _spans(whole: bytes) -> Iterator[tuple[int, int]]:
    """Where the tensors of a .safetensors lie: its header's length in 8 bytes, the header, the tensors."""
    length = int.from_bytes(whole[:8], "little")
    for name, entry in json.loads(whole[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield 8 + length + start, 8 + length + end


def write_deepbet(folder: Path) -> None:
    """Write deepbet's two networks as graphs, in half precision, with deepbet's licence beside them."""
    from deepbet.bet import BrainExtraction

    networks = BrainExtraction(no_gpu=True)
    for name, side in SIDES.items():
        structure, numbers = serialised(_cube_graph(getattr(networks, DEEPBET_NAMES[name]), side), half=True)
        for suffix, content in ((".xml", structure), (".bin", numbers)):
            with atomic_path(folder / f"{name}{suffix}") as temporary:
                temporary.write_bytes(content)
    licence = distribution("deepbet").read_text("LICENSE")
    assert licence is not None
    with atomic_path(folder / "LICENSE") as temporary:
        temporary.write_text(licence, encoding="utf-8")
    write_sums(folder / DEEPBET_SUMS)


def _cube_graph(network: nn.Module, side: int) -> Any:
    shape = [1, 1, side, side, side]
    graph = import_openvino().convert_model(network, example_input=torch.rand(shape), input=shape)
    _sum_axis_by_axis(graph)
    return graph


def _sum_axis_by_axis(graph: Any) -> None:
    """Replace the graph's instance normalisations by ones whose sums are exact enough.

    OpenVINO sums the millions of voxels of a channel into one float32: the spread comes out 0.25% short, which moves a
    hundred voxels of a brain mask. Sums of sums keep to torch, and the factor between them keeps OpenVINO from merging
    them again.
    """
    from openvino import opset13 as ops

    def mean(values: Any, shape: list[int]) -> Any:
        for axis in range(len(shape) - 1, 1, -1):
            values = ops.multiply(ops.reduce_sum(values, np.array([axis]), True), np.float32(1 / shape[axis]))
        return values

    for norm in [node for node in graph.get_ops() if node.get_type_name() == "MVN"]:
        shape = [int(side) for side in norm.get_output_shape(0)]
        values, epsilon = norm.input_value(0), np.float32(norm.get_attributes()["eps"])
        centred = ops.subtract(values, mean(values, shape))
        spread = ops.sqrt(ops.add(mean(ops.multiply(centred, centred), shape), epsilon))
        norm.output(0).replace(ops.divide(centred, spread).output(0))
    graph.validate_nodes_and_infer_types()


if __name__ == "__main__":
    run_app(app)
