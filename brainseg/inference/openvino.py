"""A network as a graph that OpenVINO runs on the CPU: exported once, kept in the user's cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainseg.files import atomic_path
from brainseg.model.store import ModelInfo


class OpenVinoNetwork(nn.Module):
    """A compiled graph that is called like the network that it was made from."""

    def __init__(self, compiled: Any):
        super().__init__()
        self._compiled = compiled
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)  # callers ask parameters for the device

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, 1, s, s] of float32 [b, channels, s, s]."""
        result = self._compiled(np.ascontiguousarray(x.numpy()))
        return torch.from_numpy(result[0])


def compile_network(network: nn.Module, info: ModelInfo, digest: str) -> nn.Module:
    """Export `network`, or take the export of an earlier call, and compile it for this CPU.

    Args:
        network: in eval mode, on the CPU.
        info: what its file says.
        digest: of its file; names the export.

    Returns:
        A module with the network's interface; probabilities agree to 1e-3.
    """
    openvino = import_openvino()
    core = openvino.Core()
    path = cache_folder() / f"{digest[:16]}-{openvino.__version__.split('-')[0]}.xml"
    if not (path.is_file() and path.with_suffix(".bin").is_file()):
        _export(network, info, path)
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and threads.isdigit():
        config["INFERENCE_NUM_THREADS"] = threads
    return OpenVinoNetwork(core.compile_model(str(path), "CPU", config))


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/brainseg`, usually ~/.cache/brainseg."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brainseg"


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would call home on import and on export."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino

    return openvino


def _export(network: nn.Module, info: ModelInfo, path: Path) -> None:
    openvino = import_openvino()
    size = info.inputs.input_size
    example = torch.zeros(2, info.inputs.channels, size, size)
    with torch.inference_mode():
        graph = openvino.convert_model(network, example_input=example, input=[-1, info.inputs.channels, size, size])
    with atomic_path(path.with_suffix(".bin")) as weights, atomic_path(path) as text:
        openvino.save_model(graph, text, compress_to_fp16=False)
        os.replace(text.with_suffix(".bin"), weights)
