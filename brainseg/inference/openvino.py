"""The runtime OpenVINO: graphs on the CPU, those that lie beside the weights, or made from them and kept."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.special import expit

from brainseg.data.slices import Float
from brainseg.errors import extra
from brainseg.inference import cache
from brainseg.inference.graphs import Graph, has_graph, read_graph
from brainseg.inference.runtimes import FLOAT32
from brainseg.model.forward import Network


class CompiledGraph:
    """A graph with one input and one output, compiled for this CPU."""

    def __init__(self, compiled: Any):
        self._compiled = compiled

    def __call__(self, inputs: Float) -> Float:
        """The output, which holds until the next call, or `release`."""
        result: Float = self._compiled(np.ascontiguousarray(inputs), share_inputs=True, share_outputs=True)[0]
        return result

    def release(self) -> None:
        """Give back the memory between layers; the next call takes it again."""
        self._compiled.release_memory()


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
    return lambda inputs: expit(logits(inputs))


def _exported(weights: Path) -> Any:
    with extra("torch", f"{weights.name}, whose graph for OpenVINO has to be made once,"):
        from brainseg.inference.export import to_graph
        from brainseg.model.store import load_model

        return to_graph(*load_model(weights))


def compile_graph(graph: Graph) -> CompiledGraph:
    """Compile a graph for this CPU."""
    core = import_openvino().Core()
    return _compile(core, core.read_model(*graph))


def compile_cached(name: str, make: Callable[[], Any]) -> CompiledGraph:
    """Compile a graph for this CPU.

    Args:
        name: of the graph in the user's cache; says what it was made from.
        make: makes it, the first time.
    """
    openvino = import_openvino()
    core, name = openvino.Core(), f"{name}-{openvino.__version__.split('-')[0]}.graph"
    if (kept := cache.read(name)) is not None:
        return _compile(core, core.read_model(*kept))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: nothing that a user can mend
        graph = make()
    try:
        parts = serialised(graph)
        read_back = core.read_model(*parts)
    except (OSError, RuntimeError) as error:  # OpenVINO's, of a disk that is full
        cache.warn(error)
        return _compile(core, graph)
    cache.write(name, *parts)
    return _compile(core, read_back)


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


def _compile(core: Any, graph: Any) -> CompiledGraph:
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():
        # pinned, the threads of several processes would all sit on the first cores
        config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return CompiledGraph(core.compile_model(graph, "CPU", config))


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would call home on import and on export."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino

    return openvino
