"""From a network of torch to a graph of OpenVINO."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brainseg.compiled import import_openvino
from brainseg.model.store import ModelInfo


def to_graph(network: nn.Module, info: ModelInfo) -> Any:
    """The network, in eval mode on the CPU, as an OpenVINO graph for any number of slices; it gives logits."""
    size = info.inputs.input_size
    example = torch.zeros(2, info.inputs.channels, size, size)
    with torch.inference_mode():
        return import_openvino().convert_model(
            network, example_input=example, input=[-1, info.inputs.channels, size, size]
        )
