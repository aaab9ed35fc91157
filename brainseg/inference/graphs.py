"""Networks as files that OpenVINO reads: a structure, numbers, and a record with the digests of both."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field

from brainseg.compiled import Graph
from brainseg.errors import DataError, ParamsError
from brainseg.files import atomic_path, write_json
from brainseg.inference.runtimes import FLOAT32
from brainseg.params import Params, parse_json, read_text, validate

MAX_RECORD_BYTES = 1 << 16
_SHA256 = "^[0-9a-f]{64}$"


class GraphRecord(Params):
    """What lies beside a graph, as JSON.

    Attributes:
        weights_sha256: of the .safetensors that the graph was made from.
        xml_sha256: of its structure.
        bin_sha256: of its numbers.
        shares_weights: its numbers are those of the .safetensors, byte for byte, followed by the .bin: the half
            precision weights lie in the package once.
    """

    weights_sha256: str = Field(pattern=_SHA256)
    xml_sha256: str = Field(pattern=_SHA256)
    bin_sha256: str = Field(pattern=_SHA256)
    shares_weights: bool = False


def graph_path(weights: Path, precision: str) -> Path:
    """Where a network's graph lies.

    unet.safetensors has unet.int8.xml, its numbers in unet.int8.bin, and the digests in unet.int8.json.
    """
    return weights.with_suffix(f".{precision}.xml")


def has_graph(weights: Path, precision: str) -> bool:
    """Whether a graph lies beside a network's weights, of these weights or of others."""
    path = graph_path(weights, precision)
    return path.is_file() and path.with_suffix(".bin").is_file()


def read_graph(weights: Path, digest: str, precision: str) -> Graph:
    """Read the graph beside a network's weights.

    Args:
        weights: the network's .safetensors.
        digest: of that file, which the graph has to be made from.
        precision: of the graph.

    Raises:
        DataError: there is no such graph, its digest differs from its record's, or it was made from other weights.
    """
    path = graph_path(weights, precision)
    otherwise = "remove it" if precision == FLOAT32 else "leave --precision out"
    if not has_graph(weights, precision):
        raise DataError(f"{weights.name} has no {precision} version beside it ({path.name}, .bin); {otherwise}.")
    record = _record(path, otherwise)
    if record.weights_sha256 != digest:
        raise DataError(f"{path} was made from other weights than {weights.name}; {otherwise}.")
    structure = _whole(path, record.xml_sha256, otherwise)
    numbers = _whole(path.with_suffix(".bin"), record.bin_sha256, otherwise)
    return structure, weights.read_bytes() + numbers if record.shares_weights else numbers


def _whole(path: Path, expected: str, otherwise: str) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(
            f"{path} is not the file that was made (its digest differs); install brainseg again, or {otherwise}."
        )
    return content


def _record(path: Path, otherwise: str) -> GraphRecord:
    record = path.with_suffix(".json")
    try:
        return validate(parse_json(read_text(record, MAX_RECORD_BYTES)), GraphRecord, str(record))
    except (OSError, ValueError, ParamsError) as error:
        raise DataError(
            f"{record}, which has the digests of the graph beside it, cannot be read ({error}); install brainseg "
            f"again, or {otherwise}."
        ) from None


def write_graph(graph: Graph, weights: Path, digest: str, precision: str, *, shares_weights: bool = False) -> None:
    """Write a graph beside the weights that it was made from; the record last, which makes it valid.

    Args:
        graph: structure, and the numbers of the .bin.
        weights: the network's .safetensors.
        digest: of that file.
        precision: of the graph.
        shares_weights: see `GraphRecord`.
    """
    path = graph_path(weights, precision)
    for suffix, content in zip((".xml", ".bin"), graph, strict=True):
        with atomic_path(path.with_suffix(suffix)) as temporary:
            temporary.write_bytes(content)
    xml, numbers = (hashlib.sha256(content).hexdigest() for content in graph)
    record = GraphRecord(weights_sha256=digest, xml_sha256=xml, bin_sha256=numbers, shares_weights=shares_weights)
    write_json(path.with_suffix(".json"), record.model_dump(exclude_defaults=True))
