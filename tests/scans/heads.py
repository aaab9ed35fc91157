"""A head whose tumour is known, and models that find exactly what is bright in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import tifffile
import torch

from brainseg.files import write_json
from brainseg.model.catalogue import NETWORKS
from brainseg.model.networks import NetworkParams, build_network
from brainseg.model.store import FORMAT, ModelInfo, save_model
from brainseg.params import shipped_section
from brainseg.preprocess.clahe import ClaheParams
from brainseg.preprocess.inputs import InputParams
from tests.params import skull_strip_params

SPACING = (12.0, 1.875, 1.875)  # 240 mm on 128 pixels
POSTPROCESS = {
    "threshold": 0.5,
    "scale_to_peak": False,
    "min_component_px": 0,
    "fill_holes": False,
    "largest_only": False,
    "tta": True,
    "trail": [],
}


def head(n: int = 16, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """FLAIR uint8 [n, side, side] of scalp, skull, brain and a brighter tumour on one side, and its mask."""
    z, y, x = np.mgrid[-0.7 : 0.9 : n * 1j, -1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.sqrt((x / 0.7) ** 2 + (y / 0.9) ** 2 + z**2)
    tumour = np.sqrt((x - 0.2) ** 2 + (y + 0.25) ** 2 + (z - 0.2) ** 2) < 0.2
    flair = np.select([tumour, radius < 0.75, radius < 0.88, radius < 1], [190, 100, 15, 200], 2)
    noise = np.random.default_rng(0).normal(0, 3, flair.shape)
    return (flair + noise).clip(0, 255).astype(np.uint8), tumour


def threshold_models(folder: Path, method: str = "classical", patients: Sequence[str] = (), **changes: Any) -> Path:
    """Every network, and their ensemble, whose logit is 8 (FLAIR in standard deviations - 1.5)."""
    width = {"encoder": "plain", "encoder_weights": "none", "decoder_channels": [4, 2]}
    network = build_network("unet", NetworkParams(**width))
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.fill_(1.0 if name.endswith(("1.weight", "4.weight")) else 0.0)  # batch norms pass their input
        down, up, top = network.down[0], network.up[-1], network.head
        down[0].weight[0, 1, 1, 1] = 1  # FLAIR alone, its centre
        down[3].weight[0, 0, 1, 1] = 1
        up[0].weight[0, 0, 1, 1] = 1  # the skip's first channel
        up[3].weight[0, 0, 1, 1] = 1
        top.weight[0, 0], top.bias[0] = 8, -12
    for name in NETWORKS:
        info = ModelInfo(
            format=FORMAT,
            name=name,
            architecture="unet",
            network=NetworkParams(**width),
            inputs=InputParams(input_size=128, crop_to_brain=True, normalization="zscore", neighbours=0, mirror=False),
            skull_strip=skull_strip_params(method=method, max_fraction=0.5),
            clahe=shipped_section("clahe", ClaheParams, enabled=False),
            postprocess=POSTPROCESS | changes,
            training={"patients": list(patients)},
            metrics={},
            brainseg="0",
        )
        save_model(folder / f"{name}.safetensors", network.eval().state_dict(), info)
    post = POSTPROCESS | changes
    write_json(folder / "ensemble.json", {"name": "ensemble", "members": list(NETWORKS), "postprocess": post})
    return folder


def write_tifs(folder: Path, images: np.ndarray, masks: np.ndarray | None = None, first: int = 1) -> Path:
    """<folder>/<folder's name>_<slice>.tif, and masks."""
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        tifffile.imwrite(folder / f"{folder.name}_{i + first}.tif", image)
        if masks is not None:
            tifffile.imwrite(folder / f"{folder.name}_{i + first}_mask.tif", masks[i].astype(np.uint8) * 255)
    return folder


def as_nifti(stack: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> nib.Nifti1Image:
    """An axial stack, feet first, anterior at the top, as NIfTI with a true affine (and an offset)."""
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    affine[:3, 3] = 118.5, 97.25, -61.0
    return nib.Nifti1Image(np.ascontiguousarray(stack.T), affine)
