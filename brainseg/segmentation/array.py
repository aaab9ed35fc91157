"""`brainseg.segment`: the same as `brainseg predict`, in Python."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from brainseg.inference.models import load_models
from brainseg.inference.runtimes import AUTO, FLOAT32
from brainseg.model.catalogue import ENSEMBLE
from brainseg.scans.case import N4, REGISTER
from brainseg.scans.scan import Image, Spacing
from brainseg.segmentation.given import scan_of
from brainseg.segmentation.segmenter import Segmenter
from brainseg.segmentation.shown import SegmentedScan

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage


def segment(
    volume: Image | str | Path | SpatialImage | Mapping[str, str | Path],
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
    register: bool = False,
    n4: bool = False,
) -> SegmentedScan:
    """Segment a volume as `brainseg predict` does. Research only: not a medical device.

    Models are loaded at the first call and kept for the next ones.

    Args:
        volume: a path to one scan, as `brainseg predict` takes it; a mapping of `flair` and any of `pre`, `post` to a
            path each; an image of nibabel; or an array of real numbers [n, height, width] of FLAIR, or [n, height,
            width, 3] of pre-contrast, FLAIR and post-contrast: axial slices from the feet upwards, anterior at the
            top, the patient's right on the left.
        spacing: of an array, millimetres between slices, rows and columns; None assumes a field of view of 240 mm.
        model: one network, or the average of both.
        weights: a folder of models or one .safetensors file; None for the shipped ones.
        device: `auto` takes CUDA where there is some and torch is installed.
        runtime: `openvino` on the CPU, `torch`, or `auto`.
        precision: `float32`, or `int8`, which is faster, by OpenVINO only, and costs a little accuracy (the model card
            says how much).
        tta: average over flips; None does as the model was tuned.
        stripped: brain extraction was done before; None to find out.
        trust_input: doubts about what the volume is are warnings.
        register: register T1 and T1 with contrast agent to FLAIR; of NIfTI and DICOM alone.
        n4: correct the bias field of each sequence; of files alone.

    Returns:
        Mask and probability as axial slices on the volume's own grid, sizes and warnings. `print` tells what was
        found, a notebook shows it, and `to_nifti` gives the mask in the geometry of the file.

    Raises:
        DataError: the volume is no picture of a head, the path holds no scan or several, the spacing is not three
            positive numbers, models are missing, or what was given cannot be registered or corrected.
        NotTrusted: the volume is probably no FLAIR (but a T1 or a T2) of a head, upright and with bright tissue, or of
            no head's size.
        UserError: `register` or `n4` needs the extra `register`.

    Example:
        >>> result = brainseg.segment(flair, spacing=(5.0, 0.9, 0.9))  # doctest: +SKIP
        >>> print(result)  # doctest: +SKIP
        >>> brainseg.segment("flair.nii.gz").to_nifti().to_filename("mask.nii.gz")  # doctest: +SKIP
    """
    changes = [name for name, wanted in ((REGISTER, register), (N4, n4)) if wanted]
    scan = scan_of(volume, spacing, trust_input, changes)
    segmenter = _segmenter(model, weights, device, runtime, precision, tta)
    return SegmentedScan.of(segmenter(scan, stripped=stripped, trust=trust_input), scan)


@functools.lru_cache(maxsize=2)
def _segmenter(
    model: str, weights: Path | None, device: str, runtime: str, precision: str, tta: bool | None
) -> Segmenter:
    return Segmenter(load_models(weights, model, device=device, runtime=runtime, precision=precision), tta=tta)
