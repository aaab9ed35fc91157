"""The network of clicks in torch: made from a segmentation network, kept in a file, turned into a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from brainseg.compiled import import_openvino
from brainseg.correct.clicks.inputs import CHANNELS
from brainseg.model.networks import build_network, channels_last, widen
from brainseg.model.store import ModelInfo, load_info, load_model, load_state


def from_segmentation(path: Path) -> tuple[nn.Module, ModelInfo]:
    """A network of clicks that says what the segmentation network in a file says, whatever was clicked.

    The channels that are added have weight 0.

    Raises:
        DataError: see `load_model`.
    """
    network, info = load_model(path)
    return channels_last(widen(network, CHANNELS)), info


def load_network(path: Path) -> tuple[nn.Module, ModelInfo]:
    """The network of clicks in a file, in eval mode.

    Raises:
        DataError: see `load_info`.
    """
    info = load_info(path)
    network = build_network(info.architecture, info.network, CHANNELS, initial=False)
    state = {key: torch.from_numpy(value) for key, value in load_state(path).items()}
    network.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    )
    return channels_last(network.eval()), info


def to_graph(path: Path) -> Any:
    """The network in a file as an OpenVINO graph for any number of slices; it gives logits."""
    network, info = load_network(path)
    size = info.inputs.input_size
    with torch.inference_mode():
        example = torch.zeros(2, CHANNELS, size, size)
        return import_openvino().convert_model(network, example_input=example, input=[-1, CHANNELS, size, size])
