"""A network as a graph that OpenVINO runs on the CPU: exported once, kept in the user's cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.model.store import ModelInfo, load_model

MADE_FROM = "weights_sha256"
"""Where an int8 graph says what weights it was made from."""


class OpenVinoNetwork(nn.Module):
    """A compiled graph that is called like the network that it was made from."""

    def __init__(self, compiled: Any):
        super().__init__()
        self._compiled = compiled
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)  # callers ask parameters for the device

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, 1, s, s] of float32 [b, channels, s, s]; they hold until the next call, or `release`."""
        result = self._compiled(np.ascontiguousarray(x.numpy()), share_inputs=True, share_outputs=True)
        return torch.from_numpy(result[0])

    def release(self) -> None:
        """Give back the memory between layers; the next call takes it again."""
        self._compiled.release_memory()


def compile_network(weights: Path, digest: str) -> nn.Module:
    """Export a network, or take the export of an earlier call, and compile it for this CPU.

    Args:
        weights: its .safetensors; read only where there is no export of it yet.
        digest: of that file; names the export.

    Returns:
        A module with the network's interface; probabilities agree to 1e-3.
    """
    return compile_cached(digest[:16], lambda: to_graph(*load_model(weights)))


def compile_cached(name: str, make: Callable[[], Any]) -> nn.Module:
    """Compile a graph for this CPU.

    Args:
        name: of the graph in the user's cache; says what it was made from.
        make: makes it, the first time.
    """
    openvino = import_openvino()
    path = cache_folder() / f"{name}-{openvino.__version__.split('-')[0]}.xml"
    if not (path.is_file() and path.with_suffix(".bin").is_file()):
        save_graph(make(), path)
    return _compile(openvino.Core(), str(path))


def compile_quantised(weights: Path, digest: str) -> nn.Module:
    """Compile the int8 graph that lies beside a network's weights for this CPU.

    Args:
        weights: the network's .safetensors; the graph is `quantised_path(weights)`.
        digest: of the weights, which the graph has to be made from.

    Returns:
        A module with the network's interface.

    Raises:
        DataError: there is no such graph, it is damaged, or was made from other weights.
    """
    path = quantised_path(weights)
    if not (path.is_file() and path.with_suffix(".bin").is_file()):
        raise DataError(f"{weights.name} has no int8 version beside it ({path.name}, .bin); leave --precision out.")
    core = import_openvino().Core()
    try:
        graph = core.read_model(str(path))
        made_from = graph.get_rt_info(MADE_FROM).astype(str)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{path} is not an int8 graph of brainseg ({reason}); install brainseg again.") from None
    if made_from != digest:
        raise DataError(f"{path} was made from other weights than {weights.name}; leave --precision out.")
    return _compile(core, graph)


def quantised_path(weights: Path) -> Path:
    """Where the int8 graph of a network lies: unet.safetensors has unet.int8.xml, and its numbers in unet.int8.bin."""
    return weights.with_suffix(".int8.xml")


def _compile(core: Any, graph: Any) -> nn.Module:
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and threads.isdigit():
        config["INFERENCE_NUM_THREADS"] = threads
    return OpenVinoNetwork(core.compile_model(graph, "CPU", config))


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/brainseg`, usually ~/.cache/brainseg."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brainseg"


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would call home on import and on export."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino

    return openvino


def to_graph(network: nn.Module, info: ModelInfo) -> Any:
    """The network, in eval mode on the CPU, as an OpenVINO graph for any number of slices."""
    size = info.inputs.input_size
    example = torch.zeros(2, info.inputs.channels, size, size)
    with torch.inference_mode():
        return import_openvino().convert_model(
            network, example_input=example, input=[-1, info.inputs.channels, size, size]
        )


def save_graph(graph: Any, path: Path) -> None:
    """Write `path`, an .xml, and the .bin beside it; both by rename."""
    with atomic_path(path.with_suffix(".bin")) as weights, atomic_path(path) as text:
        import_openvino().save_model(graph, text, compress_to_fp16=False)
        os.replace(text.with_suffix(".bin"), weights)
