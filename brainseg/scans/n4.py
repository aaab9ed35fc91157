"""N4 bias field correction (Tustison et al. 2010), by SimpleITK: a coil's brightness across the image taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from brainseg.data.slices import Float
from brainseg.scans.itk import simple_itk
from brainseg.scans.scan import SEQUENCES, Image, Scan, fill_sequences

SIDE, SLICES = 40, 24
"""The field is smooth: it is found on a grid of so many points (up to twice as many) by so many slices."""
LEVELS = (30, 30, 20)
"""Iterations on each finer mesh of the field's spline."""
LEAST = 4
"""Slices; fewer are filled up with the last one."""
HEAD_SHARE = 0.1
"""Of the 99.5th percentile: what is brighter is head."""


def without_bias(scan: Scan) -> Scan:
    """The scan with the bias field of each sequence divided out.

    The field's geometric mean over the head is 1. uint8 stays uint8, so that 8-bit scans keep their scale; others
    become float32.

    Raises:
        UserError: SimpleITK is not installed.
    """
    with simple_itk("--n4") as sitk:
        changed = {key: _corrected(sitk, scan.images[..., i]) for i, key in enumerate(SEQUENCES) if key in scan.given}
    return replace(scan, images=fill_sequences(changed))


def _corrected(sitk: Any, values: Image) -> Image:
    """One sequence, [n, height, width]."""
    out = np.empty(values.shape, np.uint8 if values.dtype == np.uint8 else np.float32)
    low = np.float32(values.min())
    for plane, field, target in zip(values, _fields(sitk, values, low), out, strict=True):
        changed = (plane.astype(np.float32) - low) / field + low
        target[...] = changed.round().clip(0, 255) if out.dtype == np.uint8 else changed
    return out


def _fields(sitk: Any, values: Image, low: np.float32) -> Iterator[Float]:
    """The field, slice by slice of `values`, float32 [height, width]: found on a coarse grid, where it is smooth."""
    n, height, width = values.shape
    size = tuple(max(1, side // max(1, side // SIDE)) for side in (width, height))
    planes = np.linspace(0, n - 1, min(n, SLICES)).round().astype(int)
    coarse = np.stack([cv2.resize(values[i].astype(np.float32), size, interpolation=cv2.INTER_AREA) for i in planes])
    coarse -= low
    head = coarse > HEAD_SHARE * np.percentile(coarse, 99.5)
    log = _log_field(sitk, coarse, head)
    log -= log[head].mean()
    for i in range(n):
        above = min(int(np.searchsorted(planes, i)), len(planes) - 1)
        below = max(above - 1, 0)
        share = (i - planes[below]) / max(planes[above] - planes[below], 1)
        between = (1 - share) * log[below] + share * log[above]
        yield np.exp(cv2.resize(between.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))


def _log_field(sitk: Any, coarse: Float, head: Any) -> Float:
    """The logarithm of the field, float32 [n, height, width]."""
    n, more = len(coarse), max(0, LEAST - len(coarse))  # the spline needs some points along each axis
    coarse, head = (np.concatenate([stack, np.repeat(stack[-1:], more, 0)]) for stack in (coarse, head))
    method = sitk.N4BiasFieldCorrectionImageFilter()
    method.SetMaximumNumberOfIterations(LEVELS)
    image = sitk.GetImageFromArray(np.maximum(coarse, 1e-3 * coarse.max()))
    method.Execute(image, sitk.GetImageFromArray(head.astype(np.uint8)))
    return np.asarray(sitk.GetArrayFromImage(method.GetLogBiasFieldAsImage(image)), np.float32)[:n]
