"""Small raw trees in the layout of the public download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from brainseg.data import manifest
from brainseg.data.raw import barcode

MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree() -> MakeTree:
    """Write `root/kaggle_3m` with n slices a patient, 8 x 8 pixels; every even slice has tumour pixels."""

    def make(root: Path, patients: dict[str, int]) -> Path:
        rng = np.random.default_rng(0)
        for patient, slices in patients.items():
            folder = root / "kaggle_3m" / patient
            folder.mkdir(parents=True)
            for number in range(1, slices + 1):
                image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                mask = np.zeros((8, 8), np.uint8)
                if number % 2 == 0:
                    mask[2:4, 2 : 2 + number] = 255
                tifffile.imwrite(folder / f"{patient}_{number}.tif", image, photometric="rgb")
                tifffile.imwrite(folder / f"{patient}_{number}_mask.tif", mask)
        barcodes = "".join(f"{barcode(patient)},1\n" for patient in patients)
        (root / "kaggle_3m" / "data.csv").write_text("Patient,death01\n" + barcodes)
        (root / "kaggle_3m" / "README.md").write_text("# LGG Segmentation Dataset\n")
        return root

    return make


PUBLISHED = {"TCGA_AA_0001_19990101": 4, "TCGA_AA_0002_19990102": 3, "TCGA_BB_0003_19990103": 2}


@pytest.fixture
def published(tmp_path: Path, make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A "public download" of 3 patients, 9 slices, 4 with tumour; the manifest knows all but the third."""
    root = make_tree(tmp_path / "published", PUBLISHED)
    files: dict[str, dict[str, manifest.Digest]] = {}
    for path in sorted(root.glob("kaggle_3m/*/*.tif")):
        files.setdefault(path.parent.name, {})[path.name] = manifest.digest(path)
    del files["TCGA_BB_0003_19990103"]
    known = manifest.Manifest(files, frozenset(map(barcode, PUBLISHED)), slices=9, slices_with_tumour=4)
    monkeypatch.setattr(manifest, "load", lambda: known)
    return root
