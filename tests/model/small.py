"""Parameters and patients that train in a moment."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from brainseg.data.slices import SliceSet
from brainseg.model.architecture import NetworkParams
from brainseg.model.recipe import NetworkTrainParams, TrainParams
from brainseg.model.store import FORMAT, ModelInfo
from brainseg.params import shipped_section
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.inputs import InputParams
from tests.params import skull_strip_params

AUGMENT = {
    "flip": 0.5, "rotation_deg": 10, "scale": 0.1, "shift": 0.05, "contrast": 0.1, "brightness": 0.1, "gamma": 0.1,
    "bias": 0, "noise": 0.05, "drop_sequence": 0.1, "flair_only": 0,
}  # fmt: skip

PLAIN = NetworkParams(encoder="plain", encoder_weights="none", decoder_channels=[16, 8])


def train_params(**changes: object) -> TrainParams:
    content = {
        "device": "cpu", "input_size": 32, "crop_to_brain": False, "normalization": "zscore", "batch_size": 4,
        "weight_decay": 0.01, "dice_weight": 0.5, "ema_decay": 0.5, "grad_clip": 1.0, "patience": 50,
        "augment": AUGMENT,
    }  # fmt: skip
    return shipped_section("train", TrainParams, **(content | changes))


def network_params(**changes: object) -> NetworkTrainParams:
    content = PLAIN.model_dump() | {"epochs": 3, "lr": 0.01}
    return NetworkTrainParams(**(content | changes))


def info(**changes: object) -> ModelInfo:
    content = {
        "format": FORMAT,
        "name": "unet",
        "architecture": "unet",
        "network": PLAIN,
        "inputs": InputParams(input_size=32, crop_to_brain=True, normalization="zscore", neighbours=0, mirror=False),
        "skull_strip": skull_strip_params(method="none"),
        "clahe": ClaheParams(enabled=True, clip_limit=2.0, tile_grid=8),
        "postprocess": None,
        "training": {"patients": ["A"]},
        "metrics": {},
        "brainseg": "0",
    }
    return ModelInfo(**(content | changes))


def blob_patient(seed: int, n: int = 5, size: int = 32) -> SliceSet:
    """A bright square on noise; slice 1 is empty."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 80, (n, size, size, 3), np.uint8)
    masks = np.zeros((n, size, size), bool)
    for i in range(1, n):
        top, left = rng.integers(2, size - 14, 2)
        masks[i, top : top + 10, left : left + 10] = True
    images[masks] += 120
    return SliceSet(images, masks, np.ones_like(masks), np.arange(1, n + 1))


def digest(state: dict[str, torch.Tensor]) -> str:
    hasher = hashlib.sha256()
    for key, value in sorted(state.items()):
        hasher.update(key.encode() + value.numpy().tobytes())
    return hasher.hexdigest()
