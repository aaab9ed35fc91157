"""A network as a graph that OpenVINO runs on the CPU: exported once, kept in the user's cache, checked at loading."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from brainseg.errors import DataError, ParamsError
from brainseg.files import atomic_path, write_json
from brainseg.inference import cache
from brainseg.model.store import ModelInfo, load_model
from brainseg.params import Params, parse_json, read_text, validate

MAX_RECORD_BYTES = 1 << 16


class GraphRecord(Params):
    """What lies beside an int8 graph, as JSON.

    Attributes:
        weights_sha256: of the .safetensors that the graph was made from.
        xml_sha256: of its structure.
        bin_sha256: of its numbers.
    """

    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    xml_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bin_sha256: str = Field(pattern="^[0-9a-f]{64}$")


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
    core, name = openvino.Core(), f"{name}-{openvino.__version__.split('-')[0]}.graph"
    if (kept := cache.read(name)) is not None:
        return _compile(core, core.read_model(*kept))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: nothing that a user can mend
        graph = make()
    try:
        parts = _serialised(graph)
        read_back = core.read_model(*parts)
    except (OSError, RuntimeError) as error:  # OpenVINO's, of a disk that is full
        cache.warn(error)
        return _compile(core, graph)
    cache.write(name, *parts)
    return _compile(core, read_back)


def _serialised(graph: Any) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().save_model(graph, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def compile_quantised(weights: Path, digest: str) -> nn.Module:
    """Compile the int8 graph that lies beside a network's weights for this CPU.

    Args:
        weights: the network's .safetensors; the graph is `quantised_path(weights)`.
        digest: of the weights, which the graph has to be made from.

    Returns:
        A module with the network's interface.

    Raises:
        DataError: there is no such graph, its digest differs from its record's, or it was made from other weights.
    """
    path = quantised_path(weights)
    if not (path.is_file() and path.with_suffix(".bin").is_file()):
        raise DataError(f"{weights.name} has no int8 version beside it ({path.name}, .bin); leave --precision out.")
    record = _record(path)
    if record.weights_sha256 != digest:
        raise DataError(f"{path} was made from other weights than {weights.name}; leave --precision out.")
    parts = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    for part, expected, suffix in zip(parts, (record.xml_sha256, record.bin_sha256), (".xml", ".bin"), strict=True):
        if hashlib.sha256(part).hexdigest() != expected:
            raise DataError(
                f"{path.with_suffix(suffix)} is not the file that was made (its digest differs); install brainseg "
                "again, or leave --precision out."
            )
    core = import_openvino().Core()
    return _compile(core, core.read_model(*parts))


def _record(path: Path) -> GraphRecord:
    record = path.with_suffix(".json")
    try:
        return validate(parse_json(read_text(record, MAX_RECORD_BYTES)), GraphRecord, str(record))
    except (OSError, ValueError, ParamsError) as error:
        raise DataError(
            f"{record}, which has the digests of the int8 graph, cannot be read ({error}); install brainseg again, "
            "or leave --precision out."
        ) from None


def quantised_path(weights: Path) -> Path:
    """Where the int8 graph of a network lies.

    unet.safetensors has unet.int8.xml, its numbers in unet.int8.bin, and both digests in unet.int8.json.
    """
    return weights.with_suffix(".int8.xml")


def save_quantised(graph: Any, weights: Path, digest: str) -> None:
    """Write an int8 graph beside the weights that it was made from; the record last, which makes it valid.

    Args:
        graph: to be written.
        weights: the network's .safetensors.
        digest: of that file.
    """
    path = quantised_path(weights)
    parts = dict(zip((".xml", ".bin"), _serialised(graph), strict=True))
    for suffix, content in parts.items():
        with atomic_path(path.with_suffix(suffix)) as temporary:
            temporary.write_bytes(content)
    digests = {f"{suffix[1:]}_sha256": hashlib.sha256(content).hexdigest() for suffix, content in parts.items()}
    write_json(path.with_suffix(".json"), GraphRecord(weights_sha256=digest, **digests).model_dump())


def _compile(core: Any, graph: Any) -> nn.Module:
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and threads.isdigit():
        config["INFERENCE_NUM_THREADS"] = threads
    return OpenVinoNetwork(core.compile_model(graph, "CPU", config))


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
