"""A network as a graph that OpenVINO runs on the CPU: arrays in, arrays out."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from brainseg import cache

Float = npt.NDArray[np.float32]
Graph = tuple[bytes, bytes]
"""Structure and numbers, as OpenVINO's `read_model` takes them."""
_KIND_OF_CPU = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")


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


def compile_graph(graph: Graph) -> CompiledGraph:
    """Compile a graph for this CPU, or take it from the user's cache, where it is kept compiled."""
    core = import_openvino().Core()
    name = f"{_digest(core, graph)}.compiled"
    if (kept := cache.read(name)) is not None:
        try:
            return CompiledGraph(core.import_model(io.BytesIO(kept[1]), "CPU", _config()))
        except RuntimeError:  # OpenVINO's, of what it does not take after all
            pass
    compiled = core.compile_model(core.read_model(*graph), "CPU", _config())
    content = io.BytesIO()
    compiled.export_model(content)
    cache.write(name, b"", content.getvalue(), silent=True)
    return CompiledGraph(compiled)


def compile_for_cpu(core: Any, graph: Any) -> CompiledGraph:
    """Compile what `core.read_model` or a conversion gave."""
    return CompiledGraph(core.compile_model(graph, "CPU", _config()))


def sigmoid(logits: Float) -> Float:
    """Probabilities of what a graph says: float32, in 0..1."""
    with np.errstate(over="ignore"):  # below -88 the exponential is infinite, and the probability 0
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _digest(core: Any, graph: Graph) -> str:
    """Of what a compiled graph depends on: the graph, OpenVINO's version, the kind of CPU."""
    known = [import_openvino().__version__, *(core.get_property("CPU", key) for key in _KIND_OF_CPU)]
    digest = hashlib.sha256(repr(known).encode())
    for part in graph:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def _config() -> dict[str, Any]:
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():
        # pinned, the threads of several processes would all sit on the first cores
        config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return config


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would call home on import and on export."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino

    return openvino
