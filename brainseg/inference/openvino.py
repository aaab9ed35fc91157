"""The runtime OpenVINO: graphs on the CPU, those that lie beside the weights, or made from them and kept."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brainseg import cache
from brainseg.compiled import CompiledGraph, Graph, compile_for_cpu, compile_graph, import_openvino, sigmoid
from brainseg.errors import extra
from brainseg.inference.graphs import has_graph, read_graph
from brainseg.inference.runtimes import FLOAT32
from brainseg.model.forward import Network


def load_network(weights: Path, digest: str, precision: str) -> Network:
    """A network by the graph beside its weights; where there is none, float32 is made from the weights and kept.

    Args:
        weights: the network's .safetensors.
        digest: of that file.
        precision: `float32` or `int8`.

    Returns:
        Probabilities that agree with torch's to 1e-3 in float32.

    Raises:
        DataError: see `read_graph`.
        UserError: the graph has to be made, and torch is not installed.
    """
    if precision != FLOAT32 or has_graph(weights, precision):
        logits = compile_graph(read_graph(weights, digest, precision))
    else:
        logits = compile_cached(digest[:16], lambda: _exported(weights))
    return lambda inputs: sigmoid(logits(inputs))


def _exported(weights: Path) -> Any:
    with extra("torch", f"{weights.name}, whose graph for OpenVINO has to be made once,"):
        from brainseg.inference.export import to_graph
        from brainseg.model.store import load_model

        return to_graph(*load_model(weights))


def compile_cached(name: str, make: Callable[[], Any]) -> CompiledGraph:
    """Compile a graph for this CPU.

    Args:
        name: of the graph in the user's cache; says what it was made from.
        make: makes it, the first time.
    """
    openvino = import_openvino()
    core, name = openvino.Core(), f"{name}-{openvino.__version__.split('-')[0]}.graph"
    if (kept := cache.read(name)) is not None:
        return compile_for_cpu(core, core.read_model(*kept))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: nothing that a user can mend
        graph = make()
    try:
        parts = serialised(graph)
        read_back = core.read_model(*parts)
    except (OSError, RuntimeError) as error:  # OpenVINO's, of a disk that is full
        cache.warn(error)
        return compile_for_cpu(core, graph)
    cache.write(name, *parts)
    return compile_for_cpu(core, read_back)


def serialised(graph: Any, *, half: bool = False) -> Graph:
    """A graph of OpenVINO as bytes.

    Args:
        graph: as `convert_model` and `read_model` give it.
        half: large numbers in half precision.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().save_model(graph, path, compress_to_fp16=half)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()
