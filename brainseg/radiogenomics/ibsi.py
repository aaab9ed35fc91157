"""Standard morphological features of the Image Biomarker Standardisation Initiative, computed by mirp.

Zwanenburg et al. 2020 (Radiology 295:328); mirp: Zwanenburg and Loeck 2024 (J. Open Source Softw. 9:6413).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from brainseg.data.slices import Bool
from brainseg.errors import DataError, install

FEATURES = (
    "volume", "area_mesh", "av", "comp_1", "comp_2", "sph_dispr", "sphericity", "asphericity", "diam",
    "vol_dens_conv_hull", "area_dens_conv_hull", "vol_dens_aabb", "area_dens_aabb", "pca_maj_axis", "pca_min_axis",
    "pca_least_axis", "pca_elongation", "pca_flatness", "vol_dens_aee", "area_dens_aee",
)  # fmt: skip
"""mirp's names, without `morph_`; those that weigh by intensity are left out."""


def ibsi_features(mask: Bool, spacing: tuple[float, float, float]) -> dict[str, float]:
    """Measure a mask as mirp does.

    Args:
        mask: bool [n, height, width] with some tumour.
        spacing: between slices, rows and columns, in the unit of the result.

    Returns:
        feature of `FEATURES` -> value, NaN where a mask of so few voxels has none.

    Raises:
        DataError: mirp is not installed.
    """
    try:
        from mirp import extract_features
    except ImportError:
        raise DataError(
            f"IBSI features need mirp; {install('radiogenomics')}, or leave them out (no --ibsi; in params.yaml "
            "radiogenomics.ibsi: false)."
        ) from None
    with tempfile.TemporaryDirectory() as scratch, _without_log():
        affine = np.diag([spacing[2], spacing[1], spacing[0], 1.0])
        stored = np.ascontiguousarray(mask.transpose(2, 1, 0))
        paths = {kind: Path(scratch) / f"{kind}.nii.gz" for kind in ("image", "mask")}
        nib.save(nib.Nifti1Image(stored.astype(np.float32), affine), paths["image"])
        nib.save(nib.Nifti1Image(stored.astype(np.uint8), affine), paths["mask"])
        found = extract_features(
            image=str(paths["image"]),
            mask=str(paths["mask"]),
            base_feature_families="morphological",
            write_features=False,
            export_features=True,
        )
    row = found[0].iloc[0]
    return {name: float(row[f"morph_{name}"]) for name in FEATURES}


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """mirp sets the root logger up to print a line a file, unless somebody has before."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
