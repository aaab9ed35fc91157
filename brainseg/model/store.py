"""Model files: safetensors with everything needed to predict in its header, and the same as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import field_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from brainseg.errors import DataError
from brainseg.files import atomic_path, write_json
from brainseg.model.architecture import NetworkParams
from brainseg.model.catalogue import NETWORKS
from brainseg.params import Params, parse_json, validate
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.inputs import InputParams
from brainseg.preprocess.skull_strip import SkullStripParams

if TYPE_CHECKING:
    from torch import Tensor, nn

HEADER_KEY = "brainseg"
FORMAT = 1
LATER: Mapping[str, Mapping[str, Any]] = {
    "inputs": {"neighbours": 0, "mirror": False},
    "skull_strip": {"sequences": "flair"},
    "postprocess": {"scale_to_peak": False},
}
"""What files of this format mean that were written before these keys were there, by section; nothing else is filled."""


class ModelInfo(Params):
    """What a model file says of itself.

    Attributes:
        format: version of this layout.
        name: of the model, usually its architecture.
        architecture: which network of `brainseg.model.catalogue`.
        network: its encoder and widths.
        inputs: the network's grid and normalisation.
        skull_strip: brain extraction that training used.
        clahe: contrast equalisation that training used.
        postprocess: choices made on validation, a `brainseg.inference.postprocess.Record`; None until made.
        training: data, recipe and history in plain values, for the record.
        metrics: figures with their split, for the record.
        brainseg: version that wrote the file.
    """

    format: int
    name: str
    architecture: str
    network: NetworkParams
    inputs: InputParams
    skull_strip: SkullStripParams
    clahe: ClaheParams
    postprocess: dict[str, Any] | None
    training: dict[str, Any]
    metrics: dict[str, Any]
    brainseg: str

    @field_validator("architecture")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in NETWORKS:
            raise ValueError(f"expected {' or '.join(NETWORKS)}")
        return value


def save_model(path: Path, state: Mapping[str, Tensor | npt.NDArray[Any]], info: ModelInfo) -> None:
    """Write `path` (.safetensors) and the JSON beside it; the same content gives the same bytes."""
    plain = info.model_dump(mode="json")
    tensors = {key: _array(value) for key, value in state.items()}
    with atomic_path(path) as temporary:
        # one key only: the header's map has no order of its own
        save_file(tensors, temporary, metadata={HEADER_KEY: json.dumps(plain)})
    write_json(path.with_suffix(".json"), plain)


def _array(value: Tensor | npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Not np.ascontiguousarray, which gives a number without axes one.
    return np.asarray(value if isinstance(value, np.ndarray) else value.detach().cpu(), order="C")


def load_state(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The weights of a file that `load_info` has read."""
    return load_file(path)


def load_model(path: Path) -> tuple[nn.Module, ModelInfo]:
    """Read a model file alone (the JSON beside it is for people) and build the network in eval mode, by torch.

    Raises:
        DataError: missing, damaged, not written by brainseg, or tensors that do not fit.
        ParamsError: the header has an unknown or ill-typed key.
    """
    import torch

    from brainseg.model.networks import build_network, channels_last

    info = load_info(path)
    network = build_network(info.architecture, info.network, info.inputs.channels, initial=False)
    state = {key: torch.from_numpy(value) for key, value in load_state(path).items()}
    try:
        network.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not fit the network that its header names ({first}); train it again.") from None
    return channels_last(network.eval()), info


def load_info(path: Path) -> ModelInfo:
    """Read the header only.

    Raises:
        DataError: missing, damaged or not written by brainseg.
    """
    if not path.is_file():
        raise DataError(f"model file {path} does not exist; `dvc repro` makes it, or give its path.")
    try:
        with safe_open(path, framework="numpy") as stored:
            header = (stored.metadata() or {})[HEADER_KEY]
        plain = parse_json(header)
        if not isinstance(plain, dict):
            raise ValueError(f"its header is a {type(plain).__name__}")
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not a brainseg model ({_why(error)}); expected safetensors that it wrote."
        ) from None
    if plain.get("format") != FORMAT:
        raise DataError(f"{path} has format {plain.get('format')}, this version reads {FORMAT}; update brainseg.")
    plain |= {name: completed(plain[name], name) for name in LATER if name in plain}
    return validate(plain, ModelInfo, where=str(path))


def _why(error: Exception) -> str:
    """In words of a person: those of `parse_json` are, those of safetensors are not."""
    return str(error) if isinstance(error, ValueError) else "it is cut off, or of another program"


def completed(content: Any, section: str) -> Any:
    """A section of a model file, or of ensemble.json, with what `LATER` has of it where the file is older."""
    return {**LATER[section], **content} if isinstance(content, dict) else content
