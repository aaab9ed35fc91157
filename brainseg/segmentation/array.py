"""`brainseg.segment`: the same as `brainseg predict`, for arrays."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from brainseg.errors import DataError
from brainseg.inference.models import load_models
from brainseg.inference.runtimes import AUTO, FLOAT32
from brainseg.model.catalogue import ENSEMBLE
from brainseg.scans.array_origin import ArrayOrigin
from brainseg.scans.geometry import check_field
from brainseg.scans.scan import SEQUENCES, Image, Scan, Spacing, check_values, fill_sequences, missing_warning
from brainseg.segmentation.segmenter import Segmentation, Segmenter


def segment(
    volume: Image,
    spacing: Spacing | None = None,
    *,
    model: str = ENSEMBLE,
    weights: Path | None = None,
    device: str = AUTO,
    runtime: str = AUTO,
    precision: str = FLOAT32,
    tta: bool | None = None,
    stripped: bool | None = None,
    trust_input: bool = False,
) -> Segmentation:
    """Segment a volume as `brainseg predict` does. Research only: not a medical device.

    Models are loaded at the first call and kept for the next ones.

    Args:
        volume: real numbers [n, height, width] of FLAIR, or [n, height, width, 3] of pre-contrast, FLAIR and
            post-contrast: axial slices from the feet upwards, anterior at the top, the patient's right on the left.
        spacing: millimetres between slices, rows and columns; None assumes a field of view of 240 mm.
        model: one network, or the average of both.
        weights: a folder of models or one .safetensors file; None for the shipped ones.
        device: `auto` takes CUDA where there is some and torch is installed.
        runtime: `openvino` on the CPU, `torch`, or `auto`.
        precision: `float32`, or `int8`, which is faster, by OpenVINO only, and costs a little accuracy (the model card
            says how much).
        tta: average over flips; None does as the model was tuned.
        stripped: brain extraction was done before; None to find out.
        trust_input: doubts about what the volume is are warnings.

    Returns:
        Mask and probability on the volume's own grid, sizes and warnings.

    Raises:
        DataError: the volume is no picture of a head, the spacing is not three positive numbers, or models are
            missing.
        NotTrusted: the volume is probably no FLAIR (but a T1 or a T2) of a head, upright and with bright tissue, or of
            no head's size.

    Example:
        >>> result = brainseg.segment(flair, spacing=(5.0, 0.9, 0.9))  # doctest: +SKIP
        >>> result.mask.shape == flair.shape, result.volume_ml  # doctest: +SKIP
    """
    volume = np.asarray(volume)
    if volume.ndim not in (3, 4) or (volume.ndim == 4 and volume.shape[3] != 3):
        raise DataError(f"the volume is {volume.shape}, expected [n, height, width] or [n, height, width, 3].")
    if spacing is not None and (len(spacing) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing)):
        raise DataError(f"the spacing is {spacing}, expected millimetres between slices, rows and columns.")
    channels = {name: volume[..., i] for i, name in enumerate(SEQUENCES)} if volume.ndim == 4 else {"flair": volume}
    for name, values in channels.items():
        check_values(values, f"the volume's {name}")
    given = tuple(channels)
    warnings: list[str] = []
    if spacing is not None:
        check_field(volume.shape[:3], spacing, "the volume", trust_input, warnings)
    scan = Scan(
        name="volume",
        images=volume if volume.ndim == 4 else fill_sequences(channels),
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        slices=np.arange(len(volume)),
        given=given,
        sources=(),
        warnings=tuple(warnings + missing_warning(given)),
        origin=ArrayOrigin(),
    )
    segmenter = _segmenter(model, weights, device, runtime, precision, tta)
    return segmenter(scan, stripped=stripped, trust=trust_input)


@functools.lru_cache(maxsize=2)
def _segmenter(
    model: str, weights: Path | None, device: str, runtime: str, precision: str, tta: bool | None
) -> Segmenter:
    return Segmenter(load_models(weights, model, device=device, runtime=runtime, precision=precision), tta=tta)
