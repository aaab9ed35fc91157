"""The runtime torch: needs the extra `torch`, and is the only one for what is not a CPU."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from brainseg.model.forward import Network
from brainseg.model.networks import Probabilities
from brainseg.model.store import load_model


def load_network(path: Path, device: str) -> Network:
    """A network of its .safetensors, in float32.

    Raises:
        DataError: see `load_model`.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():  # a worker's share, also where torch was imported before
        torch.set_num_threads(max(1, int(threads)))
    return Probabilities(load_model(path)[0].to(device))
